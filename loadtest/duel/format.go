package duel

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// An Answer is what a duel found.
type Answer struct {
	A      string    `json:"a"`
	B      string    `json:"b"`
	Margin float64   `json:"margin"`
	Ratios []Finding `json:"ratios"`
	// Floor is each server against other processes of itself: how far from 1 a ratio
	// comes that should be 1. It is empty if that was not measured.
	Floor    []Finding `json:"floor,omitempty"`
	RateRPS  float64   `json:"rate_rps,omitempty"` // of the latencies
	Sentence string    `json:"sentence"`
	Notes    []string  `json:"notes,omitempty"`
}

// A Finding is one ratio, and what it says.
type Finding struct {
	Metric  string         `json:"metric"`
	Of      string         `json:"of"` // "A ÷ B"
	A       *float64       `json:"a"`  // median of the slices; null where only the ratio can be trusted
	B       *float64       `json:"b"`
	Ratio   stats.Estimate `json:"ratio"`
	Verdict Verdict        `json:"verdict"`
	Pairs   []float64      `json:"pairs"` // the ratio in each
	of      Ratio
}

// Judge says what a duel found, within a margin: see Ratio.Verdict.
func Judge(d *result.Duel, margin float64) *Answer {
	a := &Answer{A: d.Sides[0].Name, B: d.Sides[1].Name, Margin: margin, RateRPS: d.RateRPS}
	find := func(to []Finding, q Quantity, i, j int) []Finding {
		r := Compare(d, q, i, j)
		if r.N == 0 {
			return to
		}
		f := Finding{Metric: q.Name, Of: d.Sides[i].Name + " ÷ " + d.Sides[j].Name, Ratio: r.Estimate, Verdict: r.Verdict(margin), Pairs: r.Pairs, of: r}
		if !q.RatioOnly {
			f.A, f.B = &r.A, &r.B
		}
		return append(to, f)
	}
	for _, q := range Quantities {
		a.Ratios = find(a.Ratios, q, 0, 1)
		for side := 0; d.Floor && side < 2; side++ {
			a.Floor = find(a.Floor, q, side, side+2)
		}
	}
	for _, p := range d.Pairs {
		if p.Failure != "" {
			a.Notes = append(a.Notes, "does not count: "+p.Failure)
		}
		for _, n := range p.Notes {
			a.Notes = append(a.Notes, fmt.Sprintf("pair %d: %s", p.Number, n))
		}
	}
	if len(a.Ratios) > 0 && d.OpenSec > 0 && a.find(P99) == nil {
		a.Notes = append(a.Notes, fmt.Sprintf("p99: fewer than %s answers a pair at the common rate", stats.Group(tailAnswers)))
	}
	if x, y := silent(d, 0), silent(d, 1); max(x, y) > mostSilent {
		a.Notes = append(a.Notes, fmt.Sprintf("turns without an answer, which the medians leave out: %s of %s, %s of %s",
			percent(x), a.A, percent(y), a.B))
	}
	a.Sentence = a.sentence()
	return a
}

// mostSilent is the part of a side's turns that may pass without an answer unsaid.
const mostSilent = 0.01

// silent is the part of a side's turns in the closed loop that had no answer.
func silent(d *result.Duel, side int) float64 {
	var n, none float64
	for i := range d.Pairs {
		for _, s := range d.Pairs[i].Slices {
			if s.Side == side && s.Loop == result.Closed {
				n++
				if s.Answers == 0 {
					none++
				}
			}
		}
	}
	return none / max(n, 1)
}

func (a *Answer) find(q Quantity) *Ratio {
	for i := range a.Ratios {
		if a.Ratios[i].Metric == q.Name {
			return &a.Ratios[i].of
		}
	}
	return nil
}

// Regressions are the metrics in which B is worse than A by more than the part most,
// by the whole interval.
func (a *Answer) Regressions(most float64) (worse []string) {
	for i := range a.Ratios {
		if r := &a.Ratios[i].of; r.Regressed(most) == stats.Met {
			worse = append(worse, fmt.Sprintf("%s: %s ÷ %s is %s (%s)", r.Title, a.A, a.B, times(r.Value), interval(r.Estimate)))
		}
	}
	return worse
}

