package chart

import (
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

var waitingChart = Chart{
	Name: "waiting", Title: "Use of waiting time",
	note:  "requests waiting at a time (throughput × time of the wait) for each client · at 1 every client waits, and none queues",
	build: waits,
}

// waits draws how well a server uses waiting time: the requests that wait at a time, by
// Little's law, for each client. At 1 every client waits, and none queues.
func waits(f *Figure, src *Source) {
	var ps []panel
	for _, g := range src.groups(closed(src.Cells)) {
		sec := waitOf(g)
		if sec == 0 {
			continue
		}
		used := stats.Metric{Name: "wait-efficiency", Title: "waiting at a time, for each client", Unit: stats.Count, BetterHigher: true,
			Value: func(r *result.Repeat) (float64, bool) {
				return r.ThroughputRPS * sec / float64(r.Clients), r.Clients > 0 && r.Requests > 0
			}}
		if p, ok := newPanel(src, g, used, false); ok {
			ps = append(ps, p)
		}
	}
	f.scale(stats.Count, ps)
	f.add(ps)
}

// waitOf returns the time that each request of the cells waits, in seconds, or 0 if it does
// something else.
func waitOf(cells []*stats.Cell) float64 {
	for _, c := range cells {
		for _, r := range c.Repeats {
			if sec, spent := load.TimeOf(c.Protocol, r.Request); spent != load.Computing {
				return sec
			}
		}
	}
	return 0
}
