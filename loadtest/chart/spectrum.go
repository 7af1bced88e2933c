package chart

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/stats"
)

var spectrumChart = Chart{
	Name: "spectrum", Title: "Latency spectrum",
	note:  "time within which this part of the requests was answered; the axis widens towards the slowest · lower is better",
	drawn: "lines are the requests of all repeats together, bands the range of the repeats",
	build: spectrum,
}

// first is where the axis begins: at 10 %. The fastest requests would take up half of the
// scale, and matter little.
const first = 1 / 0.9

// perDecade is how many percentiles are drawn between 90 % and 99 %, and so on.
const perDecade = 12

// spectrum draws all percentiles of the latency: a panel for each load.
func spectrum(f *Figure, src *Source) {
	if src.Latencies == nil {
		return
	}
	before := len(f.rows)
	lines(f, src, stats.Seconds, func(c *stats.Cell) []point {
		out, ok := src.spectra[c]
		if !ok {
			out = percentiles(c, src.Latencies(c))
			if src.spectra != nil {
				src.spectra[c] = out
			}
		}
		return slices.Clone(out) // a figure removes points that do not fit its scale
	}, percentileAxis)
	for _, r := range f.rows[before:] {
		for _, p := range r.panels {
			for i := range p.series {
				p.series[i].points = p.thin(p.series[i].points)
			}
		}
	}
}

// percentiles returns the percentiles of a cell, from the histograms of its repeats.
func percentiles(c *stats.Cell, of []*hdrhistogram.Histogram) []point {
	if len(of) == 0 {
		return nil
	}
	// The percentile of several repeats is that of all their requests: a mean of percentiles
	// would mean nothing.
	all := hdrhistogram.New(of[0].LowestTrackableValue(), of[0].HighestTrackableValue(), int(of[0].SignificantFigures()))
	for _, h := range of {
		all.Merge(h)
	}
	var out []point
	for _, x := range upTo(float64(all.TotalCount())) {
		q := 100 * (1 - 1/x)
		var each []float64
		for _, h := range of {
			if float64(h.TotalCount()) >= x {
				each = append(each, seconds(h.ValueAtQuantile(q)))
			}
		}
		v := seconds(all.ValueAtQuantile(q))
		e := stats.Estimate{Value: v, Lo: v, Hi: v, N: len(of)}
		for _, s := range each {
			e.Lo, e.Hi = min(e.Lo, s), max(e.Hi, s)
		}
		if len(each) > 1 {
			e.Method = stats.Range
		}
		out = append(out, point{x: x, Estimate: e, cell: c})
	}
	return out
}

func seconds(ns int64) float64 { return float64(ns) / float64(time.Second) }

// upTo returns the places on the axis of percentiles: 1/(1-p), so that 90 %, 99 % and 99.9 %
// are equally far apart. It returns as many as n requests can tell apart.
func upTo(n float64) []float64 {
	out := []float64{first}
	for i := 1; ; i++ {
		x := math.Pow(10, float64(i)/perDecade)
		if x >= n {
			return append(out, max(n, first))
		}
		out = append(out, x)
	}
}

func percentileAxis(most float64) axis {
	a := axis{log: true, min: first, max: max(most, 10) * 1.1, title: "percentile", names: percentile}
	a.ticks = []float64{2}
	for x := 10.0; x <= a.max; x *= 10 {
		a.ticks = append(a.ticks, x)
	}
	return a
}

// percentile names a place on the axis: 100 is "99 %".
func percentile(x float64) string {
	return strconv.FormatFloat(round(100*(1-1/x)), 'f', -1, 64) + "%"
}
