package report

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
	"github.com/tierbench/tierbench/loadtest/table"
)

var update = flag.Bool("update", false, "write the golden files")

// whole is a run with something of everything.
func whole() *result.Set {
	set := statstest.Run([]int{10, 100, 1000, 10000}, 3)
	statstest.AddIdle(set, 9000)
	statstest.AddOpen(set, 200, 0.5, 0.9)
	statstest.Suspect(set, "prefork", 1000, "another process used 0.4 of a core")
	set.Run.Absent = map[string]string{"nginx": "nginx: executable file not found in $PATH"}
	set.Run.Ratios = []result.Ratio{
		{Model: "eventloop", Peer: "prefork", Metric: "throughput", Protocol: "http", AtLeast: 1},
		{Model: "thread", Peer: "eventloop", Metric: "p99", Workload: "echo", AtMost: 2},
		{Model: "eventloop", Peer: "nginx", Metric: "throughput", Protocol: "http", AtLeast: 1},
		{Model: "c-epoll", Peer: "nginx", Metric: "cpu", AtMost: 1},
	}
	return set
}

func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		file  string
		write func(io.Writer, *result.Set) error
	}{
		{"report.md", Markdown},
		{"table.txt", Table},
		{"bench.txt", Bench},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var b bytes.Buffer
			if err := tt.write(&b, whole()); err != nil {
				t.Fatal(err)
			}
			statstest.Golden(t, tt.file, b.String(), *update)
		})
	}
}

// TestBenchLines checks the shape of each line that benchstat would take for a
// result: a name, the iterations, then values with their units.
func TestBenchLines(t *testing.T) {
	set := whole()
	var b bytes.Buffer
	if err := Bench(&b, set); err != nil {
		t.Fatal(err)
	}
	valid := 0
	for _, r := range set.Repeats {
		if stats.Counts(&r) {
			valid++
		}
	}
	shape := regexp.MustCompile(`^BenchmarkTier(/[a-z]+=[^ /=]+){4,6} [1-9][0-9]*( [0-9.e+-]+ [a-zA-Z0-9/-]+)+$`)
	n := 0
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "Benchmark") {
			continue
		}
		n++
		if !shape.MatchString(strings.TrimSuffix(line, "\n")) {
			t.Errorf("not a result: %s", line)
		}
	}
	if n != valid {
		t.Errorf("%d lines, want one for each of the %d repeats that count", n, valid)
	}
}

func TestBenchOpenLoop(t *testing.T) {
	set := statstest.Run([]int{10}, 1)
	set.Repeats = set.Repeats[:1]
	set.Repeats[0].Loop, set.Repeats[0].RateRPS = result.Open, 5000
	var b bytes.Buffer
	if err := Bench(&b, set); err != nil {
		t.Fatal(err)
	}
	if want := "/workload=plaintext/loop=open/rate=5000/clients=10 "; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
	set.Repeats[0].Rate.PerClient, set.Repeats[0].Setting.PerRequest = 1, true
	b.Reset()
	if err := Bench(&b, set); err != nil {
		t.Fatal(err)
	}
	if want := "/loop=open/rate=1:s_per_client/setting=connection_per_request/clients=10 "; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
}

