package statstest

import (
	"math"
	"math/rand/v2"

	"github.com/tierbench/tierbench/loadtest/result"
)

// Special is a run with what few runs have: a mix of requests, waits, faults, memory by
// kind, and a cell that is measured twice.
func Special() *result.Set {
	set := Run([]int{10, 100, 1000}, 3)
	AddIdle(set, 2000)
	rnd := rand.New(rand.NewPCG(9, 10))
	add := func(k result.Key, change func(r *result.Repeat, s shape)) {
		for _, s := range shapes {
			k.Model, k.Loop = s.name, result.Closed
			set.Run.Cells = append(set.Run.Cells, k)
			for i := 1; i <= set.Run.Repeats; i++ {
				r := repeat(rnd, set.Run.ID, k, s, i)
				r.Errors, r.Gates = nil, result.Gates{Verdict: result.Valid}
				change(&r, s)
				set.Repeats = append(set.Repeats, r)
			}
		}
	}
	for _, n := range []int{10, 100, 1000} {
		add(result.Key{Protocol: "http", Workload: "plaintext+1%block-100ms", Clients: n}, func(r *result.Repeat, s shape) {
			unaffected := r.Service
			if s.name == "eventloop" {
				unaffected.P99 = 0.1 * (1 + 0.1*rnd.Float64())
			}
			r.Mix = []result.MixPart{
				{Workload: "plaintext", Requests: r.Requests * 99 / 100, Service: unaffected},
				{Workload: "block-100ms", Requests: r.Requests / 100, Service: result.Latency{Mean: 0.101, P50: 0.1, P90: 0.102, P99: 0.11, P999: 0.12, Max: 0.13}},
			}
		})
		add(result.Key{Protocol: "http", Workload: "wait-50ms", Clients: n}, func(r *result.Repeat, s shape) {
			slots := float64(n)
			if s.name == "prefork" {
				slots = math.Min(slots, 256)
			}
			r.ThroughputRPS = slots / 0.0505 * (1 - 0.01*rnd.Float64())
			r.Requests = int64(r.ThroughputRPS * r.DurationSec)
		})
	}
	for _, fault := range []struct {
		kind    string
		at, end float64
		left    float64 // of the throughput, while it lasts
	}{{"kill", 2, 0, 0.5}, {"stop", 1.5, 3.5, 0}} {
		add(result.Key{Protocol: "http", Workload: "plaintext", Clients: 100, Setting: result.Setting{Fault: fault.kind}}, func(r *result.Repeat, s shape) {
			f := &result.Fault{Kind: fault.kind, AtSec: fault.at, EndSec: fault.end, SliceSec: 0.1, Open: r.Clients, Lived: true}
			for i := range int(r.DurationSec / f.SliceSec) {
				rps := r.ThroughputRPS * (0.95 + 0.1*rnd.Float64())
				if t := float64(i) * f.SliceSec; t >= f.AtSec && t < max(f.EndSec, f.AtSec+0.5) {
					rps *= fault.left
				}
				f.RPS = append(f.RPS, rps)
			}
			r.Fault = f
		})
	}
	add(result.Key{Protocol: "http", Workload: "plaintext", Clients: 100, Setting: result.Setting{AA: true}}, func(r *result.Repeat, s shape) { r.ThroughputRPS *= 1.04 })
	for i := range set.Repeats {
		s, n := &set.Repeats[i].Server, int64(set.Repeats[i].Clients)
		s.SocketBytes, s.PageTableBytes = 3400*n, 200<<10+40*n
		s.Before.PageTableBytes = 200 << 10
	}
	return set
}
