// Package chart draws a run's medians against the number of clients, as SVG.
//
// A chart holds one panel for each workload it was asked of, side by side on
// one scale. A model has one colour, marker and dash in every chart. A cell
// without a valid repeat is a crossed ring on the axis, and breaks the line.
package chart

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Chart is one file of a run's charts.
type Chart struct {
	File  string // its name
	Title string
	note  string // below the title: what the axis is, and which way is better
	rows  []stats.Metric
}

// All are the charts of a run, in the order a reader meets them.
var All = []Chart{
	{"throughput.svg", "Throughput against clients", "requests answered a second · higher is better", []stats.Metric{stats.Throughput}},
	{"latency.svg", "Latency against clients", "median and 99th percentile, from the send of a request to the end of its answer · lower is better", []stats.Metric{stats.P50, stats.P99}},
	{"cpu.svg", "Server CPU time per request against clients", "user and system time of all the server's processes · lower is better", []stats.Metric{stats.CPU}},
	{"memory.svg", "Server memory against clients", "growth of PSS for each client; then PSS and kernel stacks in all, without sockets · lower is better", []stats.Metric{stats.Memory, stats.MemoryTotal}},
}

// A Figure is a chart of one run, ready to be drawn.
type Figure struct {
	title, note string
	caption     []string
	bands       []band // rows of panels, from the top
	styles      map[string]style
	crossed     bool // some cell has no valid repeat
}

// A band is a row of panels, which share a scale.
type band struct {
	panels  []panel
	columns int // room for as many, where a metric's last row has fewer
	y       axis
}

// A panel is one workload.
type panel struct {
	title  string
	series []series
	x      axis
	ticks  []float64 // numbers of clients that were asked
}

// A series is one model's line.
type series struct {
	model  string
	points []point
}

// A point is one cell. Without a valid repeat its summary is empty.
type point struct {
	clients float64
	stats.Summary
}

func (p point) valid() bool { return p.N > 0 }

// perBand is how many panels stand side by side at the width of a README.
const perBand = 2

// Figure is the chart of the given run; false if nothing in the run has a
// number for it.
func (c Chart) Figure(run *result.Run, cells []*stats.Cell) (*Figure, bool) {
	models := stats.Models(run, cells)
	f := &Figure{title: c.Title, note: c.note, styles: styles(models)}
	dropped := false
	for _, m := range c.rows {
		var panels []panel
		for _, g := range groups(weighed(cells, m)) {
			if p, ok := newPanel(g, m, models); ok {
				panels = append(panels, p)
			}
		}
		if !slices.ContainsFunc(panels, panel.measured) {
			continue
		}
		y := valueAxis(m.Unit, panels)
		if y.log {
			dropped = trim(panels) || dropped
		}
		for i := range panels {
			if len(c.rows) > 1 {
				panels[i].title = m.Title + " · " + panels[i].title
			}
			f.crossed = f.crossed || panels[i].crossed()
		}
		for part := range slices.Chunk(panels, perBand) {
			f.bands = append(f.bands, band{part, min(perBand, len(panels)), y})
		}
	}
	f.caption = caption(run, cells)
	if dropped {
		f.caption = append(f.caption, "Values of 0 and below have no place on this scale and are left out.")
	}
	return f, len(f.bands) > 0
}

// Alt describes the figure to a reader who does not see it.
func (c Chart) Alt() string { return c.Title + ": " + c.note }

// weighed are the cells whose value of m means most. Idle connections are there
// to weigh a client, which load blurs by what it allocates for itself; all
// else is seen under load, if there was any.
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

// groups gathers the cells that are compared: those of one workload.
func groups(cells []*stats.Cell) [][]*stats.Cell {
	var order []string
	of := map[string][]*stats.Cell{}
	for _, c := range cells {
		k := c.Asked()
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], c)
	}
	var out [][]*stats.Cell
	for _, k := range order {
		out = append(out, of[k])
	}
	return out
}

// newPanel is false where nothing was measured.
func newPanel(cells []*stats.Cell, m stats.Metric, models []string) (panel, bool) {
	p := panel{title: cells[0].Asked()}
	for _, name := range models {
		s := series{model: name}
		for _, c := range cells {
			if c.Model != name || len(c.Repeats) == 0 || c.Clients < 1 {
				continue
			}
			if sum := c.Summary(m); sum.N > 0 || len(c.Valid) == 0 {
				s.points = append(s.points, point{float64(c.Clients), sum})
				p.ticks = append(p.ticks, float64(c.Clients))
			}
		}
		if len(s.points) == 0 {
			continue
		}
		slices.SortStableFunc(s.points, func(a, b point) int { return int(a.clients - b.clients) })
		p.series = append(p.series, s)
	}
	if len(p.series) == 0 {
		return panel{}, false
	}
	slices.Sort(p.ticks)
	p.ticks = slices.Compact(p.ticks)
	p.x = clientAxis(p.ticks)
	return p, true
}

// measured says that some point of the panel has a number.
func (p panel) measured() bool {
	return slices.ContainsFunc(p.series, func(s series) bool { return slices.ContainsFunc(s.points, point.valid) })
}

func (p panel) crossed() bool {
	return slices.ContainsFunc(p.series, func(s series) bool {
		return slices.ContainsFunc(s.points, func(q point) bool { return !q.valid() })
	})
}

// trim takes the points that a logarithmic axis has no place for out of the
// panels, and says whether there were any.
func trim(panels []panel) bool {
	any := false
	for i := range panels {
		for j := range panels[i].series {
			s := &panels[i].series[j]
			n := len(s.points)
			s.points = slices.DeleteFunc(s.points, func(p point) bool { return p.valid() && p.Median <= 0 })
			any = any || len(s.points) < n
		}
		panels[i].series = slices.DeleteFunc(panels[i].series, func(s series) bool { return len(s.points) == 0 })
	}
	return any
}

// caption says what a reader must know to judge the numbers.
func caption(run *result.Run, cells []*stats.Cell) []string {
	h := run.Host
	var host []string
	add := func(s string) {
		if s != "" {
			host = append(host, s)
		}
	}
	add(h.CPUModel)
	if h.Cores > 0 {
		add(plural(h.Cores, "core"))
	}
	add(strings.TrimSpace(systemName(h.OS) + " " + h.Kernel))
	add(h.Virtual)
	// No field of the record pins either side to cores of its own.
	add("server and generator share the cores")

	var how []string
	if iv := stats.Intervals(cells); iv != "" {
		how = append(how, "points are medians, bars the "+iv)
	} else {
		how = append(how, "one repeat, so no interval")
	}
	if d := durations(cells); d != "" {
		how = append(how, d+" each, after a warm-up")
	}
	if run.Generator != "" {
		how = append(how, "generator "+run.Generator)
	}
	if run.ID != "" {
		how = append(how, "run "+run.ID)
	}
	return []string{strings.Join(host, " · "), strings.Join(how, " · ")}
}

// durations are the windows that were asked, as a range if they differ.
func durations(cells []*stats.Cell) string {
	lo, hi := 0.0, 0.0
	for _, c := range cells {
		for _, r := range c.Repeats {
			if lo == 0 || r.AskedSec < lo {
				lo = r.AskedSec
			}
			hi = max(hi, r.AskedSec)
		}
	}
	switch {
	case hi == 0:
		return ""
	case lo == hi:
		return fmt.Sprintf("%.3g s", lo)
	}
	return fmt.Sprintf("%.3g to %.3g s", lo, hi)
}

func systemName(goos string) string {
	switch goos {
	case "linux":
		return "Linux"
	case "darwin":
		return "macOS"
	}
	return goos
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
