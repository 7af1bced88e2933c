package stats

import (
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Metric is one number of a repeat.
type Metric struct {
	Name         string // key in configs and code
	Title        string // for a heading
	Unit         Unit
	BetterHigher bool
	// Value is false where a repeat has no such number, as an idle one has no
	// throughput.
	Value func(*result.Repeat) (float64, bool)
}

func (m Metric) better(a, b float64) bool {
	if m.BetterHigher {
		return a > b
	}
	return a < b
}

// The metrics. CPU, memory, threads and context switches are the server's.
// Latencies are response times where the loop is open, service times where it
// is closed.
var (
	Throughput = Metric{"throughput", "throughput", PerSecond, true, ofLoad(func(r *result.Repeat) float64 { return r.ThroughputRPS })}

	Mean = Metric{"mean", "mean latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.Mean })}
	P50  = Metric{"p50", "p50 latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.P50 })}
	P90  = Metric{"p90", "p90 latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.P90 })}
	P99  = Metric{"p99", "p99 latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.P99 })}
	P999 = Metric{"p999", "p99.9 latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.P999 })}
	Max  = Metric{"max", "longest latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.Max })}

	CPU     = Metric{"cpu", "CPU time per request", Seconds, false, perRequest(func(s *result.Server) float64 { return s.CPUUserSec + s.CPUSysSec })}
	CPUUser = Metric{"cpu_user", "user CPU time per request", Seconds, false, perRequest(func(s *result.Server) float64 { return s.CPUUserSec })}
	CPUSys  = Metric{"cpu_sys", "system CPU time per request", Seconds, false, perRequest(func(s *result.Server) float64 { return s.CPUSysSec })}

	// Memory is the growth of PSS since before the first connection.
	Memory = Metric{"memory", "user memory per client", Bytes, false, func(r *result.Repeat) (float64, bool) {
		return r.MemoryPerClientBytes(), r.Clients > 0 && r.Server.PSSBytes > 0
	}}
	// MemoryTotal is all the server holds for itself: PSS and kernel stacks.
	// Sockets and their buffers are not in it.
	MemoryTotal = Metric{"memory_total", "user memory and kernel stacks", Bytes, false, func(r *result.Repeat) (float64, bool) {
		return float64(r.Server.PSSBytes + r.Server.KernelStackBytes), r.Server.PSSBytes > 0
	}}
	PSS          = Metric{"pss", "user memory", Bytes, false, ofServer(func(s *result.Server) float64 { return float64(s.PSSBytes) })}
	KernelStacks = Metric{"kernel_stacks", "kernel stacks", Bytes, false, ofServer(func(s *result.Server) float64 { return float64(s.KernelStackBytes) })}

	Threads   = Metric{"threads", "threads", Count, false, ofServer(func(s *result.Server) float64 { return float64(s.Threads) })}
	Processes = Metric{"processes", "processes", Count, false, ofServer(func(s *result.Server) float64 { return float64(s.Processes) })}

	CtxSwitches = Metric{"ctx_switches", "context switches per request", Count, false, perRequest(func(s *result.Server) float64 { return float64(s.CtxSwitches) })}
)

// Metrics are all of them, in the order they are reported.
var Metrics = []Metric{
	Throughput, Mean, P50, P90, P99, P999, Max, CPU, CPUUser, CPUSys,
	Memory, MemoryTotal, PSS, KernelStacks, Threads, Processes, CtxSwitches,
}

// Lookup finds a metric by its name.
func Lookup(name string) (Metric, bool) {
	for _, m := range Metrics {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}

func loaded(r *result.Repeat) bool { return r.Workload != result.Idle && r.Requests > 0 }

func ofLoad(f func(*result.Repeat) float64) func(*result.Repeat) (float64, bool) {
	return func(r *result.Repeat) (float64, bool) {
		if !loaded(r) {
			return 0, false
		}
		return f(r), true
	}
}

func ofLatency(f func(*result.Latency) float64) func(*result.Repeat) (float64, bool) {
	return ofLoad(func(r *result.Repeat) float64 {
		if r.Response != nil {
			return f(r.Response)
		}
		return f(&r.Service)
	})
}

func perRequest(f func(*result.Server) float64) func(*result.Repeat) (float64, bool) {
	return ofLoad(func(r *result.Repeat) float64 { return f(&r.Server) / float64(r.Requests) })
}

// ofServer reads a count that is 0 only when the server was never sampled.
func ofServer(f func(*result.Server) float64) func(*result.Repeat) (float64, bool) {
	return func(r *result.Repeat) (float64, bool) {
		if r.Server.Processes == 0 {
			return 0, false
		}
		return f(&r.Server), true
	}
}
