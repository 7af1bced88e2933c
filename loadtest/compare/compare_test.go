package compare

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

var update = flag.Bool("update", false, "write the golden files")

var none = math.NaN()

func run(id string, rps map[string][]float64) *result.Set {
	set := &result.Set{Run: result.Run{ID: id}}
	for _, model := range []string{"a", "b"} {
		for i, v := range rps[model] {
			r := result.Repeat{
				Key:    result.Key{Model: model, Protocol: "http", Workload: "plaintext", Clients: 16, Loop: result.Closed},
				Repeat: i + 1, Requests: stats.LeastForP99, ThroughputRPS: math.Abs(v), Service: result.Latency{P99: math.Abs(v)},
				Gates: result.Gates{Verdict: result.Valid},
			}
			if v < 0 {
				r.Gates.Verdict = result.Invalid
			}
			set.Repeats = append(set.Repeats, r)
		}
	}
	return set
}

func TestFewAnswersHaveNoP99(t *testing.T) {
	a, b := run("A", map[string][]float64{"a": {1}}), run("B", map[string][]float64{"a": {2}})
	b.Repeats[0].Requests = stats.LeastForP99 - 1
	c, err := Runs(a, b, []stats.Metric{stats.P99}, 0.05)
	if err != nil || len(c.Rows) != 1 || c.Rows[0].Outcome != Unmeasured || c.Rows[0].Why != "the repeats of B have no p99" || len(c.Failed()) != 1 {
		t.Errorf("err %v, %+v", err, c)
	}
}

