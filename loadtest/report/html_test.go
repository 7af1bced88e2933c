package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/tierbench/tierbench/loadtest/chart"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

// parsed is a page as a browser takes it.
type parsed struct {
	ids, links, pictures []string
	scripts              int
	text                 strings.Builder
	data                 string
}

func parse(t *testing.T, r io.Reader) *parsed {
	t.Helper()
	root, err := html.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	p := &parsed{}
	for n := range root.Descendants() {
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
			if strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s> has the attribute %s", n.Data, a.Key)
			}
		}
		if id := attr["id"]; id != "" {
			p.ids = append(p.ids, id)
		}
		switch {
		case n.Type == html.TextNode && n.Parent.Data == "script":
			if n.Parent.Attr != nil {
				p.data = n.Data
			}
		case n.Type == html.TextNode && n.Parent.Data != "style":
			p.text.WriteString(n.Data)
		case n.Data == "a":
			p.links = append(p.links, attr["href"])
		case n.Data == "img":
			p.pictures = append(p.pictures, attr["src"])
		case n.Data == "script":
			p.scripts++
			if attr["src"] != "" {
				t.Errorf("a script of %s", attr["src"])
			}
		case n.Data == "link":
			t.Errorf("a link to %s", attr["href"])
		}
	}
	return p
}

// TestPage checks that the page is whole: that it needs nothing else, that its
// links lead somewhere, and that its charts are those of the pictures.
func TestPage(t *testing.T) {
	set := whole()
	statstest.AddSeconds(set)
	dir := t.TempDir()
	set.Dir = dir
	statstest.Record(t, dir, set)
	statstest.AddHistogram(t, dir, &set.Repeats[0])
	if err := Write(dir, set); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, HTMLFile))
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, bytes.NewReader(raw))

	ids := map[string]bool{}
	for _, id := range p.ids {
		if ids[id] {
			t.Errorf("the id %s stands there twice", id)
		}
		ids[id] = true
	}
	hdr := 0
	for _, l := range p.links {
		if id, ok := strings.CutPrefix(l, "#"); ok {
			if !ids[id] {
				t.Errorf("a link to %s, which is not there", l)
			}
			continue
		}
		if l == result.HistogramsFile {
			hdr++
		}
		if strings.Contains(l, ":") || strings.HasPrefix(l, "/") {
			t.Errorf("a link to %s, which is not beside the page", l)
		} else if _, err := os.Stat(filepath.Join(dir, l)); err != nil {
			t.Error(err)
		}
	}
	if hdr != 1 {
		t.Errorf("%d links to histograms, want one, of the repeat that has one", hdr)
	}
	for _, src := range p.pictures {
		if !strings.HasPrefix(src, "data:image/svg+xml;charset=utf-8,<") {
			t.Errorf("a picture from %.60s", src)
		}
	}

	var data struct {
		Styles map[string]chart.SpecStyle
		Charts []chart.Spec
	}
	if err := json.Unmarshal([]byte(p.data), &data); err != nil {
		t.Fatal(err)
	}
	drawn, err := draw(set)
	if err != nil {
		t.Fatal(err)
	}
	if len(data.Charts) != len(p.pictures) || len(data.Charts) != len(drawn) || len(drawn) < 8 { // no histograms, no spectrum
		t.Errorf("%d charts for %d pictures", len(data.Charts), len(p.pictures))
	}
	for _, c := range data.Charts {
		for _, panel := range c.Panels {
			for _, s := range panel.Series {
				for _, c := range s.Cells {
					if id := fmt.Sprintf("cell-%d", c); !ids[id] {
						t.Errorf("%s: a point of %s leads to %s, which is not there", panel.Title, s.Model, id)
					}
				}
				if _, ok := data.Styles[s.Model]; !ok {
					t.Errorf("%s: %s has no colour", panel.Title, s.Model)
				}
			}
		}
	}
	if !bytes.Contains(raw, []byte("Permission is hereby granted")) {
		t.Error("the library in the page is without its licence")
	}
	text := p.text.String()
	for _, want := range []string{
		"2 of 33 cells have no repeat that counts", "suspect, counted", "Which model for N clients?", "another process used 0.4 of a core",
		"576 requests failed", "shortest p99 response time", "nginx is absent from this run",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if bad := regexp.MustCompile(`NaN|Inf\b|%!|ZgotmplZ`).FindString(text); bad != "" {
		t.Errorf("the page says %s", bad)
	}
}

