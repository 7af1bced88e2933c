package handover

import (
	"errors"
	"io"
	"os"
	"testing"
)

func TestADescriptorIsHandedOver(t *testing.T) {
	ours, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	other, err := Conn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := Give(ours, int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	_ = w.Close() // the one that was handed over is another
	fd, err := Take(other)
	if err != nil {
		t.Fatal(err)
	}
	taken := os.NewFile(uintptr(fd), "taken")
	if _, err := taken.WriteString("through it"); err != nil {
		t.Fatal(err)
	}
	_ = taken.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "through it" {
		t.Errorf("read %q, err %v", b, err)
	}
	// A message without one is a mistake, and the end of the other side the end.
	if _, err := ours.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(other); !errors.Is(err, errNothing) {
		t.Errorf("err %v", err)
	}
	_ = ours.Close()
	if _, err := Take(other); !errors.Is(err, io.EOF) {
		t.Errorf("err %v", err)
	}
}
