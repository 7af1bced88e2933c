package report

import (
	"bytes"
	"testing"
)

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := Table(&b, fixture([]int{10, 100, 1000, 10000}, 3)); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + b.String())
}
