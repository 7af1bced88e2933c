package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// An Estimate is a number with its 95 % interval.
type Estimate struct {
	Value float64 `json:"value"`
	Lo    float64 `json:"lo"`
	Hi    float64 `json:"hi"`
	// N is how many repeats it rests on. With one there is no interval.
	N int `json:"n"`
}

// MarshalJSON writes null for an end that is not known or not there.
func (e Estimate) MarshalJSON() ([]byte, error) {
	number := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Value *float64 `json:"value"`
		Lo    *float64 `json:"lo"`
		Hi    *float64 `json:"hi"`
		N     int      `json:"n"`
	}{number(e.Value), number(e.Lo), number(e.Hi), e.N})
}

// Known tells an estimate that has an interval. Without one nothing can be
// decided.
func (e Estimate) Known() bool { return e.N >= 2 && !math.IsNaN(e.Lo) && !math.IsNaN(e.Hi) }

// Few says that the repeats are too few for an interval to hold the median with
// 95 % confidence, whatever the method: see kindOf.
func (e Estimate) Few() bool { return kindOf(e.N) != CI95 }

// AtLeast compares the whole interval with a bound: 1 if all of it is at or
// above the bound, -1 if all of it is below, 0 if the interval holds the bound or
// there is none.
func (e Estimate) AtLeast(bound float64) int {
	switch {
	case !e.Known():
		return 0
	case e.Lo >= bound:
		return 1
	case e.Hi < bound:
		return -1
	}
	return 0
}

// AtMost is 1 if the whole interval is at or below the bound, -1 if all of it
// is above, 0 if neither can be said.
func (e Estimate) AtMost(bound float64) int {
	switch {
	case !e.Known():
		return 0
	case e.Hi <= bound:
		return 1
	case e.Lo > bound:
		return -1
	}
	return 0
}

// resamples is how often Bootstrap draws: enough for the 2.5th percentile to
// stand on 50 of them.
const resamples = 2000

// bootstrapSeed starts the random numbers of every bootstrap, so that a record
// gives the same interval each time it is read.
const bootstrapSeed = 20170520

// Bootstrap estimates f of several samples, with the interval from the 2.5th to
// the 97.5th percentile of f of samples drawn from them with replacement (B.
// Efron, 1979). Each sample is drawn from by itself. Where f is NaN of a drawn
// sample, that draw is left out. N is the number of the smallest sample; below
// two there is no interval. With few repeats the interval is narrower than its name
// says, as it never leaves the range of the values: see Estimate.Few.
func Bootstrap(samples [][]float64, f func([][]float64) float64) Estimate {
	return bootstrap(samples, resamples, f)
}

func bootstrap(samples [][]float64, draws int, f func([][]float64) float64) Estimate {
	e := Estimate{Lo: math.NaN(), Hi: math.NaN()}
	for i, s := range samples {
		if i == 0 || len(s) < e.N {
			e.N = len(s)
		}
	}
	if e.N == 0 {
		e.Value = math.NaN()
		return e
	}
	e.Value = f(samples)
	if e.N < 2 || math.IsNaN(e.Value) {
		return e
	}
	drawn := make([][]float64, len(samples))
	for i, s := range samples {
		drawn[i] = make([]float64, len(s))
	}
	rng := rand.New(rand.NewPCG(bootstrapSeed, uint64(e.N)))
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
	e.Lo, e.Hi = percentiles(of)
	return e
}

// percentiles are the 2.5th and the 97.5th; xs is sorted.
func percentiles(xs []float64) (lo, hi float64) {
	if len(xs) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.Sort(xs)
	cut := int(math.Floor(float64(len(xs)) * (1 - confidence) / 2))
	return xs[cut], xs[len(xs)-1-cut]
}

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

// MedianOf estimates the median of xs.
func MedianOf(xs []float64) Estimate {
	return Bootstrap([][]float64{xs}, func(s [][]float64) float64 { return Median(s[0]) })
}

// RatioOf estimates a ÷ b of two cells: the median of the ratios of the repeats
// that bear one number, so that what drifts on the host between rounds cancels.
func RatioOf(a, b *Cell, m Metric) Estimate {
	if a == nil || b == nil {
		return MedianOf(nil)
	}
	return MedianOf(Pairs(a, b, m))
}

// Unlike says that a ratio tells two apart: its interval leaves out 1, and it is
// more than TieWithin from 1.
func Unlike(ratio Estimate) bool {
	return ratio.Known() && (ratio.Lo > 1 || ratio.Hi < 1) && math.Abs(ratio.Value-1) > TieWithin
}

// AA is the setting, or the last part of one, under which a server is measured
// against itself.
const AA = "A/A"

// A Noise is what a comparison of a server with itself came to. The
// ratio should be 1; how far its repeats stray from 1 is what this machine
// adds to every ratio.
type Noise struct {
	Ratio Estimate `json:"ratio"` // of the pairs of all cells
	// Floor is the half-width in which 95 % of the pairs lie: 0.08 is ±8 %.
	Floor float64 `json:"floor"`
	Cells int     `json:"cells"`
}

// Plain is the key of the cell that a cell with the setting AA is once more;
// false if it is not one.
func Plain(k result.Key) (result.Key, bool) {
	rest, ok := strings.CutSuffix(k.Setting, AA)
	k.Setting = strings.TrimSuffix(rest, ", ")
	return k, ok
}

// NoiseFloor takes every cell with the setting AA beside the same cell without
// it. It has no cells where the run measured nothing twice.
func NoiseFloor(cells []*Cell, m Metric) Noise {
	var pairs, off []float64
	n := Noise{}
	for _, c := range cells {
		k, ok := Plain(c.Key)
		if !ok {
			continue
		}
		plain := find(cells, k)
		if plain == nil {
			continue
		}
		if p := Pairs(c, plain, m); len(p) > 0 {
			pairs = append(pairs, p...)
			n.Cells++
		}
	}
	n.Ratio = MedianOf(pairs)
	for _, r := range pairs {
		off = append(off, math.Abs(r-1))
	}
	if len(off) > 0 {
		slices.Sort(off)
		n.Floor = off[int(math.Ceil(confidence*float64(len(off))))-1]
	}
	return n
}