// sentence is the finding of the throughput, and the CPU time that goes with it.
func (a *Answer) sentence() string {
	r := a.find(Throughput)
	if r == nil {
		return "nothing can be said: no pair is complete"
	}
	found := "(" + prose.Count(r.N, "pair") + ")"
	if r.Known() {
		found = fmt.Sprintf("(%s, %s)", interval(r.Estimate), prose.Count(r.N, "pair"))
	}
	c := a.find(CPU)
	cpu := c != nil && c.Verdict(a.Margin) == Differs
	s := ""
	switch {
	case !r.sure():
		return fmt.Sprintf("undecided: %s ÷ %s is %s %s, and fewer than %d pairs say nothing", a.A, a.B, times(r.Value), found, MinPairs)
	case r.Verdict(a.Margin) == Differs:
		s = fmt.Sprintf("%s answers %s × as many as %s %s", a.A, times(r.Value), a.B, found)
		if cpu {
			s += fmt.Sprintf(", at %s × the CPU time per request", times(c.Value))
		}
		return s
	case r.Verdict(a.Margin) == Undecided:
		s = fmt.Sprintf("undecided: %s ÷ %s is %s %s, and the interval includes the margin of %s", a.A, a.B, times(r.Value), found, stats.Part.Format(a.Margin))
	case a.Margin > 0:
		s = fmt.Sprintf("no difference above %s: %s ÷ %s is %s %s", stats.Part.Format(a.Margin), a.A, a.B, times(r.Value), found)
	default:
		s = fmt.Sprintf("no difference found: %s ÷ %s is %s %s; a difference above %s would have been seen", a.A, a.B, times(r.Value), found, percent(r.Seen()))
	}
	if cpu {
		s += fmt.Sprintf("; but %s takes %s × the CPU time per request (%s)", a.A, times(c.Value), interval(c.Estimate))
	}
	return s
}

// Text is the table, the notes and the sentence for a terminal.
func (a *Answer) Text(width int) string {
	t := table.New(table.Left(""), table.Right(a.A, a.B, "ratio", "interval"), table.Left("verdict"))
	row := func(name string, f *Finding) {
		cells := []any{name, table.Missing, table.Missing, times(f.of.Value), interval(f.Ratio), string(f.Verdict)}
		if f.A != nil {
			cells[1], cells[2] = f.of.Unit.Format(f.of.A), f.of.Unit.Format(f.of.B)
		}
		t.Row(cells...)
	}
	for i := range a.Ratios {
		f := &a.Ratios[i]
		name := f.of.Title
		if f.of.Loop == result.Open {
			name += " at " + stats.PerSecond.Format(a.RateRPS)
		}
		row(name, f)
	}
	for i := range a.Floor {
		f := &a.Floor[i]
		row(f.of.Title+": "+f.Of, f)
	}
	var b strings.Builder
	if len(a.Ratios) > 0 {
		b.WriteString(t.Text(width) + "\n")
		if r := a.Ratios[0].Ratio; r.Known() {
			fmt.Fprintf(&b, "interval: %s over %s of fresh servers, with a level of %s\n",
				r.Method, prose.Count(r.N, "pair"), stats.Part.Format(r.Level))
		}
		if len(a.Floor) == 0 {
			b.WriteString("floor: not measured (--floor yes compares each server with another process of itself)\n")
		}
	}
	for _, n := range a.Notes {
		b.WriteString(n + "\n")
	}
	fmt.Fprintf(&b, "\n%s\n", a.Sentence)
	return b.String()
}

// interval is the ends of a ratio.
func interval(e stats.Estimate) string {
	if !e.Known() {
		return "–"
	}
	d := digits(e.Value)
	return strconv.FormatFloat(e.Lo, 'f', d, 64) + "–" + strconv.FormatFloat(e.Hi, 'f', d, 64)
}

// times is a ratio.
func times(v float64) string { return strconv.FormatFloat(v, 'f', digits(v), 64) }

// digits are as many decimals as a ratio needs: near 1 the third counts.
func digits(v float64) int {
	switch {
	case math.Abs(v-1) < 0.2:
		return 3
	case v < 10:
		return 2
	}
	return 1
}

// percent is a part with two significant digits.
func percent(v float64) string { return strconv.FormatFloat(100*v, 'g', 2, 64) + " %" }
