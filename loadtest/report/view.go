package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A group is what is asked of a server, over which models and client counts are
// compared: a section of the summary.
type group struct {
	title    string
	workload string
	loop     string
	rows     []row
}

// A row holds a group's cells at one number of clients (and, in an open loop,
// one rate), in the order of the models; nil where a model has no such cell.
type row struct {
	clients int
	rate    float64
	cells   []*stats.Cell
}

// headline is the metric that says which model is best in the group.
func (g *group) headline() stats.Metric {
	switch {
	case g.workload == result.Idle:
		return stats.Memory
	case g.loop == result.Open:
		return stats.P99
	}
	return stats.Throughput
}

// best are the places in r.cells of the best model and of those that tie.
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
	intervals string // what those of the medians are, or empty
}

func newView(set *result.Set) *view {
	v := &view{run: &set.Run, cells: stats.Cells(&set.Run, set.Repeats)}
	v.names = stats.Models(&set.Run, v.cells)
	v.intervals = stats.Intervals(v.cells)
	for _, c := range v.cells {
		g := v.group(c)
		i := slices.IndexFunc(g.rows, func(r row) bool { return r.clients == c.Clients && r.rate == c.RateRPS })
		if i < 0 {
			i = len(g.rows)
			g.rows = append(g.rows, row{clients: c.Clients, rate: c.RateRPS, cells: make([]*stats.Cell, len(v.names))})
		}
		g.rows[i].cells[slices.Index(v.names, c.Model)] = c
	}
	for _, g := range v.groups {
		slices.SortStableFunc(g.rows, func(a, b row) int {
			if a.clients != b.clients {
				return a.clients - b.clients
			}
			return cmp.Compare(a.rate, b.rate)
		})
	}
	return v
}

func (v *view) group(c *stats.Cell) *group {
	for _, g := range v.groups {
		if g.title == c.Asked() {
			return g
		}
	}
	g := &group{title: c.Asked(), workload: c.Workload, loop: c.Loop}
	v.groups = append(v.groups, g)
	return g
}

func (r row) label() string { return clients(r.clients, r.rate) }

// tiers are the numbers of clients of the group, rising.
func (g *group) tiers() []string {
	var out []string
	for _, r := range g.rows {
		out = append(out, stats.Group(r.clients))
	}
	return slices.Compact(out)
}

// spread is an interval as "±2%", or nothing where there is none.
func spread(s stats.Summary) string {
	if s.Kind == stats.None {
		return ""
	}
	x := 100 * s.Spread()
	if x >= 9.95 {
		return fmt.Sprintf("±%.0f%%", x)
	}
	return fmt.Sprintf("±%.1f%%", x)
}
