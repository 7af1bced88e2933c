package claims

import (
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

func scaled(xs []float64, by float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = x * by
	}
	return out
}

func mean(vs []float64) stats.Estimate {
	return stats.Bootstrap([][]float64{vs}, func(s [][]float64) float64 {
		var sum float64
		for _, v := range s[0] {
			sum += v
		}
		return sum / float64(len(s[0]))
	})
}

// kindP99 returns the 99th percentile of one kind of request of a mix.
func kindP99(workload string) stats.Metric {
	return stats.Metric{Name: "kind-p99", Title: "p99 latency of " + workload, Unit: stats.Seconds, Value: func(r *result.Repeat) (float64, bool) {
		for i := range r.Mix {
			k := &r.Mix[i]
			if k.Workload != workload || k.Requests == 0 {
				continue
			}
			if k.Response != nil {
				return k.Response.P99, true
			}
			return k.Service.P99, true
		}
		return 0, false
	}}
}

// cpuCores is how many cores the server kept busy, cpuShare the fraction of the cores it may
// use.
var (
	cpuCores = stats.Metric{Name: "cores", Title: "CPU time ÷ wall", Value: func(r *result.Repeat) (float64, bool) {
		return (r.Server.CPUUserSec + r.Server.CPUSysSec) / r.DurationSec, r.DurationSec > 0
	}}
	cpuShare = stats.Metric{Name: "cpu-share", Title: "server CPU", Value: func(r *result.Repeat) (float64, bool) {
		if r.DurationSec <= 0 || r.CPUs.ServerCount == 0 {
			return 0, false
		}
		return (r.Server.CPUUserSec + r.Server.CPUSysSec) / r.DurationSec / float64(r.CPUs.ServerCount), true
	}}
)

// serverCPUs returns how many CPUs the server of a cell could use; 0 if unknown.
func serverCPUs(c *stats.Cell) int {
	for _, r := range c.Counted {
		if r.CPUs.ServerCount > 0 {
			return r.CPUs.ServerCount
		}
	}
	return 0
}

// ownMemoryBytes is the memory without sockets, which are the same for all models.
var ownMemoryBytes = stats.Metric{Name: "own", Title: "memory", Unit: stats.Bytes, Value: ofUsage(func(s *result.Server) int64 { return s.PSSBytes + s.KernelStackBytes + s.PageTableBytes })}

func ofUsage(f func(*result.Server) int64) func(*result.Repeat) (float64, bool) {
	return func(r *result.Repeat) (float64, bool) { return float64(f(&r.Server)), r.Server.PSSBytes > 0 }
}
