// Package chart draws a run, as SVG, as PNG, and as data for charts in a page.
//
// A chart holds panels side by side, two in a row. A model has one colour,
// marker and dash in every chart. What is drawn is medians, with their
// intervals as bands. A suspect cell has a hollow marker; one of which no repeat
// counts is a crossed ring on the axis, and breaks the line.
package chart

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Source is what charts are drawn from.
type Source struct {
	Run     *result.Run
	Cells   []*stats.Cell
	Seconds []result.Second
	// Latencies are the histograms of a cell's repeats that count, in
	// nanoseconds: of response times where the loop is open, else of service
	// times. Nil is: there are none.
	Latencies func(*stats.Cell) []*hdrhistogram.Histogram
	// part are the cells that are drawn, of which all are the run; nil is: all.
	part map[*stats.Cell]bool
	// spectra keeps what is drawn of a cell's latencies from one division of a
	// chart to the next; nil is: nothing is kept.
	spectra map[*stats.Cell][]point
	// laws keeps what was fitted to a series, by its first cell, in the same way.
	laws map[*stats.Cell]stats.Scaling
}

// A Chart is one of a run's charts.
type Chart struct {
	Name  string // of its file, without the ending
	Title string
	note  string // below the title: what the axis is, and which way is better
	drawn string // what lines and bands are; empty is medians and their intervals
	// build adds the rows of panels, those of what the source has.
	build func(*Figure, *Source)
}

// All are the charts of a run, in the order a reader meets them.
var All = []Chart{
	{Name: "throughput", Title: "Throughput, and what a request costs",
		note:  "requests answered a second, higher is better; then the server's CPU time per request, user and system, lower is better",
		build: against(stats.Throughput, stats.CPU)},
	{Name: "scaling", Title: "Scalability: throughput, and the law fitted to it",
		note:  "requests answered a second, higher is better; lines are the Universal Scalability Law, with contention σ and coherency κ, where it fits",
		drawn: "points are medians and their intervals, lines the fitted law, bands its 95 % interval by bootstrap", build: scaling},
	{Name: "latency", Title: "Latency against clients",
		note:  "median and 99th percentile, from the send of a request to the end of its answer · lower is better",
		build: against(stats.P50, stats.P99)},
	{Name: "open-latency", Title: "Latency at a rate that was asked",
		note:  "99th percentile, from when a request was due (response time) and from when it was sent (service time) · lower is better",
		build: open([]stats.Metric{stats.P99, stats.ServiceP99})},
	{Name: "open-rate", Title: "Rate achieved, and what it costs",
		note:  "throughput as a part of the rate asked, and the server's CPU time per request; then how late the generator was",
		build: open([]stats.Metric{stats.Achieved, stats.CPU}, []stats.Metric{stats.SendLag})},
	{Name: "spectrum", Title: "Latency spectrum",
		note:  "time within which a part of the requests was answered; the axis widens towards the slowest · lower is better",
		drawn: "lines are the requests of all repeats together, bands the range of the repeats", build: spectrum},
	{Name: "memory", Title: "Server memory against clients",
		note:  "growth of PSS for each client; then PSS and kernel stacks in all, without sockets · lower is better",
		build: against(stats.Memory, stats.MemoryTotal)},
	{Name: "memory-kinds", Title: "What holds the memory of a client",
		note:  "growth for each client since before the first one, by kind, all on one scale; no server has a connection for less than its socket · lower is better",
		build: byKind},
	{Name: "waiting", Title: "Use of waiting time",
		note:  "requests that wait at a time (throughput × time of the wait) for each client · 1 is every client, and nobody waits for its turn",
		build: waits},
	{Name: "interference", Title: "What requests of a mix do to each other",
		note:  "99th percentile of each kind of request by itself, all on one scale · lower is better",
		build: interference},
	{Name: "processes", Title: "Connections per worker process",
		note:  "on the busiest process, as a multiple of an even share among those that hold any; bands reach down to the least busy one · 1 is even",
		drawn: "medians of the repeats", build: processes},
	{Name: "over-time", Title: "Throughput over time",
		note:  "requests answered in each second of the measured window · higher is better",
		build: overTime(throughputIn, stats.PerSecond)},
	{Name: "faults", Title: "Throughput around a fault",
		note:  "requests answered in each slice of the measured window; the line across is when the fault was made, and shade how long it lasted · higher is better",
		build: faults},
	{Name: "cpu-over-time", Title: "Server CPU over time",
		note:  "cores kept busy by all the server's processes, user and system, in each second of the measured window",
		build: overTime(coresIn, stats.Count)},
}

// A Figure is a chart of one run, or a part of one, ready to be drawn.
type Figure struct {
	name, part  string // part is empty where the figure is the whole chart
	title, note string
	caption     []string
	rows        []panels
	styles      map[string]style
}

// panels are a row of them, with room for so many columns.
type panels struct {
	panels  []panel
	columns int
}

// A panel is one pair of axes.
type panel struct {
	title  string
	x, y   axis
	tiers  bool // x is clients, in the claim's bands
	marks  bool // each point is a cell
	events []event
	series []series
}

// A series is one model's line.
type series struct {
	model   string
	suspect bool // where the line is of one cell
	cell    *stats.Cell
	points  []point
	apart   bool   // the points are not joined
	curve   *curve // what was fitted to the points; nil is: nothing
}

