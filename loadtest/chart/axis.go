package chart

import (
	"math"
	"slices"

	"gonum.org/v1/plot"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// An axis is a scale with named values.
type axis struct {
	min, max float64
	log      bool
	ticks    []float64
	unit     stats.Unit
	title    string               // below it; the unit says enough of values
	names    func(float64) string // of ticks; nil means as the unit names them
}

func (a axis) scale() plot.Normalizer {
	if a.log {
		return plot.LogScale{}
	}
	return plot.LinearScale{}
}

// name returns a value as the axis shows it: on a linear axis, in the unit of the largest.
func (a axis) name(v float64) string {
	if a.names != nil {
		return a.names(v)
	}
	if a.log || len(a.ticks) == 0 {
		return a.unit.Tick(v, v)
	}
	return a.unit.Tick(v, a.ticks[len(a.ticks)-1])
}

// logFrom is the ratio of the largest value to the smallest above which an axis is
// logarithmic. Below it an axis begins at 0, so that heights can be compared.
const logFrom = 15

// headroom is the part of an axis that is kept free at the top, for the names of the bands.
const headroom = 0.1

// valueAxis returns a scale for the values of all panels.
func valueAxis(u stats.Unit, panels []panel) axis {
	lo, hi, low := math.Inf(1), 0.0, 0.0
	crossed := false
	for _, p := range panels {
		crossed = crossed || p.crossed()
		for _, s := range p.series {
			for _, q := range s.points {
				if !q.valid() || !finite(q.Value, q.Lo, q.Hi) {
					continue
				}
				low = min(low, q.Lo)
				hi = max(hi, q.Hi)
				if q.Value > 0 {
					lo = min(lo, q.Value)
					if q.Lo > 0 {
						lo = min(lo, q.Lo)
					}
				}
			}
		}
	}
	a := axis{unit: u}
	switch {
	case hi <= 0:
		a.min, a.max = min(low, 0), 1
	case hi/lo >= logFrom:
		a.log = true
		span := math.Log(hi / lo)
		below := 0.05
		if crossed {
			below = headroom
		}
		a.min = lo / math.Exp(below*span)
		a.max = hi * math.Exp((headroom+0.02)*span)
	default:
		a.min = min(low, 0) * 1.05
		a.max = a.min + (hi-a.min)/(1-headroom-0.02)
	}
	a.ticks = valueTicks(a)
	return a
}

// clientAxis returns a scale for the given numbers of clients, with room around them. If the
// largest opens a band, there is room for the name of the band.
func clientAxis(clients []float64) axis {
	least, most := clients[0], clients[len(clients)-1]
	before, after := 0.05, 0.08
	if slices.Contains(bandEdges, most) {
		after = 0.2
	}
	// The axis spans at least a decade, even for a single number.
	span := max(math.Log(most/least), math.Log(10)*(1-before-after)) / (1 - before - after)
	a := axis{log: true, unit: stats.Count, ticks: clients, title: "clients"}
	if least == most {
		a.min, a.max = least/math.Exp(span/2), most*math.Exp(span/2)
		return a
	}
	a.min, a.max = least/math.Exp(before*span), most*math.Exp(after*span)
	return a
}

// rateAxis returns a scale for the rates of an open loop.
func rateAxis(rates []float64) axis {
	least, most := rates[0], rates[len(rates)-1]
	a := axis{unit: stats.PerSecond, title: "requests per second, asked for"}
	if most/least >= logFrom {
		a.log, a.min, a.max = true, least/1.2, most*1.2
		a.ticks = decades(a)
	} else {
		a.max = most * 1.08
		a.ticks = steps(a, 10)
	}
	return a
}

// bandEdges are the numbers of clients at which the claims' bands start.
var bandEdges = []float64{1, 10, 100, 1000}

// valueTicks returns three to eight round values within the axis.
func valueTicks(a axis) []float64 {
	switch {
	case a.unit == stats.Bytes && a.log:
		return powers(a, 2)
	case a.log:
		return decades(a)
	case a.unit == stats.Bytes:
		return steps(a, 2)
	}
	return steps(a, 10)
}

// namedTicks returns all ticks if there is room for their names, or else those that are
// powers of ten if there is room for these, or else the first and the last.
func namedTicks(ticks []float64, room func(a, b float64) bool) []float64 {
	fit := func(ts []float64) []float64 {
		var out []float64
		for _, v := range ts {
			if len(out) == 0 || room(out[len(out)-1], v) {
				out = append(out, v)
			}
		}
		return out
	}
	if len(fit(ticks)) == len(ticks) {
		return ticks
	}
	var tens []float64
	for _, v := range ticks {
		if e := math.Log10(v); e == math.Trunc(e) {
			tens = append(tens, v)
		}
	}
	if tens = fit(tens); len(tens) > 1 {
		return tens
	}
	return []float64{ticks[0], ticks[len(ticks)-1]}
}

// logarithmic reports whether both ends of the axis have a logarithm.
func (a axis) logarithmic() bool { return a.min > 0 && finite(a.min, a.max) }

func finite(vs ...float64) bool {
	return !slices.ContainsFunc(vs, func(v float64) bool { return math.IsInf(v, 0) || math.IsNaN(v) })
}

// decades returns the powers of ten within a logarithmic axis. If there are few, it adds
// their multiples by 2 and 5, or by 3. An axis without ends, or from 0, has none.
func decades(a axis) []float64 {
	if !a.logarithmic() {
		return nil
	}
	for _, by := range [][]float64{{1}, {1, 3}, {1, 2, 5}} {
		var out []float64
		for e := math.Floor(math.Log10(a.min)); e <= math.Log10(a.max); e++ {
			for _, m := range by {
				if v := round(m * math.Pow(10, e)); v >= a.min && v <= a.max {
					out = append(out, v)
				}
			}
		}
		if len(out) >= 3 {
			return out
		}
	}
	return nil
}

// powers returns powers of base within a logarithmic axis, as dense as fits. An axis without
// ends, or from 0, has none.
func powers(a axis, base float64) []float64 {
	if !a.logarithmic() {
		return nil
	}
	for stride := 1.0; ; stride++ {
		var out []float64
		step := math.Pow(base, stride)
		for e := math.Floor(math.Log(a.min) / math.Log(step)); ; e++ {
			v := math.Pow(step, e)
			if v > a.max {
				break
			}
			if v >= a.min {
				out = append(out, v)
			}
		}
		if len(out) <= 7 {
			return out
		}
	}
}

// steps returns multiples of a round step within a linear axis: 1, 2, 2.5 or 5 times a power
// of ten, or a power of two for bytes.
func steps(a axis, base float64) []float64 {
	want := (a.max - a.min) / 6
	var step float64
	if base == 2 {
		step = math.Exp2(math.Ceil(math.Log2(want)))
	} else {
		p := math.Pow(10, math.Floor(math.Log10(want)))
		for _, m := range []float64{1, 2, 2.5, 5, 10} {
			if step = m * p; step >= want*0.999 {
				break
			}
		}
	}
	var out []float64
	for k := math.Ceil(a.min / step); k*step <= a.max; k++ {
		out = append(out, round(k*step))
	}
	return out
}

// round removes the rounding error of binary fractions.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	p := math.Pow(10, 12-math.Ceil(math.Log10(math.Abs(v))))
	if math.IsInf(p, 0) || p == 0 {
		return v
	}
	return math.Round(v*p) / p
}
