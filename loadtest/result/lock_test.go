package result

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Two processes that resume a run at once would mix their records, and one would cut off the other's last line.
func TestARunHasOneWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, &Run{Schema: Schema, ID: "first"})
	if err != nil {
		t.Fatal(err)
	}
	half := []byte("{")
	if err := os.WriteFile(filepath.Join(dir, CellsFile), half, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Reopen(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("Reopen of a run under way: %v, want %v", err, ErrInUse)
	}
	if got, err := os.ReadFile(filepath.Join(dir, CellsFile)); err != nil || string(got) != "{" {
		t.Errorf("what is being written was cut off: %q, %v", got, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Reopen(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// Runs that start in the same second have the same name.
func TestCreateAtATime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	results := make(chan error)
	const n = 8
	for range n {
		go func() {
			w, err := Create(dir, &Run{Schema: Schema})
			if err == nil {
				defer w.Close()
			}
			results <- err
		}()
	}
	made := 0
	for range n {
		if <-results == nil {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d of %d made the same folder", made, n)
	}
}