// A point without a value that counts has an empty summary.
type point struct {
	x float64
	stats.Estimate
	cell *stats.Cell
}

func (p point) valid() bool   { return p.N > 0 }
func (p point) suspect() bool { return p.valid() && p.cell.Verdict() == result.Suspect }

// perRow is how many panels stand side by side at the width of a README.
const perRow = 2

// Figure is the chart of the given run, however large; false if nothing in the
// run has a number for it.
func (c Chart) Figure(src *Source) (*Figure, bool) {
	f := &Figure{name: c.Name, title: c.Title, note: c.note, styles: styles(stats.Models(src.Run, src.Cells))}
	f.caption = caption(src, c.drawn)
	c.build(f, src)
	return f, len(f.rows) > 0
}

// Alt describes the figure to a reader who does not see it.
func (f *Figure) Alt() string { return f.title + ": " + f.note }

// Note says what the axis is, and which way is better.
func (c Chart) Note() string { return c.note }

// add puts panels on the figure, if any of them has a value.
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

// open draws metrics of an open loop, a row for each thing asked. Where it was
// asked at several rates, a row is one number of clients, against the rate.
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
				part = split(g, func(c *stats.Cell) string { return stats.Group(c.Clients) })
			}
			for _, cells := range part {
				load := "at " + cells[0].Rate
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

// processes draws how unevenly connections lie on a server's processes.
func processes(f *Figure, src *Source) {
	var ps []panel
	for _, g := range src.groups(src.Cells) {
		p, ok := newPanel(src, g, stats.Busiest, false)
		if !ok {
			continue
		}
		for i := range p.series {
			s := &p.series[i]
			s.points = slices.DeleteFunc(s.points, func(q point) bool { return !q.valid() })
			for j := range s.points {
				q := &s.points[j]
				q.Lo, q.Hi, q.Method = q.cell.Median(stats.LeastBusy).Value, q.Value, stats.Range
			}
		}
		p.series = slices.DeleteFunc(p.series, func(s series) bool { return len(s.points) == 0 })
		if len(p.series) > 0 {
			ps = append(ps, p)
		}
	}
	f.scale(stats.Count, ps)
	f.add(ps)
}

// closed leaves out open loops, which are not compared with closed ones.
func closed(cells []*stats.Cell) []*stats.Cell {
	return slices.DeleteFunc(slices.Clone(cells), func(c *stats.Cell) bool { return c.Loop == result.Open && c.Workload != result.Idle })
}

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

// Only is the source with those cells drawn that are kept. What is said of the
// run, and how its models look, is the same.
func (src Source) Only(keep func(*stats.Cell) bool) *Source {
	src.part = map[*stats.Cell]bool{}
	for _, c := range src.Cells {
		if keep(c) {
			src.part[c] = true
		}
	}
	return &src
}

// groups gathers those of the cells that are drawn and are compared: those that
// were asked the same.
func (src *Source) groups(cells []*stats.Cell) [][]*stats.Cell {
	return split(src.drawn(cells), (*stats.Cell).Asked)
}

// drawn are those of the cells that are in the part at hand.
func (src *Source) drawn(cells []*stats.Cell) []*stats.Cell {
	if src.part == nil {
		return cells
	}
	return slices.DeleteFunc(slices.Clone(cells), func(c *stats.Cell) bool { return !src.part[c] })
}

// split gathers what has one key, in the order the keys come.
func split(cells []*stats.Cell, key func(*stats.Cell) string) [][]*stats.Cell {
	var out [][]*stats.Cell
	at := map[string]int{}
	for _, c := range cells {
		k := key(c)
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], c)
	}
	return out
}

// newPanel draws a metric of the cells against their clients, or against the
// rate they were asked; false where nothing was measured.
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

// measured says that some point of the panel has a number.
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

// trim takes the points that a logarithmic axis has no place for out of the
// panels, and says whether there were any.
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

// caption says what a reader must know to judge the numbers.
func caption(src *Source, drawn string) []string {
	run, cells := src.Run, src.drawn(src.Cells)
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
	add(stats.CPUs(cells))

	var how []string
	if drawn != "" {
		how = append(how, drawn)
	} else if iv := stats.Intervals(cells); iv != "" {
		how = append(how, "medians, bands the "+iv)
	} else {
		how = append(how, "one repeat, so no interval")
	}
	if d := durations(cells); d != "" {
		how = append(how, d+" each"+warmedUp(cells))
	}
	if run.Generator != "" {
		how = append(how, "generator "+run.Generator)
	}
	if run.ID != "" {
		how = append(how, "run "+run.ID)
	}
	out := []string{strings.Join(host, " · "), strings.Join(how, " · ")}
	if noise := noiseFloor(src.Cells); noise != "" {
		out = append(out, noise)
	}
	return out
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

// warmedUp says so if each was before what was measured of it, or some were.
func warmedUp(cells []*stats.Cell) string {
	some, all := false, true
	for _, c := range cells {
		for _, r := range c.Repeats {
			some, all = some || r.WarmupSec > 0, all && r.WarmupSec > 0
		}
	}
	switch {
	case some && all:
		return ", after a warm-up"
	case some:
		return ", some after a warm-up"
	}
	return ""
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
	return fmt.Sprintf("%s %ss", stats.Group(n), what)
}
