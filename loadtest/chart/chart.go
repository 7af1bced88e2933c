// Package chart draws a run, as SVG, as PNG, and as data for charts in a page.
//
// A chart consists of panels, two in a row. A model has one colour, marker and dash
// in every chart. Lines are medians, bands their intervals. A suspect cell has a
// hollow marker; a cell without a repeat that counts is a crossed ring on the axis,
// and breaks the line.
package chart

import (
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Source is what charts are drawn from.
type Source struct {
	Run     *result.Run
	Cells   []*stats.Cell
	Seconds []result.Second
	// Latencies returns the histograms of a cell's repeats that count, in
	// nanoseconds: of response times where the loop is open, else of service times.
	// It may be nil.
	Latencies func(*stats.Cell) []*hdrhistogram.Histogram
	// part contains the cells to draw; all of Cells if nil.
	part map[*stats.Cell]bool
	// spectra caches what is drawn of a cell's latencies from one division of a
	// chart to the next; nothing is cached if it is nil.
	spectra map[*stats.Cell][]point
	// laws caches what was fitted to a series, by its first cell, in the same way.
	laws map[*stats.Cell]stats.Scaling
}

// A Chart is one of a run's charts.
type Chart struct {
	Name  string // of its file, without the extension
	Title string
	note  string // below the title: what the axis shows, and which way is better
	drawn string // what lines and bands show; "" means medians and their intervals
	// build adds the rows of panels that the source has values for.
	build func(*Figure, *Source)
}

// All are the charts of a run, in the order of the report. Each is in a file of its name.
var All = []Chart{
	throughputChart,
	scalingChart,
	latencyChart,
	openLatencyChart,
	openRateChart,
	spectrumChart,
	memoryChart,
	memoryKindsChart,
	waitingChart,
	interferenceChart,
	processesChart,
	overTimeChart,
	faultsChart,
	cpuOverTimeChart,
}

// Figure returns the whole chart of a run, however large. It returns false if the run has no
// value for it.
func (c Chart) Figure(src *Source) (*Figure, bool) {
	f := &Figure{name: c.Name, title: c.Title, note: c.note, styles: styles(stats.Models(src.Run, src.Cells))}
	f.caption = caption(src, c.drawn)
	c.build(f, src)
	return f, len(f.rows) > 0
}

// Note returns what the axes show, and which way is better.
func (c Chart) Note() string { return c.note }

// Only returns a source that draws only the kept cells. What captions say of the run, and how
// its models look, stays the same.
func (src Source) Only(keep func(*stats.Cell) bool) *Source {
	src.part = map[*stats.Cell]bool{}
	for _, c := range src.Cells {
		if keep(c) {
			src.part[c] = true
		}
	}
	return &src
}

// groups divides the cells to draw by question. The cells of a group are compared.
func (src *Source) groups(cells []*stats.Cell) [][]*stats.Cell {
	return split(src.drawn(cells), question)
}

// drawn returns those of the cells that are to be drawn.
func (src *Source) drawn(cells []*stats.Cell) []*stats.Cell {
	if src.part == nil {
		return cells
	}
	return slices.DeleteFunc(slices.Clone(cells), func(c *stats.Cell) bool { return !src.part[c] })
}

func question(c *stats.Cell) result.Key { return c.Question() }

// An amount is how much is asked of a server.
type amount struct {
	clients int
	rate    result.Schedule
}

func amountOf(c *stats.Cell) amount { return amount{c.Clients, c.Rate} }

// split divides cells by a key, in the order in which the keys come.
func split[K comparable](cells []*stats.Cell, key func(*stats.Cell) K) [][]*stats.Cell {
	var out [][]*stats.Cell
	at := map[K]int{}
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
