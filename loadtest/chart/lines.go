package chart

import (
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// lines draws one line for each cell that has points: a panel for each load, and a
// scale for each row of panels. Each workload begins a row.
func lines(f *Figure, src *Source, u stats.Unit, points func(*stats.Cell) []point, x func(most float64) axis) {
	var rows [][]panel
	columns := 1
	for _, asked := range src.groups(src.Cells) {
		var ps []panel
		for _, g := range split(asked, amountOf) {
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
	s := prose.Count(c.Clients, "client")
	if rate := c.Rate.String(); rate != "" {
		s += " at " + rate
	}
	return s
}

// overTime draws each second of the window. A line is the median of the repeats of a cell
// that count.
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
			if !any { // the generator does not report seconds; wrk is one
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

// shortest is the shortest interval of a series that is drawn, in seconds. The kernel counts
// CPU time in ticks of 10 ms.
const shortest = 0.5

func secondAxis(most float64) axis {
	a := axis{min: 0, max: most * 1.03, title: "seconds of the window", unit: stats.Count}
	a.ticks = steps(a, 10)
	a.ticks = slices.DeleteFunc(a.ticks, func(v float64) bool { return v != math.Trunc(v) })
	return a
}
