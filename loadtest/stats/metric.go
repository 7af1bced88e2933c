package stats

import (
	"cmp"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Metric is one number of a repeat.
type Metric struct {
	Name         string // key in configs and code
	Title        string // for a heading
	Unit         Unit
	BetterHigher bool
	// Value returns false if a repeat lacks the number: an idle one has no throughput.
	Value func(*result.Repeat) (float64, bool)
}

// Compare returns a negative number if a is better than b, and a positive one if it is
// worse.
func (m Metric) Compare(a, b float64) int {
	if m.BetterHigher {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

// The metrics. CPU, memory, threads and context switches are the server's. Latencies are
// response times in an open loop, and service times in a closed one.
var (
	Throughput = Metric{"throughput", "throughput", PerSecond, true, ofLoad(func(r *result.Repeat) float64 { return r.ThroughputRPS })}

	Mean = Metric{"mean", "mean latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.Mean })}
	P50  = Metric{"p50", "p50 latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.P50 })}
	P90  = Metric{"p90", "p90 latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.P90 })}
	P99  = Metric{"p99", "p99 latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.P99 })}
	P999 = Metric{"p999", "p99.9 latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.P999 })}
	Max  = Metric{"max", "longest latency", Seconds, false, ofLatency(func(l *result.Latency) float64 { return l.Max })}

	// An open loop has service times, too, next to its response times.
	ServiceP50 = Metric{"service_p50", "p50 service time", Seconds, false, ofLoad(func(r *result.Repeat) float64 { return r.Service.P50 })}
	ServiceP99 = Metric{"service_p99", "p99 service time", Seconds, false, ofLoad(func(r *result.Repeat) float64 { return r.Service.P99 })}
	// ShownP99, ShownP999 and ShownServiceP99 are P99, P999 and ServiceP99 without a value where
	// fewer requests than LeastForP99 or LeastForP999 were answered. They are what is shown;
	// bounds and claims are judged by the values themselves.
	ShownP99        = P99.Shown()
	ShownP999       = P999.Shown()
	ShownServiceP99 = ServiceP99.Shown()
	// Achieved is the throughput as a fraction of the rate asked for.
	Achieved = Metric{"achieved", "throughput ÷ rate asked", Count, true, ofOpen(func(r *result.Repeat) (float64, bool) {
		return r.ThroughputRPS / r.RateRPS, r.RateRPS > 0
	})}
	SendLag = Metric{"send_lag_p99", "p99 lag of the generator", Seconds, false, ofOpen(func(r *result.Repeat) (float64, bool) { return r.Generator.SendLagP99Sec, true })}
	Unsent  = Metric{"unsent", "requests not sent", Count, false, ofOpen(func(r *result.Repeat) (float64, bool) { return float64(r.Unsent), true })}

	// Jain is how evenly the clients were served.
	Jain = Metric{"jain", "Jain's fairness index", Count, true, func(r *result.Repeat) (float64, bool) { return r.Fairness.Jain, loaded(r) && r.Fairness.Jain > 0 }}

	CPU     = Metric{"cpu", "CPU time per request", Seconds, false, perRequest(func(s *result.Server) float64 { return s.CPUUserSec + s.CPUSysSec })}
	CPUUser = Metric{"cpu_user", "user CPU time per request", Seconds, false, perRequest(func(s *result.Server) float64 { return s.CPUUserSec })}
	CPUSys  = Metric{"cpu_sys", "system CPU time per request", Seconds, false, perRequest(func(s *result.Server) float64 { return s.CPUSysSec })}

	// ServerCores and GeneratorCores are the cores used in the mean of the window.
	ServerCores    = Metric{"server_cores", "cores used by the server", Count, false, ofLoad((*result.Repeat).ServerCores)}
	GeneratorCores = Metric{"generator_cores", "cores used by the generator", Count, false, ofLoad((*result.Repeat).GeneratorCores)}

	// GeneratorCPU is the CPU time of the clients' side.
	GeneratorCPU = Metric{"generator-cpu", "the generator's CPU time per request", Seconds, false, ofLoad(func(r *result.Repeat) float64 { return r.Generator.CPUSec / float64(r.Requests) })}

	// Memory is the growth of PSS since before the first connection, divided by
	// the clients. At few clients it is mostly what the server allocates once, so
	// MemoryOfMany is what is shown; the memory of a client is a Slope.
	Memory = Metric{"memory", "user memory grown ÷ clients", Bytes, false, func(r *result.Repeat) (float64, bool) {
		return r.MemoryPerClientBytes(), r.Clients > 0 && r.Server.PSSBytes > 0
	}}
	// MemoryOfMany is Memory without a value below LeastForGrowth clients.
	MemoryOfMany = Metric{Memory.Name, Memory.Title, Bytes, false, func(r *result.Repeat) (float64, bool) {
		v, ok := Memory.Value(r)
		return v, ok && r.Clients >= LeastForGrowth
	}}
	// MemoryTotal is PSS and kernel stacks, without sockets and their buffers.
	MemoryTotal = Metric{"memory_total", "user memory and kernel stacks", Bytes, false, func(r *result.Repeat) (float64, bool) {
		return float64(r.Server.PSSBytes + r.Server.KernelStackBytes), r.Server.PSSBytes > 0
	}}
	PSS          = Metric{"pss", "user memory", Bytes, false, ofServer(func(s *result.Server) float64 { return float64(s.PSSBytes) })}
	KernelStacks = Metric{"kernel_stacks", "kernel stacks", Bytes, false, ofServer(func(s *result.Server) float64 { return float64(s.KernelStackBytes) })}

	Threads = Metric{"threads", "threads", Count, false, ofServer(func(s *result.Server) float64 { return float64(s.Threads) })}
	// Busiest is the number of connections of the worker process with the most, as a multiple
	// of an even share among the processes with connections.
	Busiest   = Metric{"busiest", "connections on the busiest process ÷ an even share", Count, false, share(func(of []int) int { return of[0] })}
	LeastBusy = Metric{"least_busy", "connections on the least busy process ÷ an even share", Count, true, share(func(of []int) int { return of[len(of)-1] })}
	Processes = Metric{"processes", "processes", Count, false, ofServer(func(s *result.Server) float64 { return float64(s.Processes) })}

	// Errors is the fraction of the requests that failed. A repeat with a failed request is
	// invalid, and in no median.
	Errors = Metric{"errors", "errors", Part, false, func(r *result.Repeat) (float64, bool) {
		n := r.Errored()
		return float64(n) / float64(r.Requests+n), r.Requests+n > 0
	}}

	CtxSwitches = Metric{"ctx_switches", "context switches per request", Count, false, perRequest(func(s *result.Server) float64 { return float64(s.CtxSwitches) })}
)

// LeastForP99 and LeastForP999 are the fewest answers for which a percentile is shown: ten are
// then above it.
const (
	LeastForP99  = 1_000
	LeastForP999 = 10_000
)

// Shown returns the metric as it is shown: without a percentile of too few answers.
func (m Metric) Shown() Metric {
	var n int64
	switch m.Name {
	case "p99", "service_p99":
		n = LeastForP99
	case "p999":
		n = LeastForP999
	default:
		return m
	}
	value := m.Value
	m.Value = func(r *result.Repeat) (float64, bool) {
		if r.Requests < n {
			return 0, false
		}
		return value(r)
	}
	return m
}

// LeastForGrowth is the fewest clients that a growth of memory may be divided by. A server
// in Go allocates up to 4 MB before its first garbage collection.
const LeastForGrowth = 100

// Metrics are the metrics whose medians are reported, in that order.
var Metrics = []Metric{
	Throughput, Mean, P50, P90, P99, P999, Max, ServiceP50, ServiceP99, Achieved, SendLag, Unsent, Jain, CPU, CPUUser, CPUSys, GeneratorCPU,
	Memory, MemoryTotal, PSS, KernelStacks, Threads, Processes, Busiest, LeastBusy, CtxSwitches,
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

func ofOpen(f func(*result.Repeat) (float64, bool)) func(*result.Repeat) (float64, bool) {
	return func(r *result.Repeat) (float64, bool) {
		if r.Loop != result.Open || r.Workload == result.Idle {
			return 0, false
		}
		return f(r)
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

// share applies to servers with connections on several processes.
func share(of func([]int) int) func(*result.Repeat) (float64, bool) {
	return func(r *result.Repeat) (float64, bool) {
		conns := r.Server.ConnsPerProcess
		sum := 0
		for _, n := range conns {
			sum += n
		}
		if len(conns) < 2 || sum == 0 {
			return 0, false
		}
		return float64(of(conns)) * float64(len(conns)) / float64(sum), true
	}
}
