package chart

import (
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

var interferenceChart = Chart{
	Name: "interference", Title: "How the requests of a mix affect each other",
	note:  "99th percentile of each kind of request, all on one scale · lower is better",
	build: interference,
}

// interference draws the p99 of each kind of request of a mix: how some requests affect the
// others.
func interference(f *Figure, src *Source) {
	for _, g := range src.groups(src.Cells) {
		var kinds []string
		for _, c := range g {
			for _, r := range c.Counted {
				for _, k := range r.Mix {
					if !slices.Contains(kinds, k.Workload) {
						kinds = append(kinds, k.Workload)
					}
				}
			}
		}
		if len(kinds) < 2 {
			continue
		}
		var ps []panel
		for _, kind := range kinds {
			m := stats.Metric{Name: "p99 of " + kind, Title: "p99 of " + kind, Unit: stats.Seconds, Value: func(r *result.Repeat) (float64, bool) {
				i := slices.IndexFunc(r.Mix, func(k result.MixPart) bool { return k.Workload == kind && k.Requests >= stats.LeastForP99 })
				switch {
				case i < 0:
					return 0, false
				case r.Mix[i].Response != nil:
					return r.Mix[i].Response.P99, true
				}
				return r.Mix[i].Service.P99, true
			}}
			if p, ok := newPanel(src, g, m, false); ok && p.measured() {
				p.title = m.Title + " · " + p.title
				ps = append(ps, p)
			}
		}
		f.scale(stats.Seconds, ps)
		f.add(ps)
	}
}