// TestAnyRun writes what a run can be short of, or have too much of.
func TestAnyRun(t *testing.T) {
	tiers13 := []int{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000}
	set := func(s *result.Set, f func(*result.Set)) *result.Set { f(s); return s }
	for _, tt := range []struct {
		why     string
		set     *result.Set
		charts  int
		without int      // cells without a valid repeat
		holds   []string // in report.md
	}{
		{"nothing at all", &result.Set{}, 0, 0, []string{"No repeat has been measured", "Nothing was measured"}},
		{"interrupted before the first repeat", set(statstest.Run([]int{10, 100}, 3), func(s *result.Set) {
			s.Repeats, s.Run.Interrupted = nil, true
		}), 0, 12, []string{"interrupted", "not measured"}},
		{"interrupted in the middle", set(statstest.Run([]int{10, 100}, 3), func(s *result.Set) {
			s.Repeats = s.Repeats[:20]
		}), 4, 5, []string{"not measured"}},
		{"only suspect repeats: they count, and it is said", set(statstest.Run([]int{10}, 2), func(s *result.Set) {
			for i := range s.Repeats {
				s.Repeats[i].Gates = result.Gates{Verdict: result.Suspect, Reasons: []result.Reason{{Gate: result.GateOther, Text: "a < b | c"}}}
			}
		}), 4, 0, []string{"0 of 12 repeats passed every gate, 12 more are suspect and count", "## Suspect repeats", "2/2 (2 suspect)", "% suspect<sup>1</sup>", `| suspect | a &lt; b \| c |`, "2 of 2 repeats suspect: a &lt; b | c"}},
		{"no repeat counts", set(statstest.Run([]int{10}, 2), func(s *result.Set) {
			for i := range s.Repeats {
				s.Repeats[i].Gates = result.Gates{Verdict: result.Invalid, Reasons: []result.Reason{{Gate: result.GateOther, Text: "a < b | c"}}}
			}
		}), 0, 6, []string{"invalid<sup>1</sup>", `| invalid | a &lt; b \| c |`, "2 of 2 repeats not counted: a &lt; b | c"}},
		{"a repeat that ended early", set(statstest.Run([]int{10}, 2), func(s *result.Set) {
			s.Repeats[0].Failure = "server exited: signal: killed"
			s.Repeats[0].Gates.Verdict = result.Invalid
		}), 4, 0, []string{"server exited: signal: killed"}},
		{"one model, one tier, one repeat", set(statstest.Run([]int{100}, 1), func(s *result.Set) {
			s.Repeats, s.Run.Cells, s.Run.Models = s.Repeats[:1], s.Run.Cells[:1], s.Run.Models[:1]
		}), 3, 0, []string{"the spread is unknown", "measured once"}},
		{"ten repeats of thirteen tiers", statstest.Run(tiers13, 10), 5, 2, []string{"95 % CI of 9 to 10 repeats"}},
		{"only idle connections", func() *result.Set {
			s := &result.Set{Run: result.Run{Repeats: 2}}
			statstest.AddIdle(s, 500)
			return s
		}(), 2, 0, []string{"Growth of user memory ÷ idle clients with its interval", "echo idle"}},
		{"an open loop, twice as fast the second time", func() *result.Set {
			s := &result.Set{Run: result.Run{Repeats: 2}}
			statstest.AddOpen(s, 50, 0.5, 0.9)
			return s
		}(), 3, 0, []string{"50 at 50%", "50 at 90%", "http wait-50ms, open loop", "response p99", "service p99", "send lag p99", "asked | achieved"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			dir := t.TempDir()
			if err := Write(dir, tt.set); err != nil {
				t.Fatal(err)
			}
			charts, err := filepath.Glob(filepath.Join(dir, result.ChartsDir, "*.svg"))
			if err != nil {
				t.Fatal(err)
			}
			if pngs, _ := filepath.Glob(filepath.Join(dir, result.ChartsDir, "*.png")); len(pngs) != len(charts) {
				t.Errorf("%d charts as PNG, %d as SVG", len(pngs), len(charts))
			}
			if len(charts) != tt.charts {
				t.Errorf("%d charts, want %d: %q", len(charts), tt.charts, charts)
			}
			if got := len(WithoutValid(tt.set)); got != tt.without {
				t.Errorf("%d cells without a valid repeat, want %d", got, tt.without)
			}
			md, err := os.ReadFile(filepath.Join(dir, MarkdownFile))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range tt.holds {
				if !strings.Contains(string(md), s) {
					t.Errorf("the report does not say %q:\n%s", s, md)
				}
			}
			links(t, dir, string(md), len(charts))
			tablesAreEven(t, string(md))
			if bad := regexp.MustCompile(`NaN|Inf|%!`).FindString(string(md)); bad != "" {
				t.Errorf("the report says %s", bad)
			}
		})
	}
}

// links checks that each chart is shown, and that what is shown is there.
func links(t *testing.T, dir, md string, charts int) {
	t.Helper()
	shown := regexp.MustCompile(`!\[[^\]]+\]\(([^)]+)\)`).FindAllStringSubmatch(md, -1)
	if len(shown) != charts {
		t.Errorf("%d charts are shown, %d were drawn", len(shown), charts)
	}
	for _, s := range shown {
		if _, err := os.Stat(filepath.Join(dir, s[1])); err != nil {
			t.Error(err)
		}
	}
}

// tablesAreEven checks that the rows of a table have as many cells as its head.
func tablesAreEven(t *testing.T, md string) {
	t.Helper()
	want := 0
	for line := range strings.Lines(md) {
		if !strings.HasPrefix(line, "|") {
			want = 0
			continue
		}
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if want == 0 {
			want = n
		}
		if n != want {
			t.Errorf("%d bars in a table of %d: %s", n, want, line)
		}
	}
}

func TestWriteAgain(t *testing.T) {
	dir := t.TempDir()
	full := statstest.Run([]int{10}, 1)
	if err := Write(dir, full); err != nil {
		t.Fatal(err)
	}
	full.Repeats = nil
	if err := Write(dir, full); err != nil {
		t.Fatal(err)
	}
	var left []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			left = append(left, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bench.txt", "report.html", "report.md"}, left); diff != "" {
		t.Errorf("charts of a run that has none any more are still there: %s", diff)
	}
}

