package report

import (
	"bytes"
	"testing"

	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := Table(&b, statstest.Run([]int{10, 100, 1000, 10000}, 3)); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + b.String())
}
