package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// resamples is how often Bootstrap draws: enough for the 2.5th percentile to
// stand on 50 of them.
const resamples = 2000

// bootstrapSeed starts the random numbers of every bootstrap, so that a record
// gives the same interval each time it is read.
const bootstrapSeed = 20170520

// Bootstrap estimates f of several samples, with the interval from the 2.5th to
// the 97.5th percentile of f of samples drawn from them with replacement (B.
// Efron, 1979). It is for what is no median of one sample: MedianOf is exact for that.
// Each sample is drawn from by itself. Where f is NaN of a drawn sample, that draw is
// left out. N is the size of the smallest sample; below two there is no interval.
// With few values the interval is narrower than it should be, as it never leaves
// their range: its level is then at most that of the range.
func Bootstrap(samples [][]float64, f func([][]float64) float64) Estimate {
	n := smallest(samples)
	if n == 0 {
		return Estimate{}
	}
	return percentilesOf(f(samples), n, draw(samples, resamples, f))
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

// draw is f of samples drawn with replacement, as often as it is a number.
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

// percentilesOf is a value of n repeats with the interval of what was drawn. It
// sorts drawn.
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

// A Noise is what a comparison of a server with itself came to. The
// ratio should be 1; how far its repeats stray from 1 is what this machine
// adds to every ratio.
type Noise struct {
	Metric string   `json:"metric"`
	Ratio  Estimate `json:"ratio"` // of the pairs of all cells
	// Floor is the half-width in which 95 % of the pairs lie: 0.08 is ±8 %.
	Floor float64 `json:"floor"`
	// Cells is how many cells were measured twice. Where none was, the floor is not
	// known.
	Cells int `json:"cells"`
}

// Floors are the noise floors that are known, in words: "throughput ±8.0 %, p99
// ±21.3 % (95 % of the pairs)". It is empty where none is.
func Floors(noise []Noise) string {
	var out []string
	for _, n := range noise {
		if n.Cells > 0 {
			out = append(out, fmt.Sprintf("%s ±%.1f %%", n.Metric, 100*n.Floor))
		}
	}
	if out == nil {
		return ""
	}
	return strings.Join(out, ", ") + " (95 % of the pairs)"
}

// Plain is the key of the cell that an A/A cell measures again; false if it is not one.
func Plain(k result.Key) (result.Key, bool) {
	again := k.Setting.AA
	k.Setting.AA = false
	return k, again
}

// NoiseFloor compares every A/A cell with the cell that it measures again. It is the only measure of noise: charts, ledger and comparisons show it.
func NoiseFloor(cells []*Cell, m Metric) Noise {
	var pairs, off []float64
	n := Noise{Metric: m.Name}
	for _, c := range cells {
		k, ok := Plain(c.Key)
		if !ok {
			continue
		}
		plain := find(cells, k)
		if plain == nil {
			continue
		}
		if p := Pairs(c, m, plain, m); len(p) > 0 {
			pairs = append(pairs, p...)
			n.Cells++
		}
	}
	n.Ratio = MedianOf(pairs)
	for _, r := range pairs {
		off = append(off, math.Abs(r-1))
	}
	if len(off) > 0 {
		n.Floor = Quantile(off, confidence)
	}
	return n
}
