// Package chart draws a run, as SVG, as PNG, and as data for charts in a page.
//
// A chart holds panels side by side, two in a row. A model has one colour,
// marker and dash in every chart. What is drawn is medians, with their
// intervals as bands. A suspect cell has a hollow marker; one of which no repeat
// counts is a crossed ring on the axis, and breaks the line.
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

// All are the charts of a run, in the order in which a reader meets them. Each has
// a file of its name.
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

// Figure is the chart of the given run, however large; false if nothing in the
// run has a number for it.
func (c Chart) Figure(src *Source) (*Figure, bool) {
	f := &Figure{name: c.Name, title: c.Title, note: c.note, styles: styles(stats.Models(src.Run, src.Cells))}
	f.caption = caption(src, c.drawn)
	c.build(f, src)
	return f, len(f.rows) > 0
}

// Note says what the axis is, and which way is better.
func (c Chart) Note() string { return c.note }

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
