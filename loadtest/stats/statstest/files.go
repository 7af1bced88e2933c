package statstest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/result"
)

// Record writes a run into dir as if it had been measured.
func Record(t *testing.T, dir string, set *result.Set) {
	t.Helper()
	w, err := result.Create(dir, &set.Run)
	if err != nil {
		t.Fatal(err)
	}
	for i := range set.Repeats {
		if err := w.Append(&set.Repeats[i], nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// AddHistogram gives a repeat of the run in dir an empty histogram.
func AddHistogram(t *testing.T, dir string, r *result.Repeat) {
	t.Helper()
	w, err := result.Reopen(dir)
	if err != nil {
		t.Fatal(err)
	}
	empty := result.Interval{Start: r.Started, End: r.Started, Service: hdrhistogram.New(1, 1000, 1)}
	if err := errors.Join(w.Append(r, nil, []result.Interval{empty}), w.Close()); err != nil {
		t.Fatal(err)
	}
}

// Golden compares a text with a file in testdata. With update it writes the file first.
func Golden(t *testing.T, name, got string, update bool) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (read it, or look at what is drawn, then run with -update):\n%s", file, diff)
	}
}
