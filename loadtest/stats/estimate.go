package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// A Method says how an interval was made.
type Method string

// Methods.
const (
	NoInterval Method = ""      // fewer than two values: nothing is known of the spread
	Range      Method = "range" // smallest to largest: too few values for the confidence
	// OrderStatistics is the confidence interval of a median that benchstat gives:
	// between two of the sorted values. It assumes nothing about the distribution.
	OrderStatistics Method = "order statistics"
	// HodgesLehmann is the interval that goes with the Mann–Whitney test: see Quotient.
	HodgesLehmann Method = "Hodges–Lehmann"
	// Percentiles is from the 2.5th to the 97.5th percentile of a bootstrap. Its
	// level is that of large samples: see Bootstrap.
	Percentiles Method = "bootstrap percentiles"
	// Student takes the residuals for independent and normal: see LineOf.
	Student Method = "Student's t"
)

// An Estimate is a number with its interval. The zero value is the estimate of
// nothing.
type Estimate struct {
	Value  float64
	Lo, Hi float64 // the interval; both are Value where there is none
	// N is how many values it rests on: of several samples, the size of the smallest.
	N      int
	Method Method
	// Level is the probability that such an interval contains the true value. It
	// is 0 where nothing is said about that: without an interval, and where Lo and Hi are
	// only the ends of what was seen.
	Level float64
}

// confidence is the level that every interval should have.
const confidence = 0.95

// Median is the middle value of xs, or the mean of the two in the middle; NaN
// of none.
func Median(xs []float64) float64 {
	n := len(xs)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	return (s[(n-1)/2] + s[n/2]) / 2
}

// Quantile is the smallest of xs that the part p of them does not exceed. It
// panics if there are none.
func Quantile(xs []float64, p float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[max(0, int(math.Ceil(p*float64(len(s))))-1)]
}

// MedianOf estimates the median of xs. From six values on, its interval is
// by order statistics at 95 % or more. With fewer no such interval exists, and it
// is the range.
func MedianOf(xs []float64) Estimate {
	n := len(xs)
	if n == 0 {
		return Estimate{}
	}
	e := alone(Median(xs), n)
	switch {
	case n >= 2 && few(n):
		e.Lo, e.Hi, e.Method, e.Level = slices.Min(xs), slices.Max(xs), Range, rangeLevel(n)
	case n >= 2:
		s := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(xs), &benchmath.DefaultThresholds), confidence)
		e.Lo, e.Hi, e.Method, e.Level = s.Lo, s.Hi, OrderStatistics, s.Confidence
	}
	return e
}

// alone is a value without an interval.
func alone(v float64, n int) Estimate { return Estimate{Value: v, Lo: v, Hi: v, N: n} }

// rangeLevel is how probable it is that the median lies between the smallest and
// the largest of n values: not all are above it, nor all below.
func rangeLevel(n int) float64 { return 1 - math.Pow(0.5, float64(n-1)) }

func few(n int) bool { return rangeLevel(n) < confidence }

// MarshalJSON writes null for a number that is not known.
func (e Estimate) MarshalJSON() ([]byte, error) {
	number := func(v float64, known bool) *float64 {
		if !known || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Value  *float64 `json:"value"`
		Lo     *float64 `json:"lo"`
		Hi     *float64 `json:"hi"`
		N      int      `json:"n"`
		Method Method   `json:"method,omitempty"`
		Level  float64  `json:"level,omitempty"`
	}{number(e.Value, e.N > 0), number(e.Lo, e.Known()), number(e.Hi, e.Known()), e.N, e.Method, e.Level})
}

// Known reports whether there is an interval. Without one nothing can be decided.
func (e Estimate) Known() bool { return e.Method != NoInterval }

// Few reports whether there are too few values for an interval to contain the
// median with 95 % confidence, whatever the method.
func (e Estimate) Few() bool { return few(e.N) }

// AtLeast is Met if the whole interval is at or above the bound, Missed if all of it
// is below, Undecided if the interval includes the bound or there is none.
func (e Estimate) AtLeast(bound float64) Outcome { return e.keeps(Bound{Limit: bound, Least: true}) }

// AtMost is Met if the whole interval is at or below the bound, Missed if all of it
// is above, Undecided if neither can be said.
func (e Estimate) AtMost(bound float64) Outcome { return e.keeps(Bound{Limit: bound}) }

func (e Estimate) keeps(b Bound) Outcome {
	switch lo, hi := b.Met(e.Lo), b.Met(e.Hi); {
	case !e.Known() || lo != hi:
		return Undecided
	case lo:
		return Met
	}
	return Missed
}

// describe names the interval of medians of lo to hi repeats.
func describe(few bool, lo, hi int) string {
	what := "95 % CI"
	if few {
		what = "range"
	}
	if lo == hi {
		return fmt.Sprintf("%s of %d repeats", what, lo)
	}
	return fmt.Sprintf("%s of %d to %d repeats", what, lo, hi)
}

// Format returns the value with its unit, or "–" if no repeat counts.
func (e Estimate) Format(u Unit) string {
	if e.N == 0 {
		return "–"
	}
	return u.Format(e.Value)
}

// Ends returns the interval with its unit: "1.2 ms – 1.4 ms", or "–" if there is none.
func (e Estimate) Ends(u Unit) string {
	if !e.Known() {
		return "–"
	}
	return u.Format(e.Lo) + " – " + u.Format(e.Hi)
}

// Spread is the larger half of the interval as a part of the value: 0.02 is
// ±2 %. It is NaN without an interval or with a value of 0.
func (e Estimate) Spread() float64 {
	if !e.Known() || e.Value == 0 {
		return math.NaN()
	}
	return math.Max(e.Hi-e.Value, e.Value-e.Lo) / math.Abs(e.Value)
}

// TieWithin is the difference of two medians below which neither is called
// better, whatever their intervals.
const TieWithin = 0.05

// Tied reports whether two estimates of one metric do not tell their models
// apart: they are within TieWithin of the larger, or their intervals overlap.
func (e Estimate) Tied(f Estimate) bool {
	if e.N == 0 || f.N == 0 {
		return false
	}
	if math.Abs(e.Value-f.Value) <= TieWithin*math.Max(math.Abs(e.Value), math.Abs(f.Value)) {
		return true
	}
	return e.Known() && f.Known() && e.Lo <= f.Hi && f.Lo <= e.Hi
}

// Unlike reports whether a ratio tells two apart: its interval leaves out 1, and
// it is more than TieWithin from 1.
func Unlike(ratio Estimate) bool {
	return ratio.Known() && (ratio.Lo > 1 || ratio.Hi < 1) && math.Abs(ratio.Value-1) > TieWithin
}
