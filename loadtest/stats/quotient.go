package stats

import (
	"math"
	"slices"
	"sort"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"
	"gonum.org/v1/gonum/stat/distuv"
)

// Alpha is the significance level: at a p of Alpha or above, two samples are not told apart.
const Alpha = 0.05

// Quotient estimates b ÷ a for samples whose values do not pair. It is the median of all
// quotients (J. Hodges and E. Lehmann, 1963, of logarithms), with the interval that belongs
// to the Mann–Whitney test. With too few values for a confidence of 95 %, the interval is
// from the smallest quotient to the largest. Values must be above 0; N is the size of the
// smaller sample.
func Quotient(a, b []float64) Estimate {
	var q []float64
	for _, x := range a {
		for _, y := range b {
			q = append(q, y/x)
		}
	}
	if len(q) == 0 {
		return Estimate{}
	}
	slices.Sort(q)
	n := len(q)
	e := alone(math.Sqrt(q[(n-1)/2]*q[n/2]), min(len(a), len(b)))
	if n == 1 {
		return e
	}
	// The interval leaves out the k smallest and the k largest quotients.
	k := leftOut(len(a), len(b))
	if e.Method = HodgesLehmann; k < 0 {
		k, e.Method = 0, Range
	}
	e.Lo, e.Hi, e.Level = q[k], q[n-1-k], 1-2*atMost(k, len(a), len(b))
	return e
}

// MannWhitney returns the probability that two samples of one distribution differ at least
// as much as these. It is benchstat's test, which assumes nothing about the distribution.
func MannWhitney(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	of := func(xs []float64) *benchmath.Sample {
		return benchmath.NewSample(slices.Clone(xs), &benchmath.DefaultThresholds)
	}
	return benchmath.AssumeNothing.Compare(of(a), of(b)).P
}

// LeastP returns the smallest p that MannWhitney can return for samples of these sizes:
// that of samples that do not overlap.
func LeastP(n, m int) float64 {
	ways := 1.0 // n+m over n
	for i := 1; i <= n; i++ {
		ways *= float64(m+i) / float64(i)
	}
	return min(1, 2/ways)
}

// exactly is the size of the samples up to which the distribution of U is computed exactly,
// in time proportional to its fourth power. The test itself has the same limit.
const exactly = 50

// leftOut returns the largest U of samples of n and m values that is improbable enough for
// one end of an interval. It returns -1 if none is.
func leftOut(n, m int) int {
	return sort.Search(n*m, func(k int) bool { return atMost(k, n, m) > (1-confidence)/2 }) - 1
}

// atMost returns the probability of a U of k or less. For samples larger than exactly it
// uses the normal distribution that U tends to.
func atMost(k, n, m int) float64 {
	if n*m > exactly*exactly {
		mean, deviation := float64(n*m)/2, math.Sqrt(float64(n*m)*float64(n+m+1)/12)
		return distuv.UnitNormal.CDF((float64(k) + 0.5 - mean) / deviation)
	}
	return stats.UDist{N1: n, N2: m}.CDF(float64(k))
}
