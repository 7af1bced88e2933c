package claims

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

var update = flag.Bool("update", false, "write the golden files")

// story is a record that has something to say to most claims, with all words.
func story() *result.Set {
	r := newRecord()
	up := func(n int) float64 { return 90e3 * float64(n) / (1 + 0.99*float64(n-1)) }
	for _, other := range []*record{
		climbs(newRecord(), "eventloop", up, flat(0.001), 1, 10, 100, 500, 1000, 10000),
		climbs(newRecord(), "thread", up, from(1000, 0.001, 0.02), 1, 10, 100, 500, 1000, 10000),
		waits("prefork", map[int]float64{1: 1, 10: 1, 100: 0.99, 1000: 0.97}, 0.1),
		waits("process", map[int]float64{1: 1, 10: 1, 100: 0.99, 1000: 0.5}, 0.2),
		computes("process", 0.93, 0.98, 2), computes("prefork", 0.9, 0.97, 2), computes("thread", 0.91, 0.96, 2),
		computes("eventloop", 0.51, 0.52, 2),
		blocks("thread", "", "block", 0.9), blocks("eventloop", "", "block", 140), blocks("prefork", "", "block", 4), blocks("process", "", "block", 1),
		locked(contestants[2], lockMix, lockIntervals, func(sec float64) float64 { return 0.001 + sec }),
		locked(contestants[0], lockMix, lockIntervals, func(float64) float64 { return 0.002 }),
		faults("prefork", Go, func(string) result.Fault {
			return result.Fault{Workers: 2, Open: 100, Hit: 48, Lost: 48, Crashes: 1, RecoverySec: 0.15, P99: 0.002, UnaffectedP99: 0.003}
		}),
		weighs(result.Idle, 5, map[string]float64{"process": 5 << 20, "thread": 26 << 10, "eventloop": 600}),
		newRecord().cell(with(closed("thread", bystander, blockClients), result.Setting{AA: true}), 10, func(rep *result.Repeat, j float64) {
			rep.ThroughputRPS, rep.Service.P99 = 1000*j*j, 0.001*j
		}),
	} {
		var fresh []result.Key
		for _, k := range other.set.Run.Cells {
			if !slices.Contains(r.set.Run.Cells, k) {
				fresh = append(fresh, k)
			}
		}
		r.set.Run.Cells = append(r.set.Run.Cells, fresh...)
		for _, rep := range other.set.Repeats {
			if slices.Contains(fresh, rep.Key) {
				r.set.Repeats = append(r.set.Repeats, rep)
			}
		}
	}
	r.set.Run.Absent = map[string]string{}
	for _, s := range contestants {
		if s.language == CPython {
			r.set.Run.Absent[s.model] = "python3: not found"
		}
	}
	return &r.set
}

func TestFormats(t *testing.T) {
	l := Evaluate(story())
	for _, tt := range []struct {
		file  string
		write func(io.Writer, *Ledger) error
	}{
		{"claims.txt", Text}, {"claims.md", Markdown}, {"brief.md", Brief},
		{"explain-T1.txt", func(w io.Writer, l *Ledger) error { return Explain(w, l, "T1") }},
		{"explain-T3.txt", func(w io.Writer, l *Ledger) error { return Explain(w, l, "T3") }},
	} {
		var b bytes.Buffer
		if err := tt.write(&b, l); err != nil {
			t.Fatal(err)
		}
		statstest.Golden(t, tt.file, b.String(), *update)
	}
}

