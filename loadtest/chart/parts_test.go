package chart

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

// titles are those of a figure's panels.
func titles(f *Figure) []string {
	var out []string
	for _, r := range f.rows {
		for _, p := range r.panels {
			out = append(out, p.title)
		}
	}
	return out
}

// TestParts checks that a chart that is divided loses nothing, that each part can
// be read, and that no two have one name.
func TestParts(t *testing.T) {
	set := statstest.Special()
	statstest.AddOpen(set, 200, 0.5, 0.7, 0.9)
	n := len(set.Repeats)
	for _, setting := range []string{"gil 500us", "gil 5ms", "gil 20ms", "gil 50ms", "offload"} {
		for _, r := range set.Repeats[:n] {
			if r.Setting == (result.Setting{}) {
				r.Setting = result.ParseSetting(setting)
				set.Repeats = append(set.Repeats, r)
			}
		}
	}
	src := source(set)
	word := regexp.MustCompile(`^[a-z0-9.]+(-[a-z0-9.]+)*$`)
	for _, c := range All {
		whole, ok := c.Figure(src)
		if !ok {
			continue
		}
		figures := c.Figures(src)
		var got []string
		names := map[string]bool{}
		for _, f := range figures {
			got = append(got, titles(f)...)
			if f.size() > mostPanels || f.size() == 0 {
				t.Errorf("%s has %d panels", f.Name(), f.size())
			}
			if names[f.Name()] || !word.MatchString(f.Name()) {
				t.Errorf("%q stands there twice, or is no name for a file", f.Name())
			}
			names[f.Name()] = true
			if (f.Part() == "") != (f.Name() == c.Name) {
				t.Errorf("%s is the part %q", f.Name(), f.Part())
			}
		}
		want := titles(whole)
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the panels of the parts are not those of the chart:\n%s", c.Name, diff)
		}
	}
}

// A run of few panels keeps its chart, and the name of its files.
func TestSmallRunsAreWhole(t *testing.T) {
	for _, c := range All {
		if c.Name != "throughput" && c.Name != "latency" {
			continue
		}
		figures := c.Figures(source(statstest.Run([]int{10, 100}, 2)))
		if len(figures) != 1 || figures[0].Name() != c.Name || figures[0].Part() != "" {
			t.Errorf("%s is in %d figures", c.Name, len(figures))
		}
	}
}

func TestPartNames(t *testing.T) {
	for _, tt := range []struct {
		why         string
		part        part
		shown, want string
	}{
		{"HTTP goes without saying", part{protocol: "http", workload: "wait-50ms"}, "http wait-50ms", "wait-50ms"},
		{"the protocol echo", part{protocol: "echo", workload: "echo"}, "echo", "echo"},
		{"its namesake over HTTP", part{protocol: "http", workload: "echo-100B"}, "http echo-100B", "http-echo-100b"},
		{"a mix", part{protocol: "http", workload: "echo", mixed: true, variable: "gil"}, "http echo, mixes, gil", "http-echo-mixes-gil"},
		{"an open loop", part{protocol: "http", workload: "cpu-1ms", open: true}, "http cpu-1ms, open loop", "cpu-1ms-open-loop"},
		{"one of several", part{protocol: "http", workload: "counter", variable: "counter", n: 2, of: 3}, "http counter, counter, 2 of 3", "counter-counter-2"},
		{"signs", part{protocol: "http", workload: "A/B+1%"}, "http A/B+1%", "a-b-1"},
		{"what would be a number of parts in a text", part{protocol: "http", workload: "p", variable: "out of 3"}, "http p, out of 3", "p-out-of-3"},
		{"the whole chart", part{}, "", ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if got := tt.part.fileName(); got != tt.want || tt.part.String() != tt.shown {
				t.Errorf("got %q and %q, want %q and %q", tt.part, got, tt.shown, tt.want)
			}
		})
	}
	cell := func(workload, loop, setting string) *stats.Cell {
		return &stats.Cell{Key: result.Key{Protocol: "http", Workload: workload, Loop: loop, Setting: result.ParseSetting(setting)}}
	}
	mix := cell("plaintext+1%block-100ms", result.Open, "")
	mix.Repeats = []*result.Repeat{{}, {Mix: []result.MixPart{{Workload: "plaintext"}, {Workload: "block-100ms"}}}}
	kill, stop, alone := cell("plaintext", "", "fault kill"), cell("plaintext", "", "fault stop"), cell("plaintext", "", "A/A")
	among := []*stats.Cell{kill, stop, alone}
	last := levels[len(levels)-1]
	for c, want := range map[*stats.Cell]string{
		kill: "http plaintext, fault", alone: "http plaintext",
		mix: "http plaintext, mixes, open loop",
	} {
		if got := last(c, among).String(); got != want {
			t.Errorf("%s is in %q, want %q", c.Asked(), got, want)
		}
	}
}
