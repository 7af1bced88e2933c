// Package compare compares two runs, or two models of one run, cell by cell, and decides
// which differences are real.
package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// An Outcome says which side is better. Unlike stats.Outcome it does not refer to a bound.
type Outcome string

// Outcomes, of B compared with A.
const (
	Tie        Outcome = "~" // the two are not told apart
	Better     Outcome = "better"
	Worse      Outcome = "worse"
	Unmeasured Outcome = "not comparable"
)

// A Row is one metric of one cell on both sides.
type Row struct {
	Cell   *stats.Cell // that of A
	Peer   *stats.Cell // that of B
	Metric stats.Metric
	A, B   stats.Estimate
	// Ratio is B ÷ A. For two models of a run it is the median of the ratios of the pairs of
	// repeats with one number, which were measured close together. The repeats of two runs do
	// not pair: the ratio is the median of all quotients, with the interval of the
	// Mann–Whitney test.
	Ratio stats.Estimate
	// P is the probability that samples of one distribution differ at least as much
	// (Mann–Whitney).
	P       float64
	Outcome Outcome
	// Few says that there are too few repeats for P to fall below stats.Alpha.
	// The outcome then is that of the interval alone.
	Few     bool
	Suspect bool // the row uses a suspect repeat
	// Regressed says that B is worse by more than was allowed.
	Regressed bool
	Why       string // why it is not comparable

	blind bool // A was measured, and nothing is known of B
}

// Change returns by how much B is worse, as a fraction of A. It is negative if B is better.
func (r *Row) Change() float64 {
	if r.Metric.BetterHigher {
		return 1 - r.Ratio.Value
	}
	return r.Ratio.Value - 1
}

// A Comparison is two sides, with a row for each cell and metric that both have.
type Comparison struct {
	A, B   string // their names
	Paired bool
	Rows   []Row
	// Differences name what else differs between the sides: the host, the
	// settings, the code. Missing names cells that one side lacks.
	Differences, Missing []string
	// MaxRegression is the fraction by which B may be worse; NaN means no limit.
	MaxRegression float64

	noise []string // the known noise floors of the runs
	lost  int      // cells that only A has
}

// Models compares two models of a run.
func Models(set *result.Set, a, b string, metrics []stats.Metric, maxRegression float64) (*Comparison, error) {
	cells := stats.Cells(&set.Run, set.Repeats)
	names := stats.Models(&set.Run, cells)
	for _, m := range []string{a, b} {
		if !slices.Contains(names, m) {
			return nil, fmt.Errorf("%s has no model %q; it has %s", set.Run.ID, m, strings.Join(names, ", "))
		}
	}
	c := &Comparison{A: a, B: b, Paired: true, MaxRegression: maxRegression}
	c.addNoise(set.Run.ID, cells, metrics)
	of := func(m string) []*stats.Cell {
		return slices.DeleteFunc(slices.Clone(cells), func(c *stats.Cell) bool { return c.Model != m })
	}
	c.match(of(a), of(b), func(k result.Key) result.Key { k.Model = ""; return k }, metrics)
	return c, c.empty()
}

// Runs compares two runs.
func Runs(a, b *result.Set, metrics []stats.Metric, maxRegression float64) (*Comparison, error) {
	c := &Comparison{A: a.Run.ID, B: b.Run.ID, MaxRegression: maxRegression}
	of := func(s *result.Set) []*stats.Cell { return stats.Cells(&s.Run, s.Repeats) }
	as, bs := of(a), of(b)
	c.Differences = differences(&a.Run, &b.Run, as, bs)
	c.addNoise(a.Run.ID, as, metrics)
	c.addNoise(b.Run.ID, bs, metrics)
	c.match(as, bs, func(k result.Key) result.Key { return k }, metrics)
	return c, c.empty()
}

func (c *Comparison) addNoise(run string, cells []*stats.Cell, metrics []stats.Metric) {
	var noise []stats.Noise
	for _, m := range metrics {
		noise = append(noise, stats.NoiseFloor(cells, m))
	}
	if floors := stats.Floors(noise); floors != "" {
		c.noise = append(c.noise, "Noise floor of "+run+", where a server is compared with itself: "+floors+".")
	}
}

func (c *Comparison) empty() error {
	if len(c.Rows) == 0 {
		return fmt.Errorf("%s and %s have no cell in common", c.A, c.B)
	}
	return nil
}

// match fills in the rows of the cells with the same key on both sides.
func (c *Comparison) match(as, bs []*stats.Cell, key func(result.Key) result.Key, metrics []stats.Metric) {
	peers := map[result.Key]*stats.Cell{}
	for _, b := range bs {
		peers[key(b.Key)] = b
	}
	missing := func(of *stats.Cell, where string) {
		c.Missing = append(c.Missing, fmt.Sprintf("%s, %s, %s clients: not in %s", of.Model, of.Asked(), of.At(), where))
	}
	for _, a := range as {
		b := peers[key(a.Key)]
		if b == nil {
			missing(a, c.B)
			c.lost++
			continue
		}
		delete(peers, key(a.Key))
		for _, m := range metrics {
			m = m.Shown()
			if has(a.Key, m) {
				c.Rows = append(c.Rows, c.row(a, b, m))
			}
		}
	}
	for _, b := range bs {
		if peers[key(b.Key)] == b {
			missing(b, c.A)
		}
	}
	slices.SortStableFunc(c.Rows, func(a, b Row) int { return slices.IndexFunc(metrics, a.is) - slices.IndexFunc(metrics, b.is) })
}

