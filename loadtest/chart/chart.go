// Package chart draws a run's medians against the number of clients.
package chart

import (
	"io"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Chart is one file of a run's charts.
type Chart struct {
	File string // its name
	Alt  string // for a reader who does not see it
	rows []stats.Metric
}

// All are the charts of a run.
var All = []Chart{}

// A Figure is a chart of one run.
type Figure struct{}

// Figure is the chart of the given run, or false if nothing in the run has a
// number to draw.
func (c Chart) Figure(run *result.Run, cells []*stats.Cell) (*Figure, bool) { return nil, false }

// Draw writes the figure as SVG.
func (f *Figure) Draw(w io.Writer) error { return nil }
