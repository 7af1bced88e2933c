package report

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
)

// An older run has a log for each repeat, in hdr/. It is drawn as the same run with one
// log is.
func TestRunWithALogForEachRepeat(t *testing.T) {
	old, err := result.Load("testdata/old-run")
	if err != nil {
		t.Fatal(err)
	}
	all, err := result.ReadHistograms(old.Dir)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w, err := result.Create(dir, &old.Run)
	if err != nil {
		t.Fatal(err)
	}
	for i := range old.Repeats {
		r := &old.Repeats[i]
		in := result.Interval{Start: r.Started, End: r.Started}
		if in.Service, err = all.Of(r.Key, r.Repeat, result.ServiceClock); err != nil {
			t.Fatal(err)
		}
		if in.Response, err = all.Of(r.Key, r.Repeat, result.ResponseClock); err != nil {
			t.Fatal(err)
		}
		if in.Service.TotalCount() != r.Requests || (in.Response != nil) != (r.Loop == result.Open) {
			t.Errorf("%v: %d of %d requests; by the scheduled send: %v", r.Key, in.Service.TotalCount(), r.Requests, in.Response)
		}
		if err := w.Append(r, nil, []result.Interval{in}); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	converted, err := result.Load(dir)
	if err != nil {
		t.Fatal(err)
	}

	want, err := draw(converted)
	if err != nil {
		t.Fatal(err)
	}
	got, err := draw(old)
	if err != nil {
		t.Fatal(err)
	}
	spectrum := func(d *drawing) bool { return strings.HasPrefix(d.figure.Name(), "spectrum") }
	if len(got) != len(want) || !slices.ContainsFunc(got, spectrum) {
		t.Fatalf("%d charts, want %d, the spectrum among them", len(got), len(want))
	}
	for i, d := range got {
		if !bytes.Equal(d.svg, want[i].svg) {
			t.Errorf("%s differs", d.figure.Name())
		}
	}

	var b bytes.Buffer
	if err := page(&b, old, got, nil); err != nil {
		t.Fatal(err)
	}
	links := slices.DeleteFunc(parse(t, &b).links, func(l string) bool { return !strings.HasPrefix(l, "hdr/") })
	if len(links) != len(old.Repeats) {
		t.Errorf("the page links to %q, want a log for each of %d repeats", links, len(old.Repeats))
	}
	for _, l := range links {
		if _, err := os.Stat(filepath.Join(old.Dir, strings.ReplaceAll(l, "%25", "%"))); err != nil {
			t.Error(err)
		}
	}
}
