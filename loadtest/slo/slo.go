// Package slo says which cells of a run meet the objectives that its config sets.
// It is pure.
package slo

import (
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Row is one bound of an objective, applied to one cell.
type Row struct {
	Cell  *stats.Cell
	What  string // "p99", "errors", "throughput" or "memory"
	Bound stats.Bound
	stats.Estimate
	stats.Judgement
}

// An objective is one of the bounds of an SLO.
type objective struct {
	what  string
	bound stats.Bound
}

func objectives(s *result.SLO) []objective {
	var out []objective
	if s.P99Sec > 0 {
		out = append(out, objective{"p99", stats.AtMost(stats.P99, s.P99Sec)})
	}
	if s.Errors != nil {
		out = append(out, objective{"errors", stats.AtMost(stats.Errors, *s.Errors)})
	}
	if s.ThroughputRPS > 0 {
		out = append(out, objective{"throughput", stats.AtLeast(stats.Throughput, s.ThroughputRPS)})
	}
	if s.MemoryBytes > 0 {
		out = append(out, objective{"memory", stats.AtMost(stats.MemoryTotal, s.MemoryBytes)})
	}
	return out
}

// failed returns the fraction of the requests of all repeats together that failed. It
// includes invalid repeats, as a repeat with a failed request is invalid. A median would not
// show the failures of one repeat. The interval is the range of the repeats.
func failed(c *stats.Cell) stats.Estimate {
	var xs []float64
	var errored, all int64
	for _, r := range c.Repeats {
		if share, ok := stats.Errors.Value(r); ok {
			xs = append(xs, share)
			errored, all = errored+r.Errored(), all+r.Requests+r.Errored()
		}
	}
	if all == 0 {
		return stats.Estimate{}
	}
	e := stats.Estimate{Value: float64(errored) / float64(all), N: len(xs), Lo: slices.Min(xs), Hi: slices.Max(xs)}
	if e.N > 1 {
		e.Method = stats.Range
	}
	return e
}

// Judge applies each objective to its cells, in the order of the config.
func Judge(run *result.Run, cells []*stats.Cell) []Row {
	var rows []Row
	for i := range run.SLOs {
		s := &run.SLOs[i]
		for _, c := range cells {
			if !s.Of(&c.Key) {
				continue
			}
			for _, o := range objectives(s) {
				if c.Workload != result.Idle || o.what == "memory" {
					rows = append(rows, o.row(c))
				}
			}
		}
	}
	return rows
}

func (o objective) row(c *stats.Cell) Row {
	e := c.Median(o.bound.Metric)
	if o.what == "errors" {
		e = failed(c)
	}
	return Row{c, o.what, o.bound, e, stats.Judge(e, o.bound)}
}

// Shown returns the measured value with its unit.
func (r *Row) Shown() string { return r.Format(r.Bound.Metric.Unit) }

// Interval returns the interval of the measured value with its unit.
func (r *Row) Interval() string { return r.Ends(r.Bound.Metric.Unit) }

// Of returns the rows with an outcome.
func Of(rows []Row, o stats.Outcome) []Row {
	var out []Row
	for _, r := range rows {
		if r.Outcome == o {
			out = append(out, r)
		}
	}
	return out
}
