// Package stats turns the repeats of a run into numbers that can be printed:
// medians with their intervals, comparisons and ties. It is pure.
package stats

import (
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Cell is every repeat of one measured combination.
type Cell struct {
	result.Key
	RateRPS float64          // open loop: the rate that was asked
	Repeats []*result.Repeat // all of them, by number
	Valid   []*result.Repeat // those that count
}

// Cells groups the repeats. The order is that of run.Cells, with a cell of it
// that has no repeat yet present but empty; repeats the run does not list come
// last, in the order they were measured. Open-loop repeats of one key at
// several rates are several cells, by rising rate. The cells point into repeats.
func Cells(run *result.Run, repeats []result.Repeat) []*Cell {
	byKey := map[result.Key][]*result.Repeat{}
	order := slices.Clone(run.Cells)
	listed := map[result.Key]bool{}
	for _, k := range order {
		listed[k] = true
	}
	for i := range repeats {
		r := &repeats[i]
		if !listed[r.Key] {
			listed[r.Key] = true
			order = append(order, r.Key)
		}
		byKey[r.Key] = append(byKey[r.Key], r)
	}

	var out []*Cell
	done := map[result.Key]bool{}
	for _, k := range order {
		if done[k] {
			continue
		}
		done[k] = true
		out = append(out, split(k, byKey[k])...)
	}
	return out
}

// split makes the cells of one key: one for each rate.
func split(k result.Key, repeats []*result.Repeat) []*Cell {
	if len(repeats) == 0 {
		return []*Cell{{Key: k}}
	}
	slices.SortStableFunc(repeats, func(a, b *result.Repeat) int {
		if a.RateRPS != b.RateRPS {
			if a.RateRPS < b.RateRPS {
				return -1
			}
			return 1
		}
		return a.Repeat - b.Repeat
	})
	var out []*Cell
	for _, r := range repeats {
		if len(out) == 0 || out[len(out)-1].RateRPS != r.RateRPS {
			out = append(out, &Cell{Key: k, RateRPS: r.RateRPS})
		}
		c := out[len(out)-1]
		c.Repeats = append(c.Repeats, r)
		if r.Gates.Verdict == result.Valid {
			c.Valid = append(c.Valid, r)
		}
	}
	return out
}

// Summary is the metric's median over the valid repeats that have it.
func (c *Cell) Summary(m Metric) Summary {
	var xs []float64
	for _, r := range c.Valid {
		if v, ok := m.Value(r); ok {
			xs = append(xs, v)
		}
	}
	return Summarize(xs)
}

// Asked names what is asked of the server, at any number of clients: the cells
// that are compared with each other share it.
func (c *Cell) Asked() string {
	s := c.Protocol
	if c.Workload != c.Protocol {
		s += " " + c.Workload
	}
	if c.Loop == result.Open {
		s += ", open loop"
	}
	return s
}

// Band is the claim's name for a number of clients.
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

// Models are the names of the models that have a cell: in the order of
// run.Models, then as they come.
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

// Intervals says what the intervals of the cells' medians are: "range of 3
// repeats", "95 % CI of 8 to 10 repeats". Cells differ in it where some of
// their repeats are not valid. It is empty if none has an interval.
func Intervals(cells []*Cell) string {
	var out []string
	for _, k := range []Kind{CI95, Range} {
		lo, hi := 0, 0
		for _, c := range cells {
			n := len(c.Valid)
			if kindOf(n) != k {
				continue
			}
			if lo == 0 || n < lo {
				lo = n
			}
			hi = max(hi, n)
		}
		if lo > 0 {
			out = append(out, k.describe(lo, hi))
		}
	}
	return strings.Join(out, " or ")
}
