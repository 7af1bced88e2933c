package stats

import (
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// A Kind says what an interval is.
type Kind int

// Kinds of interval.
const (
	None  Kind = iota // fewer than two values: nothing is known of the spread
	Range             // smallest to largest: too few values for the confidence
	CI95              // a confidence interval of the median, at 95 % or more
)

// A Summary is a median and how far to trust it. The zero value is the summary
// of nothing.
type Summary struct {
	Median float64
	Lo, Hi float64 // the interval; both are the median when Kind is None
	Kind   Kind
	N      int
}

// Summarize takes the median of xs. From six values on, its interval is
// benchstat's: the order-statistic confidence interval of the median at 95 % or
// more, which assumes nothing of the distribution. With fewer no such interval
// exists, and it is the range.
func Summarize(xs []float64) Summary {
	n := len(xs)
	if n == 0 {
		return Summary{}
	}
	sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(xs), &benchmath.DefaultThresholds), confidence)
	s := Summary{N: n, Median: sum.Center, Lo: sum.Lo, Hi: sum.Hi, Kind: kindOf(n)}
	if s.Kind != CI95 {
		s.Lo, s.Hi = slices.Min(xs), slices.Max(xs)
	}
	return s
}

const confidence = 0.95

// kindOf is the interval that n values allow. Below six, even the range holds
// the median with less than 95 % confidence: 1 - 2·(1/2)^n.
func kindOf(n int) Kind {
	switch {
	case n < 2:
		return None
	case 1-math.Pow(0.5, float64(n-1)) < confidence:
		return Range
	}
	return CI95
}

// Interval says what the interval is, with the number of repeats: "range of 3
// repeats", "95 % CI of 10 repeats".
func (s Summary) Interval() string {
	switch s.N {
	case 0:
		return "no repeat counts"
	case 1:
		return "1 repeat, no interval"
	}
	return s.Kind.describe(s.N, s.N)
}

// describe names an interval of this kind over lo to hi repeats.
func (k Kind) describe(lo, hi int) string {
	what := "range"
	if k == CI95 {
		what = "95 % CI"
	}
	if lo == hi {
		return fmt.Sprintf("%s of %d repeats", what, lo)
	}
	return fmt.Sprintf("%s of %d to %d repeats", what, lo, hi)
}

// Spread is the larger half of the interval as a part of the median: 0.02 is
// ±2 %. It is NaN without an interval or with a median of 0.
func (s Summary) Spread() float64 {
	if s.Kind == None || s.Median == 0 {
		return math.NaN()
	}
	return math.Max(s.Hi-s.Median, s.Median-s.Lo) / math.Abs(s.Median)
}

// TieWithin is the difference of two medians below which neither is called
// better, whatever their intervals.
const TieWithin = 0.05

// Tied says that two summaries of one metric do not tell their models apart:
// their medians are within TieWithin of the larger, or their intervals overlap.
func (s Summary) Tied(t Summary) bool {
	if s.N == 0 || t.N == 0 {
		return false
	}
	if math.Abs(s.Median-t.Median) <= TieWithin*math.Max(math.Abs(s.Median), math.Abs(t.Median)) {
		return true
	}
	return s.Kind != None && t.Kind != None && s.Lo <= t.Hi && t.Lo <= s.Hi
}

// Best are the places in cells of the best median of m and of all that tie with
// it, in the order of cells. A cell of which no repeat counts is never among them.
func Best(cells []*Cell, m Metric) []int {
	best := -1
	for i, c := range cells {
		s := c.Summary(m)
		if s.N == 0 {
			continue
		}
		if best < 0 || m.Compare(s.Median, cells[best].Summary(m).Median) < 0 {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	var out []int
	for i, c := range cells {
		if i == best || c.Summary(m).Tied(cells[best].Summary(m)) {
			out = append(out, i)
		}
	}
	return out
}