// TestPageEscapes puts markup wherever a config or a record can.
func TestPageEscapes(t *testing.T) {
	const evil = `</script><script>alert("x")</script><img src=x onerror=alert(1)>'"&`
	set := statstest.Run([]int{10}, 1)
	plain := parse(t, pageOf(t, set))
	set.Run.Title, set.Run.Name, set.Run.ID, set.Run.ConfigFile, set.Run.ConfigText, set.Run.Generator = evil, evil, evil, evil, evil, evil
	set.Run.Host.CPUModel, set.Run.Build.Commit = evil, evil
	set.Run.Absent = map[string]string{evil: evil}
	set.Run.Ratios = []result.Ratio{{Model: evil, Peer: evil, Metric: "throughput"}}
	for i := range set.Run.Models {
		set.Run.Models[i].Doc, set.Run.Models[i].Command = evil, []string{evil}
	}
	for i := range set.Run.Cells {
		k := &set.Run.Cells[i]
		k.Model, k.Workload, k.Setting = k.Model+evil, evil, result.Setting{Name: evil}
		r := &set.Repeats[i]
		r.Key, r.Warnings, r.Failure, r.Gates = *k, []string{evil}, evil, result.Gates{Verdict: result.Suspect, Reasons: []result.Reason{{Gate: evil, Text: evil}}, Notes: []string{evil}}
	}
	got := parse(t, pageOf(t, set))
	if got.scripts != plain.scripts || len(got.pictures) != len(plain.pictures) {
		t.Errorf("%d scripts and %d pictures, want %d and %d", got.scripts, len(got.pictures), plain.scripts, len(plain.pictures))
	}
	if !json.Valid([]byte(got.data)) {
		t.Error("the data is not JSON any more")
	}
}

func htmlOf(w io.Writer, set *result.Set) error {
	drawn, err := draw(set)
	if err != nil {
		return err
	}
	return page(w, set, drawn, nil)
}

func pageOf(t *testing.T, set *result.Set) io.Reader {
	t.Helper()
	var b bytes.Buffer
	if err := htmlOf(&b, set); err != nil {
		t.Fatal(err)
	}
	return &b
}

// TestPublished reports published runs again: older records must stay readable.
// One of more cells than this takes minutes to draw under the race detector;
// make site draws all.
func TestPublished(t *testing.T) {
	const mostCells = 50
	runs, err := filepath.Glob("../../results/*/" + result.RunFile)
	if err != nil || len(runs) == 0 {
		t.Fatalf("no published runs: %v", err)
	}
	drawnRuns := 0
	for _, name := range runs {
		dir := filepath.Dir(name)
		set, err := result.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(set.Run.Cells) > mostCells {
			continue
		}
		drawnRuns++
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var b bytes.Buffer
			drawn, err := draw(set)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(markdown(&b, set, drawn), Table(&b, set), Bench(&b, set), page(&b, set, drawn, nil)); err != nil {
				t.Error(err)
			}
			if len(set.Repeats) == 0 || !strings.Contains(b.String(), set.Repeats[0].Model) {
				t.Error("nothing of it is in the report")
			}
		})
	}
	if drawnRuns < 3 {
		t.Errorf("%d published runs of at most %d cells", drawnRuns, mostCells)
	}
}

// A page of a large run does not hold its charts twice.
func TestManyPicturesStandBesideThePage(t *testing.T) {
	set := whole()
	drawn, err := draw(set)
	if err != nil {
		t.Fatal(err)
	}
	many := slices.Repeat(drawn, mostPictures/len(drawn)+1)
	var few, lots bytes.Buffer
	if err := errors.Join(page(&few, set, drawn, nil), page(&lots, set, many, nil)); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(few.String(), "data:image/svg"); n != len(drawn) {
		t.Errorf("%d pictures of %d charts", n, len(drawn))
	}
	if strings.Contains(lots.String(), "data:image/svg") || strings.Count(lots.String(), `class="elsewhere note"`) != len(many) {
		t.Error("the pictures are in the page of a large run")
	}
}
