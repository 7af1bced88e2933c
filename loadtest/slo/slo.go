// Package slo says which cells of a run meet the objectives that its config sets.
// It is pure.
package slo

import (
	"fmt"
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// An Outcome says how a cell did.
type Outcome string

// Outcomes.
const (
	Met        Outcome = "met"
	Missed     Outcome = "missed"
	Unmeasured Outcome = "not measured" // no repeat counts
)

// A Row is one bound of an objective and one cell that it is of.
type Row struct {
	Cell  *stats.Cell
	What  string // "p99", "errors", "throughput" or "memory"
	Bound string // such as "≤ 50.0 ms"
	stats.Estimate
	Shown, Interval string // of the estimate, with its unit
	Outcome         Outcome
	// Undecided says that the interval holds the bound: the outcome is that of
	// the median, and another run might end otherwise.
	Undecided bool
}

// A bound is one of an objective.
type bound struct {
	what     string
	asked    bool
	limit    float64
	least    bool // the limit is from below
	estimate func(*stats.Cell) stats.Estimate
	format   func(float64) string
}

func bounds(s *result.SLO) []bound {
	of := func(m stats.Metric) (func(*stats.Cell) stats.Estimate, func(float64) string) {
		return func(c *stats.Cell) stats.Estimate { return c.Median(m) }, m.Unit.Format
	}
	p99, seconds := of(stats.P99)
	throughput, perSecond := of(stats.Throughput)
	memory, bytes := of(stats.MemoryTotal)
	var errors float64
	if s.Errors != nil {
		errors = *s.Errors
	}
	return []bound{
		{"p99", s.P99Sec > 0, s.P99Sec, false, p99, seconds},
		{"errors", s.Errors != nil, errors, false, failed, percent},
		{"throughput", s.ThroughputRPS > 0, s.ThroughputRPS, true, throughput, perSecond},
		{"memory", s.MemoryBytes > 0, s.MemoryBytes, false, memory, bytes},
	}
}

// failed is the part of the requests that failed, of all requests of all repeats
// together: a repeat in which any failed is invalid and in no other median, and a
// median would not show it where the others went well. Its ends are those of the
// repeats.
func failed(c *stats.Cell) stats.Estimate {
	var xs []float64
	var errored, all int64
	for _, r := range c.Repeats {
		if n := r.Errored(); r.Requests+n > 0 {
			xs = append(xs, float64(n)/float64(r.Requests+n))
			errored, all = errored+n, all+r.Requests+n
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

func percent(v float64) string { return fmt.Sprintf("%.3g %%", 100*v) }

// Judge goes through the objectives in the order of the config, and for each
// through the cells that it is of.
func Judge(run *result.Run, cells []*stats.Cell) []Row {
	var rows []Row
	for i := range run.SLOs {
		s := &run.SLOs[i]
		for _, c := range cells {
			if !s.Of(&c.Key) {
				continue
			}
			for _, b := range bounds(s) {
				if b.asked && (c.Workload != result.Idle || b.what == "memory") {
					rows = append(rows, b.row(c))
				}
			}
		}
	}
	return rows
}

func (b *bound) row(c *stats.Cell) Row {
	sign := "≤"
	if b.least {
		sign = "≥"
	}
	r := Row{Cell: c, What: b.what, Bound: sign + " " + b.format(b.limit), Estimate: b.estimate(c), Outcome: Met}
	if r.N == 0 {
		r.Outcome, r.Shown, r.Interval = Unmeasured, "–", "–"
		return r
	}
	if b.least && r.Value < b.limit || !b.least && r.Value > b.limit {
		r.Outcome = Missed
	}
	r.Shown, r.Interval = b.format(r.Value), "–"
	if r.Known() {
		r.Interval = b.format(r.Lo) + " – " + b.format(r.Hi)
		r.Undecided = r.Lo <= b.limit && b.limit <= r.Hi && r.Lo < r.Hi
	}
	return r
}

// Verdict is the outcome in words.
func (r *Row) Verdict() string {
	if r.Undecided {
		return string(r.Outcome) + ", undecided"
	}
	return string(r.Outcome)
}

// Of are the rows that ended so.
func Of(rows []Row, o Outcome) []Row {
	var out []Row
	for _, r := range rows {
		if r.Outcome == o {
			out = append(out, r)
		}
	}
	return out
}
