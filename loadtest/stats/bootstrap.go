package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// resamples is how often Bootstrap draws: 50 draws lie below the 2.5th percentile.
const resamples = 2000

// bootstrapSeed seeds every bootstrap, so that a record always gives the same interval.
const bootstrapSeed = 20170520

// Bootstrap estimates f of several samples. The interval is from the 2.5th to the 97.5th
// percentile of f of samples drawn from them with replacement (B. Efron, 1979). For the
// median of one sample use MedianOf, whose interval is exact. Each sample is resampled
// separately. A draw for which f is NaN is left out. N is the size of the smallest sample;
// below two there is no interval. With few values the interval is too narrow, as it never
// leaves their range: its level is then at most that of the range.
func Bootstrap(samples [][]float64, f func([][]float64) float64) Estimate {
	n := smallest(samples)
	if n == 0 {
		return Estimate{}
	}
	return percentilesOf(f(samples), n, draw(samples, resamples, f))
}

// RatioOfMedians estimates the median of a divided by the median of b, for samples whose
// values do not pair.
func RatioOfMedians(a, b []float64) Estimate {
	return Bootstrap([][]float64{a, b}, func(s [][]float64) float64 { return Median(s[0]) / Median(s[1]) })
}

// smallest is the size of the smallest sample.
func smallest(samples [][]float64) (n int) {
	for i, s := range samples {
		if i == 0 || len(s) < n {
			n = len(s)
		}
	}
	return n
}

// draw returns f of samples drawn with replacement, without the NaN.
func draw(samples [][]float64, draws int, f func([][]float64) float64) []float64 {
	n := smallest(samples)
	if n < 2 {
		return nil
	}
	drawn := make([][]float64, len(samples))
	for i, s := range samples {
		drawn[i] = make([]float64, len(s))
	}
	rng := rand.New(rand.NewPCG(bootstrapSeed, uint64(n)))
	of := make([]float64, 0, draws)
	for range draws {
		for i, s := range samples {
			for j := range s {
				drawn[i][j] = s[rng.IntN(len(s))]
			}
		}
		if v := f(drawn); !math.IsNaN(v) {
			of = append(of, v)
		}
	}
	return of
}

// percentilesOf is the value v of n repeats, with the interval from the percentiles of
// drawn. It sorts drawn.
func percentilesOf(v float64, n int, drawn []float64) Estimate {
	e := alone(v, n)
	if len(drawn) == 0 || math.IsNaN(v) {
		return e
	}
	slices.Sort(drawn)
	cut := int(math.Floor(float64(len(drawn)) * (1 - confidence) / 2))
	e.Lo, e.Hi, e.Method, e.Level = drawn[cut], drawn[len(drawn)-1-cut], Percentiles, min(confidence, rangeLevel(n))
	return e
}
