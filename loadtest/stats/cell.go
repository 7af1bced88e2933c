// Package stats turns the repeats of a run into numbers that can be printed:
// medians with their intervals, comparisons and ties. It is pure.
package stats

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Cell is every repeat of one measured combination.
type Cell struct {
	result.Key
	RateRPS float64          // open loop: the rate asked for, as the median of the repeats
	Repeats []*result.Repeat // all of them, by number
	Counted []*result.Repeat // those that are valid or suspect
}

// Cells groups the repeats. The order is that of run.Cells; a cell without repeats is
// included. Cells that the run does not list come last, in the order in which they were
// measured. The cells point into repeats.
func Cells(run *result.Run, repeats []result.Repeat) []*Cell {
	of := map[result.Key]*Cell{}
	var out []*Cell
	cell := func(k result.Key) *Cell {
		if of[k] == nil {
			of[k] = &Cell{Key: k}
			out = append(out, of[k])
		}
		return of[k]
	}
	for _, k := range run.Cells {
		cell(k)
	}
	for i := range repeats {
		c := cell(repeats[i].Key)
		c.Repeats = append(c.Repeats, &repeats[i])
	}
	for _, c := range out {
		slices.SortStableFunc(c.Repeats, func(a, b *result.Repeat) int { return a.Repeat - b.Repeat })
		var rates []float64
		for _, r := range c.Repeats {
			rates = append(rates, r.RateRPS)
			if Counts(r) {
				c.Counted = append(c.Counted, r)
			}
		}
		c.RateRPS = MedianOf(rates).Value
	}
	return out
}

// Counts reports whether a repeat is included in the medians.
func Counts(r *result.Repeat) bool {
	return r.Gates.Verdict == result.Valid || r.Gates.Verdict == result.Suspect
}

// Median returns the metric's median over the repeats that count and have it.
func (c *Cell) Median(m Metric) Estimate { return MedianOf(c.Values(m)) }

// Values returns the metric's values of the repeats that count and have it, by number. A
// nil cell has none.
func (c *Cell) Values(m Metric) []float64 {
	if c == nil {
		return nil
	}
	var xs []float64
	for _, r := range c.Counted {
		if v, ok := m.Value(r); ok {
			xs = append(xs, v)
		}
	}
	return xs
}

// Typical returns the median of a number that every repeat has, over the repeats that
// count. It returns 0 if none counts.
func (c *Cell) Typical(f func(*result.Repeat) float64) float64 {
	return c.Median(Metric{Value: func(r *result.Repeat) (float64, bool) { return f(r), true }}).Value
}

// Suspects returns the suspect repeats.
func (c *Cell) Suspects() []*result.Repeat {
	var out []*result.Repeat
	for _, r := range c.Counted {
		if r.Gates.Verdict == result.Suspect {
			out = append(out, r)
		}
	}
	return out
}

// Verdict returns the verdict on the cell's medians: suspect if a repeat in them is,
// invalid if no repeat counts, empty if the cell was not measured.
func (c *Cell) Verdict() result.Verdict {
	switch {
	case len(c.Repeats) == 0:
		return ""
	case len(c.Counted) == 0:
		return result.Invalid
	case len(c.Suspects()) > 0:
		return result.Suspect
	}
	return result.Valid
}

// Asked returns the cell's question as it is shown.
func (c *Cell) Asked() string {
	s := c.Protocol
	if c.Workload != c.Protocol {
		s += " " + c.Workload
	}
	if c.Loop == result.Open {
		s += ", open loop"
	}
	if c.Setting != (result.Setting{}) {
		s += ", " + c.Setting.String()
	}
	return s
}

// At returns the load as it is shown: the number of clients, and the rate of an open loop.
func (c *Cell) At() string {
	s := Group(c.Clients)
	switch {
	case c.Rate != result.Schedule{}:
		s += " at " + c.Rate.String()
	case c.RateRPS > 0:
		s += " at " + PerSecond.Format(c.RateRPS)
	}
	return s
}

// Band returns the claims' name for a number of clients.
func Band(clients int) string {
	switch {
	case clients < 10:
		return "ones"
	case clients < 100:
		return "tens"
	case clients < 1000:
		return "hundreds"
	}
	return "thousands+"
}

// Best returns the indices of the cell with the best median of m and of all that tie with
// it, in the order of cells. It leaves out cells without a repeat that counts.
func Best(cells []*Cell, m Metric) []int {
	best := -1
	for i, c := range cells {
		e := c.Median(m)
		if e.N == 0 {
			continue
		}
		if best < 0 || m.Compare(e.Value, cells[best].Median(m).Value) < 0 {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	var out []int
	for i, c := range cells {
		if i == best || c.Median(m).Tied(cells[best].Median(m)) {
			out = append(out, i)
		}
	}
	return out
}

// Models returns the names of the models that have a cell: those of run.Models first, in
// that order.
func Models(run *result.Run, cells []*Cell) []string {
	var out []string
	for _, m := range run.Models {
		if slices.ContainsFunc(cells, func(c *Cell) bool { return c.Model == m.Name }) {
			out = append(out, m.Name)
		}
	}
	for _, c := range cells {
		if !slices.Contains(out, c.Model) {
			out = append(out, c.Model)
		}
	}
	return out
}

// Intervals describes the intervals of the cells' medians: "range of 3 repeats", "95 % CI
// of 8 to 10 repeats". Cells differ if some of their repeats do not count. It returns "" if
// no cell has an interval.
func Intervals(cells []*Cell) string {
	var out []string
	for _, f := range []bool{false, true} {
		lo, hi := 0, 0
		for _, c := range cells {
			n := len(c.Counted)
			if n < 2 || few(n) != f {
				continue
			}
			if lo == 0 || n < lo {
				lo = n
			}
			hi = max(hi, n)
		}
		if lo > 0 {
			out = append(out, describe(f, lo, hi))
		}
	}
	return strings.Join(out, " or ")
}

// CPUs describes where the server and the generator of the cells ran: "shared cores", or
// the set of each. Old records do not say: neither could be bound to cores of its own then.
func CPUs(cells []*Cell) string {
	var out []string
	for _, c := range cells {
		for _, r := range c.Repeats {
			s := "shared cores"
			if u := r.CPUs; u.ServerCount > 0 && u.Shared == 0 {
				s = fmt.Sprintf("server on CPUs %s, generator on CPUs %s", u.Server, u.Generator)
			} else if u.Server != "" && u.Server != u.Generator {
				s += fmt.Sprintf(" (server on CPUs %s, generator on CPUs %s)", u.Server, u.Generator)
			}
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return strings.Join(out, "; or ")
}
