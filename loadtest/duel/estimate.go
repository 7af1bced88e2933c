package duel

import (
	"cmp"
	"math"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Quantity is what a duel compares, of one slice.
type Quantity struct {
	stats.Metric
	Loop string // the slices that it is of
	// RatioOnly says that short slices shift the value itself, but not the ratio.
	RatioOnly bool
	// of is 0 where a slice does not have it.
	of func(*result.DuelSlice) float64
}

// The quantities, in the order in which they are shown.
var (
	Throughput = Quantity{stats.Throughput, result.Closed, false, func(s *result.DuelSlice) float64 {
		return float64(s.Answers) / s.LengthSec
	}}
	CPU = Quantity{stats.CPU, result.Closed, true, func(s *result.DuelSlice) float64 {
		return s.ServerCPUSec / float64(max(s.Answers, 1))
	}}
	P50        = Quantity{stats.P50, result.Open, false, func(s *result.DuelSlice) float64 { return s.P50Sec }}
	P99        = Quantity{stats.P99, result.Open, false, func(s *result.DuelSlice) float64 { return s.P99Sec }}
	Quantities = []Quantity{Throughput, CPU, P50, P99}
)

// A Ratio is a quantity of one server compared with another's.
type Ratio struct {
	Quantity
	// Estimate is of A ÷ B: the median over the pairs that count, with its interval.
	stats.Estimate
	A, B  float64   // medians of the slices
	Pairs []float64 // the ratio in each pair that counts
}

// Compare estimates a quantity of side a divided by that of side b: of each pair the
// median of the ratios of neighbouring slices, and of these the median. The
// logarithms are what is estimated, so that b ÷ a gives the same interval.
//
// The median of slices resists the bursts of other work on a machine, which move sums.
// It is as deaf to a server that stalls seldom: that shows in its p99.
func Compare(d *result.Duel, q Quantity, a, b int) Ratio {
	r := Ratio{Quantity: q}
	var logs, as, bs []float64
	for i := range d.Pairs {
		p := &d.Pairs[i]
		if p.Failure != "" {
			continue
		}
		as, bs = append(as, values(p, q, a)...), append(bs, values(p, q, b)...)
		if within := neighbours(p, q, a, b); len(within) > 0 {
			l := stats.Median(within)
			logs, r.Pairs = append(logs, l), append(r.Pairs, math.Exp(l))
		}
	}
	r.A, r.B = stats.Median(as), stats.Median(bs)
	r.Estimate = stats.MedianOf(logs)
	if r.N > 0 {
		r.Value, r.Lo, r.Hi = math.Exp(r.Value), math.Exp(r.Lo), math.Exp(r.Hi)
	}
	return r
}

// neighbours are ln(a ÷ b) of each pass of a pair that has both.
func neighbours(p *result.DuelPair, q Quantity, a, b int) (logs []float64) {
	in := map[int][2]float64{} // by pass
	for i := range p.Slices {
		s := &p.Slices[i]
		if s.Loop != q.Loop || s.Side != a && s.Side != b {
			continue
		}
		pass := in[s.Pass]
		if s.Side == a {
			pass[0] = q.of(s)
		} else {
			pass[1] = q.of(s)
		}
		in[s.Pass] = pass
	}
	for _, v := range in {
		if v[0] > 0 && v[1] > 0 {
			logs = append(logs, math.Log(v[0]/v[1]))
		}
	}
	return logs
}

// values are those of a side's slices in a pair.
func values(p *result.DuelPair, q Quantity, side int) (vs []float64) {
	for i := range p.Slices {
		if s := &p.Slices[i]; s.Loop == q.Loop && s.Side == side {
			if v := q.of(s); v > 0 {
				vs = append(vs, v)
			}
		}
	}
	return vs
}

// A Verdict is what the whole interval of a ratio says.
type Verdict string

// Verdicts.
const (
	Differs      Verdict = "differs"
	NoDifference Verdict = "no difference"
	Undecided    Verdict = "undecided"
)

// Verdict decides whether the two sides differ by more than the margin: 0.02 allows
// 2 % either way. With the margin 0, no difference is one that was not found; with
// another, all of the interval lies within it. Fewer than MinPairs say nothing.
func (r Ratio) Verdict(margin float64) Verdict {
	lo, hi := 1/(1+margin), 1+margin
	switch {
	case !r.sure():
		return Undecided
	case r.Lo > hi || r.Hi < lo:
		return Differs
	case margin == 0 || r.Lo >= lo && r.Hi <= hi:
		return NoDifference
	}
	return Undecided
}

// MinPairs is how many pairs it takes for a verdict: the range of five contains the
// true ratio with 94 %.
const MinPairs = 5

func (r Ratio) sure() bool { return r.Known() && r.N >= MinPairs }

// Seen is the least difference that the interval excludes, in either direction: one
// that was larger would have been seen.
func (r Ratio) Seen() float64 { return max(r.Hi, 1/r.Lo) - 1 }

// Regressed says whether B is worse than A by more than the part most: by the whole
// interval, in the direction that is worse.
func (r Ratio) Regressed(most float64) stats.Outcome {
	if !r.sure() {
		return stats.Undecided
	}
	b := stats.AtLeast(r.Metric, 1/(1+most)) // of A ÷ B, less is worse for B
	if r.BetterHigher {
		b = stats.AtMost(r.Metric, 1/cmp.Or(max(0, 1-most), math.SmallestNonzeroFloat64))
	}
	return b.Whole(r.Estimate).Not()
}
