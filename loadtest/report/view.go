package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A group has the cells of one question, which compare models and numbers of clients: a
// section of the summary.
type group struct {
	question result.Key
	title    string
	workload string
	loop     string
	rows     []row
}

// A row has a group's cells at one number of clients (and, in an open loop, one rate), in the
// order of the models. It has nil for a model without a cell there.
type row struct {
	label string
	first *stats.Cell // any of them
	cells []*stats.Cell
}

// headline is the metric that says which model is best in the group.
func (g *group) headline() stats.Metric {
	switch {
	case g.workload == result.Idle:
		return stats.MemoryOfMany
	case g.loop == result.Open:
		return stats.ShownP99
	}
	return stats.Throughput
}

// isOpen reports whether requests are sent on a schedule.
func (g *group) isOpen() bool { return g.loop == result.Open && g.workload != result.Idle }

// best returns the indices in r.cells of the best model and of those that tie with it.
func (g *group) best(r row) []int {
	var present []*stats.Cell
	var place []int
	for i, c := range r.cells {
		if c != nil {
			present = append(present, c)
			place = append(place, i)
		}
	}
	out := stats.Best(present, g.headline())
	for i := range out {
		out[i] = place[out[i]]
	}
	return out
}

// A view is a run as the tables show it.
type view struct {
	run       *result.Run
	cells     []*stats.Cell
	names     []string // of the models
	groups    []*group
	intervals string // describes the intervals of the medians; may be empty
	suspect   bool   // some cell is suspect
}

func newView(set *result.Set) *view {
	v := &view{run: &set.Run, cells: stats.Cells(&set.Run, set.Repeats)}
	v.names = stats.Models(&set.Run, v.cells)
	v.intervals = stats.Intervals(v.cells)
	for _, c := range v.cells {
		g := v.group(c)
		i := slices.IndexFunc(g.rows, func(r row) bool { return r.first.Clients == c.Clients && r.first.Rate == c.Rate })
		if i < 0 {
			i = len(g.rows)
			g.rows = append(g.rows, row{label: c.At(), first: c, cells: make([]*stats.Cell, len(v.names))})
		}
		g.rows[i].cells[slices.Index(v.names, c.Model)] = c
		v.suspect = v.suspect || c.Verdict() == result.Suspect
	}
	for _, g := range v.groups {
		slices.SortStableFunc(g.rows, func(a, b row) int {
			return cmp.Or(a.first.Clients-b.first.Clients, cmp.Compare(a.first.RateRPS, b.first.RateRPS))
		})
	}
	return v
}

func (v *view) group(c *stats.Cell) *group {
	for _, g := range v.groups {
		if g.question == c.Question() {
			return g
		}
	}
	g := &group{question: c.Question(), title: c.Asked(), workload: c.Workload, loop: c.Loop}
	v.groups = append(v.groups, g)
	return g
}

// tiers returns the numbers of clients of the group, rising.
func (g *group) tiers() []string {
	var out []string
	for _, r := range g.rows {
		out = append(out, stats.Group(r.first.Clients))
	}
	return slices.Compact(out)
}

// spread returns an interval as "±2%", or "" if there is none.
func spread(s stats.Estimate) string {
	x := 100 * s.Spread()
	if math.IsNaN(x) { // there is none, or the value is 0
		return ""
	}
	if x >= 9.95 {
		return fmt.Sprintf("±%.0f%%", x)
	}
	return fmt.Sprintf("±%.1f%%", x)
}
