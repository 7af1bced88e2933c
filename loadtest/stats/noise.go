package stats

import (
	"fmt"
	"math"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Noise is the result of comparing servers with themselves. The ratio should be 1;
// how far its repeats are from 1 is the noise that this machine adds to every ratio.
type Noise struct {
	Metric string   `json:"metric"`
	Ratio  Estimate `json:"ratio"` // of the pairs of all cells
	// Floor is the half-width in which 95 % of the pairs lie: 0.08 is ±8 %.
	Floor float64 `json:"floor"`
	// Cells is how many cells were measured twice. If it is 0, the floor is unknown.
	Cells int `json:"cells"`
}

// Floors returns the known noise floors in words: "throughput ±8.0 %, p99 ±21.3 % (95 % of
// the pairs)". It returns "" if none is known.
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

// Plain returns the key of the cell that an A/A cell measures again. It returns false if k
// is not an A/A cell.
func Plain(k result.Key) (result.Key, bool) {
	again := k.Setting.AA
	k.Setting.AA = false
	return k, again
}

// NoiseFloor compares every A/A cell with the cell that it measures again. It is the
// only measure of noise: charts, ledger and comparisons show it.
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
