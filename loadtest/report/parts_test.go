package report

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

// divided is a run whose chart of throughput has too many panels for one picture.
func divided() *result.Set {
	set := statstest.Run([]int{10}, 1)
	for _, r := range set.Repeats {
		for _, setting := range []string{"gil 500us", "gil 5ms", "gil 20ms", "gil 50ms"} {
			r.Setting = result.ParseSetting(setting)
			set.Repeats = append(set.Repeats, r)
		}
	}
	return set
}

// TestPartsHaveHeadings checks that the parts of a chart stand under its name in
// both reports, and that the page leads to each.
func TestPartsHaveHeadings(t *testing.T) {
	set := divided()
	dir := t.TempDir()
	if err := Write(dir, set); err != nil {
		t.Fatal(err)
	}
	pictures, err := filepath.Glob(filepath.Join(dir, result.ChartsDir, "throughput-*.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if len(pictures) < 2 {
		t.Fatalf("throughput is drawn in %q", pictures)
	}
	md, err := os.ReadFile(filepath.Join(dir, MarkdownFile))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(md), "\n### Throughput, and the cost of a request\n"); n != 1 {
		t.Errorf("%d headings in %s, want 1", n, MarkdownFile)
	}
	raw, err := os.ReadFile(filepath.Join(dir, HTMLFile))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	if n := strings.Count(text, "<h3 id=\"chart-throughput\">Throughput, and the cost of a request</h3>"); n != 1 {
		t.Errorf("%d headings in the page, want 1", n)
	}
	p := parse(t, bytes.NewReader(raw))
	for _, picture := range pictures {
		name := strings.TrimSuffix(filepath.Base(picture), ".svg")
		if !strings.Contains(string(md), "("+result.ChartsDir+"/"+name+".svg)") {
			t.Errorf("%s is not in %s", name, MarkdownFile)
		}
		if !strings.Contains(text, `<figure id="chart-`+name+`">`) {
			t.Errorf("%s is not in the page", name)
		}
		led := false
		for _, l := range p.links {
			led = led || l == "#chart-"+name
		}
		if !led {
			t.Errorf("nothing leads to %s", name)
		}
	}
	if n := len(regexp.MustCompile(`<h4>http plaintext`).FindAllString(text, -1)); n == 0 {
		t.Error("no part has a name in the page")
	}
}