func (r *Row) is(m stats.Metric) bool { return r.Metric.Name == m.Name }

// has reports whether cells of a key have a metric. An idle cell has no throughput, which is
// not a failed comparison.
func has(k result.Key, m stats.Metric) bool {
	r := result.Repeat{Key: k, Requests: stats.LeastForP999, RateRPS: 1, Server: result.Server{Usage: result.Usage{PSSBytes: 1, Processes: 1}, ConnsPerProcess: []int{1, 1}}, Fairness: result.Fairness{Jain: 1}}
	_, ok := m.Value(&r)
	return ok
}

func (c *Comparison) row(a, b *stats.Cell, m stats.Metric) Row {
	as, bs := a.Values(m), b.Values(m)
	r := Row{Cell: a, Peer: b, Metric: m, A: stats.MedianOf(as), B: stats.MedianOf(bs), P: 1, Outcome: Unmeasured,
		Suspect: a.Verdict() == result.Suspect || b.Verdict() == result.Suspect}
	positive := func(xs []float64) bool { return !slices.ContainsFunc(xs, func(x float64) bool { return x <= 0 }) }
	switch {
	case len(as) == 0 || len(bs) == 0:
		side, cell := c.A, a
		if len(as) > 0 {
			side, cell, r.blind = c.B, b, true
		}
		r.Why = "no repeat counts in " + side
		if len(cell.Counted) > 0 {
			r.Why = "the repeats of " + side + " have no " + m.Name
		}
		return r
	case !positive(as) || !positive(bs):
		r.Why = "a value of 0 or below has no ratio"
		return r
	}
	if c.Paired {
		r.Ratio = stats.RatioOf(b, a, m)
		if r.Ratio.N == 0 {
			r.Why, r.blind = "no repeat counts on both sides", true
			return r
		}
	} else {
		r.Ratio = stats.Quotient(as, bs)
	}
	r.P = stats.MannWhitney(as, bs)
	r.Few = stats.LeastP(len(as), len(bs)) >= stats.Alpha
	r.Outcome = r.decide()
	r.Regressed = r.Outcome == Worse && r.Change() > c.MaxRegression // false for NaN
	return r
}

// decide finds a difference only if the interval of the ratio excludes 1, and the test
// agrees, if there are enough repeats for it.
func (r *Row) decide() Outcome {
	apart := r.Ratio.Known() && (r.Ratio.Lo > 1 || r.Ratio.Hi < 1)
	switch {
	case !apart, !r.Few && r.P >= stats.Alpha:
		return Tie
	case r.Change() > 0:
		return Worse
	}
	return Better
}

// Failed are the rows for which B is worse by more than was allowed, and those
// that say nothing of B though A was measured: a check that cannot be made
// does not pass. There are none where nothing was asked.
func (c *Comparison) Failed() []Row {
	if math.IsNaN(c.MaxRegression) {
		return nil
	}
	var out []Row
	for _, r := range c.Rows {
		if r.Regressed || r.blind {
			out = append(out, r)
		}
	}
	return out
}

// Fails returns how many comparisons do not pass. When two runs are compared, a cell that
// only A has is one of them: B may be worse there.
func (c *Comparison) Fails() int {
	n := len(c.Failed())
	if !c.Paired && !math.IsNaN(c.MaxRegression) {
		n += c.lost
	}
	return n
}

// footnotes returns how to read the table, and which numbers to doubt.
func (c *Comparison) footnotes() []string {
	how := "B ÷ A is the median of all quotients of a repeat of B and one of A, with the interval of the Mann–Whitney test"
	if c.Paired {
		how = "B ÷ A is the median, with its interval, of the ratios of pairs of repeats that were measured close together"
	}
	out := []string{how + ". ~ is a tie: the interval includes 1, or the test gives p ≥ 0.05."}
	has := func(f func(Row) bool) bool { return slices.ContainsFunc(c.Rows, f) }
	if has(func(r Row) bool { return r.Few && r.Outcome != Unmeasured }) {
		out = append(out, "¹ Too few repeats for p to fall below 0.05: the interval, which is then the whole range, decides alone. The test needs four on each side.")
	}
	if has(func(r Row) bool { return r.Suspect }) {
		out = append(out, "? The row uses a suspect repeat: something other than the server affected it.")
	}
	out = append(out, c.noise...)
	tested := 0
	for _, r := range c.Rows {
		if r.Outcome != Unmeasured && !r.Few {
			tested++
		}
	}
	if tested >= 20 {
		out = append(out, fmt.Sprintf("Of %d comparisons at p < 0.05, about %d would differ by chance alone.", tested, tested/20))
	}
	return out
}

// conclusion sums up the comparison.
func (c *Comparison) conclusion() string {
	n := map[Outcome]int{}
	for _, r := range c.Rows {
		n[r.Outcome]++
	}
	s := fmt.Sprintf("B is better in %d, worse in %d and tied in %d of %d comparisons", n[Better], n[Worse], n[Tie], len(c.Rows))
	if k := n[Unmeasured]; k > 0 {
		s += fmt.Sprintf("; %d could not be made", k)
	}
	s += "."
	if !math.IsNaN(c.MaxRegression) {
		s += fmt.Sprintf(" B may be worse by %s: %d fail", percent(c.MaxRegression), c.Fails())
		if lost := c.Fails() - len(c.Failed()); lost > 0 {
			s += fmt.Sprintf(", %d of them for a cell that B lacks", lost)
		}
		s += "."
	}
	return s
}

func percent(x float64) string { return fmt.Sprintf("%.3g %%", 100*x) }
