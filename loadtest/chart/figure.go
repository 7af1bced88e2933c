package chart

import (
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Figure is a chart of one run, or a part of one, ready to be drawn.
type Figure struct {
	name        string
	part        part // zero if the figure is the whole chart
	title, note string
	caption     []string
	rows        []panels
	styles      map[string]style
}

// panels are a row of panels, with room for a number of columns.
type panels struct {
	panels  []panel
	columns int
}

// A panel is one pair of axes.
type panel struct {
	title  string
	x, y   axis
	tiers  bool // x is clients, in the claims' bands
	marks  bool // each point is a cell
	events []event
	series []series
}

// A series is one model's line.
type series struct {
	model   string
	suspect bool // if the line is one cell
	cell    *stats.Cell
	points  []point
	apart   bool   // the points are not joined
	curve   *curve // fitted to the points, or nil
}

// A point is a value at a place of the axis. It has no estimate if no repeat counts.
type point struct {
	x float64
	stats.Estimate
	cell *stats.Cell
}

func (p point) valid() bool { return p.N > 0 }

func (p point) suspect() bool { return p.valid() && p.cell.Verdict() == result.Suspect }

// perRow is how many panels fit side by side at the width of a README.
const perRow = 2

// Alt describes the figure to a reader who cannot see it.
func (f *Figure) Alt() string { return f.title + ": " + f.note }

// add adds rows of panels to the figure, if any of them has a value.
func (f *Figure) add(ps []panel) {
	if slices.ContainsFunc(ps, panel.measured) {
		for part := range slices.Chunk(ps, perRow) {
			f.rows = append(f.rows, panels{part, min(perRow, len(ps))})
		}
	}
}

// scale gives panels one scale of values.
func (f *Figure) scale(u stats.Unit, ps []panel) {
	y := valueAxis(u, ps)
	if y.log && trim(ps) {
		const left = "Values of 0 and below have no place on a logarithmic scale and are left out."
		if !slices.Contains(f.caption, left) {
			f.caption = append(f.caption, left)
		}
	}
	for i := range ps {
		ps[i].y = y
	}
}

// measured reports whether some point of the panel has a value.
func (p panel) measured() bool { return p.has(point.valid) }

func (p panel) crossed() bool { return p.has(func(q point) bool { return !q.valid() }) }

func (p panel) suspect() bool {
	return slices.ContainsFunc(p.series, func(s series) bool { return s.suspect }) || p.marks && p.has(point.suspect)
}

func (p panel) has(f func(point) bool) bool {
	return slices.ContainsFunc(p.series, func(s series) bool { return slices.ContainsFunc(s.points, f) })
}

func (f *Figure) has(g func(panel) bool) bool {
	return slices.ContainsFunc(f.rows, func(r panels) bool { return slices.ContainsFunc(r.panels, g) })
}

// trim removes the points that a logarithmic axis has no place for. It reports
// whether there were any.
func trim(panels []panel) bool {
	any := false
	for i := range panels {
		for j := range panels[i].series {
			s := &panels[i].series[j]
			n := len(s.points)
			s.points = slices.DeleteFunc(s.points, func(p point) bool { return p.valid() && p.Value <= 0 })
			any = any || len(s.points) < n
		}
		panels[i].series = slices.DeleteFunc(panels[i].series, func(s series) bool { return len(s.points) == 0 })
	}
	return any
}