func TestTextIsNotWide(t *testing.T) {
	var b bytes.Buffer
	l := Evaluate(story())
	if err := Text(&b, l); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > pageWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestJSON(t *testing.T) {
	l := Evaluate(story())
	l.Verdicts[0].Effects = append(l.Verdicts[0].Effects, Effect{What: "no end", Estimate: stats.Estimate{Value: 1, Lo: math.NaN(), Hi: math.Inf(1), N: 3, Method: stats.Percentiles}})
	var b bytes.Buffer
	if err := JSON(&b, l); err != nil {
		t.Fatal(err)
	}
	var back struct {
		RulesVersion string `json:"rules_version"`
		Claims       []struct{ ID string }
		Verdicts     []struct {
			Claim, Language, Column, Subject, Verdict string
			Effects                                   []struct {
				What     string
				Estimate struct {
					Value, Lo, Hi *float64
					N             int
				}
			}
			Cells []result.Key
		}
	}
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.RulesVersion != RulesVersion || len(back.Claims) != len(All) || len(back.Verdicts) != len(l.Verdicts) {
		t.Errorf("rules %q, %d claims and %d verdicts of %d and %d", back.RulesVersion, len(back.Claims), len(back.Verdicts), len(All), len(l.Verdicts))
	}
	es := back.Verdicts[0].Effects
	if e := es[len(es)-1]; e.What != "no end" || *e.Estimate.Value != 1 || e.Estimate.Lo != nil || e.Estimate.Hi != nil || e.Estimate.N != 3 {
		t.Errorf("an interval without ends is %+v", e)
	}
}

// The rules of a version are fixed: whoever changes one gives it a new version,
// and the golden file with it.
func TestRulesAreFixed(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "version %s\n", RulesVersion)
	for _, c := range All {
		fmt.Fprintf(&b, "\n%s %s\n%s\n", c.ID, c.Rule.Version, c.Rule.Text)
		if c.ID == "" || c.Quote == "" || c.Definition == "" || c.Experiment == "" || c.Metric == "" || c.Rule.Text == "" || c.Rule.Version == "" {
			t.Errorf("%s does not say all it should: %+v", c.ID, c)
		}
	}
	for _, rule := range []struct {
		what string
		is   float64
	}{
		{"T1 gain", gainShare}, {"T1 CPU", idleCPU}, {"T2 efficiency", efficiency}, {"T2 busy", coresBusy}, {"I2 cores", parallelCores},
		{"T3 throughput", ofBest}, {"T3 tail", tailTimes}, {"T4 cannot", stalls}, {"T4 can", undisturbed}, {"R2 faster", faster},
		{"R2 shorter", shorter}, {"R2 slower", slowerBy10}, {"R2 longer", longerBy10}, {"R3 tiers", leastTiers}, {"R6 p99", sloP99},
		{"B1 radius", radiusTimes}, {"B1 recovery", recoverySec}, {"B4 trials", leastTrials}, {"law's R²", stats.LeastR2}, {"tie", stats.TieWithin},
	} {
		fmt.Fprintf(&b, "%s %g\n", rule.what, rule.is)
	}
	statstest.Golden(t, "rules.txt", b.String(), *update)
}

// All claims of the document are there, in its order.
func TestAllClaims(t *testing.T) {
	var ids []string
	for _, c := range All {
		ids = append(ids, c.ID)
	}
	want := "T1 T2 T3 T4 T5 R2 R3 R4 R5 R6 I1 I2 B1 B2 B3 B4 B5 B6"
	if got := strings.Join(ids, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, c := range All {
		if (c.Says != nil) != strings.HasPrefix(c.ID, "T") {
			t.Errorf("%s: a row of the table says something in its columns, a remark does not", c.ID)
		}
		for _, language := range Languages {
			l := Evaluate(&result.Set{})
			if !slices.ContainsFunc(l.Verdicts, func(v Verdict) bool { return v.Claim == c.ID && v.Language == language && v.Subject == "" }) {
				t.Errorf("%s has no verdict for %s", c.ID, language)
			}
		}
	}
	for _, v := range Evaluate(&result.Set{}).Verdicts {
		if v.Word != Undecidable || !strings.Contains(v.Why, "missing: ") {
			t.Errorf("of an empty record: %s %s %s is %s: %s", v.Claim, v.Language, v.Subject, v.Word, v.Why)
		}
	}
}