func TestTableFits(t *testing.T) {
	many := statstest.Run([]int{10, 1000}, 9)
	for i := range many.Repeats {
		r := &many.Repeats[i]
		r.Model = fmt.Sprintf("a-model-with-quite-a-long-name-%d", r.Repeat)
		r.ThroughputRPS *= float64(r.Repeat*r.Repeat) / 40
	}
	big := statstest.Run([]int{1000000}, 3)
	statstest.AddIdle(big, 1000000)
	for _, tt := range []struct {
		why string
		set *result.Set
	}{
		{"three models", whole()},
		{"nine models with wide intervals", many},
		{"a million clients", big},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var b bytes.Buffer
			if err := Table(&b, tt.set); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				most := 100
				if strings.HasPrefix(line, "! ") || strings.HasPrefix(line, "? ") {
					most = noteWidth // reasons, which are no columns
				}
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > most {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	v := &view{run: &result.Run{Absent: map[string]string{"nginx": "not installed"}}}
	ask := result.Ratio{Model: "eventloop", Peer: "nginx"}
	for _, tt := range []struct {
		c    stats.Comparison
		want string
	}{
		{stats.Comparison{Judgement: stats.Judgement{Outcome: stats.Met}}, "pass"},
		{stats.Comparison{Judgement: stats.Judgement{Outcome: stats.Met, Undecided: true}}, "pass, undecided"},
		{stats.Comparison{Judgement: stats.Judgement{Outcome: stats.Missed, By: 0.03}}, "**misses by 0.030**"},
		{stats.Comparison{Judgement: stats.Judgement{Outcome: stats.Met}, Suspect: true}, "pass, suspect"},
		{stats.Comparison{Judgement: stats.Judgement{Outcome: stats.Unbounded}}, "–"},
		{stats.Comparison{Judgement: stats.Judgement{Outcome: stats.Unmeasured}}, "not measured: no repeat counts on both sides"},
		{stats.Comparison{Judgement: stats.Judgement{Outcome: stats.Unmeasured}, Ask: ask}, "not measured: nginx is absent"},
	} {
		of := table.New(table.Left("outcome"))
		of.Row(v.outcome(tt.c))
		if got, want := of.Markdown(), "| outcome |\n| --- |\n| "+tt.want+" |\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriteErrorsAreReturned(t *testing.T) {
	for name, f := range map[string]func(io.Writer, *result.Set) error{"Markdown": Markdown, "HTML": htmlOf, "Table": Table, "Bench": Bench} {
		if err := f(failing{}, whole()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAnUncheckedGateIsNamedOnce(t *testing.T) {
	set := statstest.Run([]int{10}, 3)
	for i := range set.Repeats {
		set.Repeats[i].Gates.Notes = []string{"the bytes of the answers"}
	}
	var b strings.Builder
	if err := Markdown(&b, set); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "Not checked: the bytes of the answers."); n != 1 {
		t.Errorf("named %d times", n)
	}
}

// An image of a few cells shows those, in the colours of the whole run.
func TestImages(t *testing.T) {
	set := whole()
	var some []result.Key
	for _, r := range set.Repeats {
		if r.Protocol == "echo" && r.Model == "thread" {
			some = append(some, r.Key)
		}
	}
	d := NewDrawer(set)
	images, err := d.Images([]string{"throughput", "faults"}, some)
	if err != nil || len(images) != 1 {
		t.Fatalf("%d images, err %v; there is no fault", len(images), err)
	}
	text := string(images[0])
	if !strings.Contains(text, "thread") || strings.Contains(text, ">eventloop<") || !strings.Contains(text, "Throughput") {
		t.Errorf("it does not show the cells it is of:\n%.300s", text)
	}
	if images, err := d.Images([]string{"throughput"}, nil); err != nil || len(images) != 0 {
		t.Errorf("%d images of nothing, err %v", len(images), err)
	}
}

func TestProvenanceSaysWhichCommitResumed(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }
	run := result.Run{ID: "r", Started: at(4), Ended: at(6), Build: result.Build{Commit: "abc"}}
	if got, want := (&view{run: &run}).provenance(), "began 2026-01-02 03:04:00 UTC and took 2m0s."; !strings.Contains(got, want) {
		t.Errorf("%s\nwithout %s", got, want)
	}
	run.Resumed = []result.Resumption{{At: at(30), Build: run.Build}, {At: at(40), Build: result.Build{Commit: "def", Dirty: true}}}
	run.Ended = at(50)
	want := "began 2026-01-02 03:04:00 UTC, was resumed at 2026-01-02 03:30:00, was resumed at 2026-01-02 03:40:00 by commit def with uncommitted changes and ended 2026-01-02 03:50:00."
	if got := (&view{run: &run}).provenance(); !strings.Contains(got, want) {
		t.Errorf("%s\nwithout %s", got, want)
	}
}