func TestOutcome(t *testing.T) {
	type got struct {
		Outcome        Outcome
		Few, Regressed bool
		Failed         int
		Ratio          float64
		Why            string
	}
	for _, tt := range []struct {
		why    string
		a, b   []float64
		metric stats.Metric
		most   float64
		paired bool
		want   got
	}{
		{"five apart", []float64{100, 101, 102, 103, 104}, []float64{200, 202, 204, 206, 208}, stats.Throughput, none, false, got{Better, false, false, 0, 2, ""}},
		{"the same of a metric of which less is better", []float64{100, 101, 102, 103, 104}, []float64{200, 202, 204, 206, 208}, stats.P99, none, false, got{Worse, false, false, 0, 2, ""}},
		{"more than was allowed", []float64{100, 101, 102, 103, 104}, []float64{200, 202, 204, 206, 208}, stats.P99, 0.05, false, got{Worse, false, true, 1, 2, ""}},
		{"less than was allowed", []float64{100, 100, 100, 100, 100}, []float64{96, 96, 96, 96, 96}, stats.Throughput, 0.05, false, got{Worse, false, false, 0, 0.96, ""}},
		{"five that overlap are a tie, however far the medians", []float64{100, 120, 140, 160, 180}, []float64{90, 100, 110, 120, 175}, stats.Throughput, 0, false, got{Tie, false, false, 0, 0.833, ""}},
		{"three apart: the ranges decide", []float64{100, 101, 102}, []float64{50, 51, 52}, stats.Throughput, 0.05, false, got{Worse, true, true, 1, 0.505, ""}},
		{"three that overlap", []float64{100, 101, 102}, []float64{50, 51, 101.5}, stats.Throughput, 0.05, false, got{Tie, true, false, 0, 0.505, ""}},
		{"one of each says nothing", []float64{100}, []float64{50}, stats.Throughput, 0.05, false, got{Tie, true, false, 0, 0.5, ""}},
		{"equal", []float64{100, 100, 100, 100}, []float64{100, 100, 100, 100}, stats.Throughput, 0, false, got{Tie, false, false, 0, 1, ""}},
		{"paired: the drift of the host is in both, but the test does not see it", []float64{100, 200, 300, 400}, []float64{90, 180, 270, 360}, stats.Throughput, 0, true, got{Tie, false, false, 0, 0.9, ""}},
		{"paired and apart", []float64{100, 110, 120, 130}, []float64{50, 55, 60, 65}, stats.Throughput, 0.1, true, got{Worse, false, true, 1, 0.5, ""}},
		{"nothing of B counts: the check does not pass", []float64{100, 101}, []float64{-100, -101}, stats.Throughput, 0.05, false, got{Unmeasured, false, false, 1, 0, "no repeat counts in B"}},
		{"no repeat counts on both sides", []float64{100, -101}, []float64{-100, 101}, stats.Throughput, 0.05, true, got{Unmeasured, false, false, 1, 0, "no repeat counts on both sides"}},
		{"which only matters if something was asked", []float64{100, 101}, []float64{-100, -101}, stats.Throughput, none, false, got{Unmeasured, false, false, 0, 0, "no repeat counts in B"}},
		{"nothing of A counted either", []float64{-1}, []float64{-1}, stats.Throughput, 0.05, false, got{Unmeasured, false, false, 0, 0, "no repeat counts in A"}},
		{"a zero has no ratio", []float64{0}, []float64{1}, stats.Throughput, 0.05, false, got{Unmeasured, false, false, 0, 0, "a value of 0 or below has no ratio"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var c *Comparison
			var err error
			if tt.paired {
				c, err = Models(run("A", map[string][]float64{"a": tt.a, "b": tt.b}), "a", "b", []stats.Metric{tt.metric}, tt.most)
			} else {
				c, err = Runs(run("A", map[string][]float64{"a": tt.a}), run("B", map[string][]float64{"a": tt.b}), []stats.Metric{tt.metric}, tt.most)
			}
			if err != nil {
				t.Fatal(err)
			}
			r := c.Rows[0]
			out := got{r.Outcome, r.Few, r.Regressed, len(c.Failed()), math.Round(r.Ratio.Value*1000) / 1000, r.Why}
			if diff := cmp.Diff(tt.want, out); diff != "" {
				t.Error(diff)
			}
			for name, write := range Formats {
				if err := write(io.Discard, c); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// two are a run and another like it, of another host, with something of
// everything.
func two() (a, b *result.Set) {
	a = statstest.Run([]int{10, 1000}, 5)
	statstest.AddIdle(a, 9000)
	b = statstest.Run([]int{10, 1000, 10000}, 5)
	b.Run.ID, b.Run.Host.CPUModel, b.Run.Host.Cores, b.Run.Build.Commit = "20260401T120000Z-quick", "another <CPU>", 4, "fedcba9876543210"
	b.Run.Host.Sysctls = map[string]string{"net.core.somaxconn": "128"}
	for i := range b.Repeats {
		r := &b.Repeats[i]
		switch {
		case r.Model == "thread" && r.Clients == 10:
			r.ThroughputRPS *= 0.8
		case r.Model == "thread" && r.Clients == 1000 && r.Protocol == "echo":
			r.Gates.Verdict = result.Invalid
		case r.Model == "prefork":
			r.Gates.Verdict = result.Suspect
		}
	}
	return a, b
}

func compared(t *testing.T) *Comparison {
	t.Helper()
	a, b := two()
	c, err := Runs(a, b, []stats.Metric{stats.Throughput, stats.CPU, stats.Memory}, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGolden(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, compared(t)); err != nil {
		t.Fatal(err)
	}
	statstest.Golden(t, "compare.md", b.String(), *update)
}

// TestFormatsAgree checks that all formats hold the same comparisons.
func TestFormatsAgree(t *testing.T) {
	c := compared(t)
	var j, s, h bytes.Buffer
	for w, f := range map[*bytes.Buffer]func(io.Writer, *Comparison) error{&j: JSON, &s: CSV, &h: HTML} {
		if err := f(w, c); err != nil {
			t.Fatal(err)
		}
	}
	var object struct {
		Failed      int
		Differences []string
		Missing     []string
		Comparisons []map[string]any
	}
	if err := json.Unmarshal(j.Bytes(), &object); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&s).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(object.Comparisons) != len(c.Rows) || len(lines) != len(c.Rows)+1 || strings.Count(h.String(), "<tr class=") != len(c.Rows) {
		t.Errorf("%d comparisons in JSON, %d in CSV, %d in HTML, want %d", len(object.Comparisons), len(lines)-1, strings.Count(h.String(), "<tr class="), len(c.Rows))
	}
	for i, head := range lines[0] {
		for k, o := range object.Comparisons {
			want := ""
			switch v := o[head].(type) {
			case string:
				want = v
			case bool:
				want = map[bool]string{true: "true", false: "false"}[v]
			case float64:
				b, _ := json.Marshal(v)
				want = string(b)
			}
			if got := lines[k+1][i]; got != want && !(want != "" && strings.Contains(want+got, "e")) {
				t.Errorf("%s of comparison %d is %q in CSV, %q in JSON", head, k, got, want)
			}
		}
	}
	if object.Failed != len(c.Failed()) || object.Failed == 0 {
		t.Errorf("%d failed, want %d", object.Failed, len(c.Failed()))
	}
	if len(object.Differences) == 0 || len(object.Missing) == 0 {
		t.Errorf("differences %q, missing %q", object.Differences, object.Missing)
	}
	if strings.Contains(h.String(), "another <CPU>") || !strings.Contains(h.String(), "another &lt;CPU&gt;") {
		t.Error("a host's name is markup")
	}
}

func TestMistakes(t *testing.T) {
	a := run("A", map[string][]float64{"a": {1}})
	if _, err := Models(a, "a", "z", nil, none); err == nil || !strings.Contains(err.Error(), `no model "z"; it has a`) {
		t.Errorf("got %v", err)
	}
	if _, err := Runs(a, run("B", map[string][]float64{"b": {1}}), []stats.Metric{stats.Throughput}, none); err == nil || !strings.Contains(err.Error(), "no cell in common") {
		t.Errorf("got %v", err)
	}
}

func TestSettingsAreNotMixed(t *testing.T) {
	a, b := run("A", map[string][]float64{"a": {1}, "b": {1}}), run("B", map[string][]float64{"a": {1}, "b": {1}})
	b.Repeats[0].Setting.Active.Fraction = 0.01
	c, err := Runs(a, b, []stats.Metric{stats.Throughput}, none)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a, http plaintext, 16 clients: not in B", "a, http plaintext, active 1%, 16 clients: not in A"}
	if diff := cmp.Diff(want, c.Missing); diff != "" || len(c.Rows) != 1 {
		t.Errorf("%d rows; %s", len(c.Rows), diff)
	}
}

// The noise floor that a run knows is shown below the comparison.
func TestNoiseFloorIsAFootnote(t *testing.T) {
	a, b := run("A", map[string][]float64{"a": {100, 100}}), run("B", map[string][]float64{"a": {100, 100}})
	again := b.Repeats[0]
	again.Setting, again.ThroughputRPS = result.Setting{AA: true}, 75
	b.Repeats = append(b.Repeats, again)
	c, err := Runs(a, b, []stats.Metric{stats.Throughput}, none)
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(c.footnotes(), "\n")
	if want := "Noise floor of B, where a server is compared with itself: throughput ±25.0 % (95 % of the pairs)."; !strings.Contains(notes, want) {
		t.Errorf("%s\nis without %q", notes, want)
	}
	if strings.Contains(notes, "Noise floor of A") {
		t.Errorf("A measured nothing twice: %s", notes)
	}
}
