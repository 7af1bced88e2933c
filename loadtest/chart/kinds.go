package chart

import (
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// memoryKinds are what a client costs, by what holds it. The last is the floor:
// no server can have a connection for less than its socket.
var memoryKinds = []stats.Metric{
	grown("user memory for each client", func(u *result.Usage) int64 { return u.PSSBytes }),
	grown("kernel stacks for each client", func(u *result.Usage) int64 { return u.KernelStackBytes }),
	grown("page tables for each client", func(u *result.Usage) int64 { return u.PageTableBytes }),
	grown("sockets for each client: the floor", func(u *result.Usage) int64 { return u.SocketBytes }),
}

// grown is the growth of a kind of memory since before the first connection. A
// kind of which a record says nothing has no value.
func grown(title string, of func(*result.Usage) int64) stats.Metric {
	return stats.Metric{Name: title, Title: title, Unit: stats.Bytes, Value: func(r *result.Repeat) (float64, bool) {
		s := &r.Server
		after, before := of(&s.Usage), of(&s.Before)
		return float64(after-before) / float64(r.Clients), r.Clients > 0 && after > 0
	}}
}

// byKind draws what a client costs by what holds it: for each workload a panel
// for each kind, all on one scale. Without a floor to compare with there is
// nothing in it that the chart of memory has not.
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

// waits draws how much of the time that clients spend waiting is used: the
// requests that wait at a time, by Little's law, for each client. At 1 every
// client waits and none waits for its turn.
func waits(f *Figure, src *Source) {
	var ps []panel
	for _, g := range src.groups(closed(src.Cells)) {
		sec := waitOf(g[0].Protocol, g[0].Workload)
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

// waitOf is the time that a request waits for, in seconds, by its name; 0 if it
// does something else.
func waitOf(protocol, workload string) float64 {
	d, spent := load.TimeOf(protocol, workload)
	if spent == load.Computing {
		return 0
	}
	return d.Seconds()
}

// interference draws the kinds of a mix, each by itself: what some requests do
// to the others.
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
				i := slices.IndexFunc(r.Mix, func(k result.MixPart) bool { return k.Workload == kind && k.Requests > 0 })
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

// An event is something that was done at a time of a panel whose axis is time.
type event struct {
	from, to float64 // equal where it was done at once
	name     string
}

// faults draws throughput around what was done to a server, slice by slice.
func faults(f *Figure, src *Source) {
	first := len(f.rows)
	lines(f, src, stats.PerSecond, func(c *stats.Cell) []point {
		var each [][]float64 // by slice
		width := 0.0
		for _, r := range c.Counted {
			if r.Fault == nil || r.Fault.SliceSec <= 0 {
				continue
			}
			width = r.Fault.SliceSec
			for i, v := range r.Fault.RPS {
				for len(each) <= i {
					each = append(each, nil)
				}
				each[i] = append(each[i], v)
			}
		}
		if len(each) < 2 {
			return nil
		}
		var out []point
		for i, vs := range each {
			out = append(out, point{(float64(i) + 0.5) * width, stats.MedianOf(vs), c})
		}
		return out
	}, secondAxis)
	for _, r := range f.rows[first:] {
		for i := range r.panels {
			r.panels[i].events = eventsOf(r.panels[i].series)
		}
	}
}

// eventsOf are the faults of the cells, each once: the median of when it was.
func eventsOf(all []series) []event {
	var kinds []string
	from, to := map[string][]float64{}, map[string][]float64{}
	for _, s := range all {
		for _, r := range s.cell.Counted {
			if r.Fault == nil {
				continue
			}
			k := r.Fault.Kind
			if !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
			from[k] = append(from[k], r.Fault.AtSec)
			to[k] = append(to[k], math.Max(r.Fault.AtSec, r.Fault.EndSec))
		}
	}
	var out []event
	for _, k := range kinds {
		out = append(out, event{stats.MedianOf(from[k]).Value, stats.MedianOf(to[k]).Value, k})
	}
	return out
}

// noiseFloor says by how much throughput differs where cells were measured twice; ""
// where none was.
func noiseFloor(cells []*stats.Cell) string {
	n := stats.NoiseFloor(cells, stats.Throughput)
	if n.Cells == 0 {
		return ""
	}
	return "noise floor: in " + plural(n.Cells, "cell") + " measured twice, " + stats.Floors([]stats.Noise{n})
}
