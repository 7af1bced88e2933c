package chart

import (
	"slices"

	"github.com/tierbench/tierbench/loadtest/stats"
)

var processesChart = Chart{
	Name: "processes", Title: "Connections per worker process",
	note:  "on the busiest process, as a multiple of an even share among those with connections; bands reach down to the least busy one · 1 is even",
	drawn: "medians of the repeats",
	build: processes,
}

// processes draws how evenly connections are divided among a server's processes.
func processes(f *Figure, src *Source) {
	var ps []panel
	for _, g := range src.groups(src.Cells) {
		p, ok := newPanel(src, g, stats.Busiest, false)
		if !ok {
			continue
		}
		for i := range p.series {
			s := &p.series[i]
			s.points = slices.DeleteFunc(s.points, func(q point) bool { return !q.valid() })
			for j := range s.points {
				q := &s.points[j]
				q.Lo, q.Hi, q.Method = q.cell.Median(stats.LeastBusy).Value, q.Value, stats.Range
			}
		}
		p.series = slices.DeleteFunc(p.series, func(s series) bool { return len(s.points) == 0 })
		if len(p.series) > 0 {
			ps = append(ps, p)
		}
	}
	f.scale(stats.Count, ps)
	f.add(ps)
}
