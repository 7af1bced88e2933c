package chart

import (
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

var memoryKindsChart = Chart{
	Name: "memory-kinds", Title: "Where the memory of a client goes",
	note:  "growth since before the first client ÷ clients, by kind, all on one scale; a connection costs every server at least its socket · lower is better",
	build: byKind,
}

// memoryKinds are the kinds of memory that a client costs. The last is the floor: a
// connection costs every server at least its socket.
var memoryKinds = []stats.Metric{
	grown("user memory for each client", func(u *result.Usage) int64 { return u.PSSBytes }),
	grown("kernel stacks for each client", func(u *result.Usage) int64 { return u.KernelStackBytes }),
	grown("page tables for each client", func(u *result.Usage) int64 { return u.PageTableBytes }),
	grown("sockets for each client: the floor", func(u *result.Usage) int64 { return u.SocketBytes }),
}

// grown is the growth of a kind of memory since before the first connection. It has no value
// if the record lacks the kind, or at few clients.
func grown(title string, of func(*result.Usage) int64) stats.Metric {
	return stats.Metric{Name: title, Title: title, Unit: stats.Bytes, Value: func(r *result.Repeat) (float64, bool) {
		s := &r.Server
		after, before := of(&s.Usage), of(&s.Before)
		return float64(after-before) / float64(r.Clients), r.Clients >= stats.LeastForGrowth && after > 0
	}}
}

// byKind draws the memory of a client by kind: for each workload a panel for each kind, all on
// one scale. It draws nothing without the floor, as it would only repeat the chart memory.
func byKind(f *Figure, src *Source) {
	for _, g := range src.groups(weighed(closed(src.Cells), stats.Memory)) {
		if !slices.ContainsFunc(g, func(c *stats.Cell) bool { return c.Median(memoryKinds[3]).N > 0 }) {
			continue
		}
		var ps []panel
		for _, m := range memoryKinds {
			if p, ok := newPanel(src, g, m, false); ok && p.measured() {
				p.title = m.Title + " · " + p.title
				ps = append(ps, p)
			}
		}
		f.scale(stats.Bytes, ps)
		f.add(ps)
	}
}
