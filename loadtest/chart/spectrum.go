package chart

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// first is where the axis begins: at 10 %. The fastest of all requests would
// take up half of the scale, and matters to nobody.
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
		return slices.Clone(out) // a figure takes out what it has no place for
	}, percentileAxis)
	for _, r := range f.rows[before:] {
		for _, p := range r.panels {
			for i := range p.series {
				p.series[i].points = p.thin(p.series[i].points)
			}
		}
	}
}

// percentiles are those of a cell, of whose repeats the histograms are.
func percentiles(c *stats.Cell, of []*hdrhistogram.Histogram) []point {
	if len(of) == 0 {
		return nil
	}
	// The percentile of several repeats is that of all their requests: a
	// mean of percentiles would be of nothing.
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

// upTo are the places on the axis of percentiles: 1/(1-p), so that 90 %, 99 %
// and 99.9 % are as far apart. There are as many as n requests can tell apart.
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

// lines draws one line for each cell that has points: a panel for each load,
// and a scale for each row of them. What was asked begins a row.
func lines(f *Figure, src *Source, u stats.Unit, points func(*stats.Cell) []point, x func(most float64) axis) {
	var rows [][]panel
	columns := 1
	for _, asked := range src.groups(src.Cells) {
		var ps []panel
		for _, g := range split(asked, (*stats.Cell).At) {
			p := panel{title: g[0].Asked() + " · " + clients(g[0])}
			most := 0.0
			for _, name := range stats.Models(src.Run, src.Cells) {
				for _, c := range g {
					if c.Model != name || len(c.Counted) == 0 || c.Clients < 1 || c.Workload == result.Idle {
						continue
					}
					if q := points(c); len(q) > 0 {
						p.series = append(p.series, series{model: name, suspect: c.Verdict() == result.Suspect, cell: c, points: q})
						most = max(most, q[len(q)-1].x)
					}
				}
			}
			if len(p.series) > 0 {
				p.x = x(most)
				ps = append(ps, p)
			}
		}
		for row := range slices.Chunk(ps, perRow) {
			rows = append(rows, row)
			columns = max(columns, len(row))
		}
	}
	for _, row := range rows {
		if f.scale(u, row); slices.ContainsFunc(row, panel.measured) {
			f.rows = append(f.rows, panels{row, columns})
		}
	}
}

func clients(c *stats.Cell) string {
	s := plural(c.Clients, "client")
	if c.Rate != "" {
		s += " at " + c.Rate
	}
	return s
}

// overTime draws what happened in each second: a line is the median of a cell's
// repeats that count, second by second.
func overTime(in func(result.Second) (float64, bool), u stats.Unit) func(*Figure, *Source) {
	return func(f *Figure, src *Source) {
		type id struct {
			result.Key
			repeat int
		}
		of := map[id][]result.Second{}
		for _, s := range src.Seconds {
			k := id{s.Key, s.Repeat}
			of[k] = append(of[k], s)
		}
		lines(f, src, u, func(c *stats.Cell) []point {
			var each, at [][]float64 // by second
			any := false
			for _, r := range c.Counted {
				for i, s := range of[id{c.Key, r.Repeat}] {
					v, ok := in(s)
					if !ok {
						continue
					}
					any = any || v > 0
					for len(each) <= i {
						each, at = append(each, nil), append(at, nil)
					}
					each[i], at[i] = append(each[i], v), append(at[i], s.AtSec)
				}
			}
			if !any { // a generator such as wrk does not say
				return nil
			}
			var out []point
			for i, vs := range each {
				if s := stats.MedianOf(vs); s.N > 0 {
					out = append(out, point{stats.MedianOf(at[i]).Value, s, c})
				}
			}
			if len(out) < 2 {
				return nil
			}
			return out
		}, secondAxis)
	}
}

func throughputIn(s result.Second) (float64, bool) {
	return float64(s.Requests) / s.IntervalSec, s.IntervalSec >= shortest
}

func coresIn(s result.Second) (float64, bool) {
	return (s.CPUUserSec + s.CPUSysSec) / s.IntervalSec, s.IntervalSec >= shortest
}

// shortest is the shortest interval of a series that is drawn: CPU time comes
// in ticks of 10 ms.
const shortest = 0.5

func secondAxis(most float64) axis {
	a := axis{min: 0, max: most * 1.03, title: "seconds of the window", unit: stats.Count}
	a.ticks = steps(a, 10)
	a.ticks = slices.DeleteFunc(a.ticks, func(v float64) bool { return v != math.Trunc(v) })
	return a
}
