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
	// HodgesLehmann is the interval that belongs to the Mann–Whitney test: see Quotient.
	HodgesLehmann Method = "Hodges–Lehmann"
	// Percentiles is from the 2.5th to the 97.5th percentile of a bootstrap. Its
	// level is that of large samples: see Bootstrap.
	Percentiles Method = "bootstrap percentiles"
	// Student assumes that the residuals are independent and normal: see LineOf.
	Student Method = "Student's t"
)

// An Estimate is a number with its interval. The zero value means that nothing was measured.
type Estimate struct {
	Value  float64
	Lo, Hi float64 // the interval; both are Value where there is none
	// N is the number of values. With several samples it is the size of the smallest.
	N      int
	Method Method
	// Level is the probability that an interval made this way contains the true value. It is
	// 0 if that is unknown: without an interval, and if Lo and Hi are only the smallest and
	// the largest value.
	Level float64
}

// confidence is the level that every interval should have.
const confidence = 0.95

// Median returns the middle value of xs, or the mean of the two in the middle. It returns
// NaN if xs is empty.
func Median(xs []float64) float64 {
	n := len(xs)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	return (s[(n-1)/2] + s[n/2]) / 2
}

// Quantile returns the smallest of xs such that the part p of xs is at or below it. It
// panics if xs is empty.
func Quantile(xs []float64, p float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[max(0, int(math.Ceil(p*float64(len(s))))-1)]
}

// MedianOf estimates the median of xs. From six values on, the interval is by order
// statistics, with a level of at least 95 %. Fewer values have no interval of that level:
// theirs is the range.
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

// alone returns a value without an interval.
func alone(v float64, n int) Estimate { return Estimate{Value: v, Lo: v, Hi: v, N: n} }

// rangeLevel returns the probability that the median lies between the smallest and the
// largest of n values: that not all are above it, nor all below.
func rangeLevel(n int) float64 { return 1 - math.Pow(0.5, float64(n-1)) }

func few(n int) bool { return rangeLevel(n) < confidence }

// MarshalJSON writes null for an unknown number.
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

// Spread returns the larger half of the interval as a fraction of the value: 0.02 is ±2 %.
// It returns NaN without an interval or with a value of 0.
func (e Estimate) Spread() float64 {
	if !e.Known() || e.Value == 0 {
		return math.NaN()
	}
	return math.Max(e.Hi-e.Value, e.Value-e.Lo) / math.Abs(e.Value)
}

// TieWithin is the difference of two medians within which they tie, whatever their
// intervals.
const TieWithin = 0.05

// Tied reports whether two estimates of a metric tie: they differ by at most TieWithin of
// the larger, or their intervals overlap.
func (e Estimate) Tied(f Estimate) bool {
	if e.N == 0 || f.N == 0 {
		return false
	}
	if math.Abs(e.Value-f.Value) <= TieWithin*math.Max(math.Abs(e.Value), math.Abs(f.Value)) {
		return true
	}
	return e.Known() && f.Known() && e.Lo <= f.Hi && f.Lo <= e.Hi
}

// Unlike reports whether a ratio shows a difference: its interval excludes 1, and it is
// more than TieWithin from 1.
func Unlike(ratio Estimate) bool {
	return ratio.Known() && (ratio.Lo > 1 || ratio.Hi < 1) && math.Abs(ratio.Value-1) > TieWithin
}
