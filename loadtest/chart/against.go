package chart

import (
	"cmp"
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// against draws metrics against clients: a panel for each workload of a closed
// loop, and a row of them for each metric.
func against(metrics ...stats.Metric) func(*Figure, *Source) {
	return func(f *Figure, src *Source) {
		for _, m := range metrics {
			var ps []panel
			for _, g := range src.groups(weighed(closed(src.Cells), m)) {
				if p, ok := newPanel(src, g, m, false); ok {
					p.title = m.Title + " · " + p.title
					ps = append(ps, p)
				}
			}
			f.scale(m.Unit, ps)
			f.add(ps)
		}
	}
}

// open draws metrics of an open loop, a row for each workload. If a workload was measured at
// several rates, it has a row for each number of clients, drawn against the rate.
func open(rows ...[]stats.Metric) func(*Figure, *Source) {
	return func(f *Figure, src *Source) {
		var cells []*stats.Cell
		for _, c := range src.Cells {
			if c.Loop == result.Open && c.Workload != result.Idle {
				cells = append(cells, c)
			}
		}
		for _, g := range src.groups(cells) {
			byRate := slices.ContainsFunc(g, func(c *stats.Cell) bool { return c.Rate != g[0].Rate })
			part := [][]*stats.Cell{g}
			if byRate {
				part = split(g, func(c *stats.Cell) int { return c.Clients })
			}
			for _, cells := range part {
				load := "at " + cells[0].Rate.String()
				if byRate {
					load = stats.Group(cells[0].Clients) + " clients"
				}
				for _, metrics := range rows {
					f.pairs(src, cells, metrics, load, byRate)
				}
			}
		}
	}
}

// pairs puts panels of several metrics side by side. Those of one unit share a
// scale.
func (f *Figure) pairs(src *Source, cells []*stats.Cell, metrics []stats.Metric, load string, byRate bool) {
	var row []panel
	for _, unit := range []stats.Unit{stats.Count, stats.Seconds} {
		var ps []panel
		for _, m := range metrics {
			if m.Unit != unit {
				continue
			}
			if p, ok := newPanel(src, cells, m, byRate); ok && p.measured() {
				p.title = m.Title
				if m.Name == stats.P99.Name {
					p.title = "p99 response time"
				}
				p.title += " · " + cells[0].Asked() + " · " + load
				ps = append(ps, p)
			}
		}
		f.scale(unit, ps)
		row = append(row, ps...)
	}
	f.add(row)
}

// closed leaves out open loops, which are not compared with closed ones.
func closed(cells []*stats.Cell) []*stats.Cell {
	return slices.DeleteFunc(slices.Clone(cells), func(c *stats.Cell) bool { return c.Loop == result.Open && c.Workload != result.Idle })
}

// weighed returns the cells to take m from: memory per client from idle cells, as load
// allocates memory of its own, and every other metric from cells under load. If there are
// none of the wanted kind, it returns the others.
func weighed(cells []*stats.Cell, m stats.Metric) []*stats.Cell {
	var idle, load []*stats.Cell
	for _, c := range cells {
		if c.Workload == result.Idle {
			idle = append(idle, c)
		} else {
			load = append(load, c)
		}
	}
	switch {
	case m.Name == stats.Memory.Name && len(idle) > 0:
		return idle
	case m.Name == stats.MemoryTotal.Name && len(load) == 0:
		return idle
	}
	return load
}

// newPanel draws a metric of the cells against their clients, or against the rate
// that they were asked. It returns false if nothing was measured.
func newPanel(src *Source, cells []*stats.Cell, m stats.Metric, byRate bool) (panel, bool) {
	p := panel{title: cells[0].Asked(), marks: true, tiers: !byRate}
	var at []float64
	for _, name := range stats.Models(src.Run, src.Cells) {
		s := series{model: name}
		for _, c := range cells {
			x := float64(c.Clients)
			if byRate {
				x = c.RateRPS
			}
			if c.Model != name || len(c.Repeats) == 0 || x <= 0 {
				continue
			}
			if sum := c.Median(m); sum.N > 0 || len(c.Counted) == 0 {
				s.points = append(s.points, point{x, sum, c})
				at = append(at, x)
			}
		}
		if len(s.points) == 0 {
			continue
		}
		slices.SortStableFunc(s.points, func(a, b point) int { return cmp.Compare(a.x, b.x) })
		p.series = append(p.series, s)
	}
	if len(p.series) == 0 {
		return panel{}, false
	}
	slices.Sort(at)
	at = slices.Compact(at)
	if byRate {
		p.x = rateAxis(at)
	} else {
		p.x = clientAxis(at)
	}
	return p, true
}
