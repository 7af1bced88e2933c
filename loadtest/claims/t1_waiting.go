package claims

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// The bounds of T1, and the most clients for a pool of processes.
const (
	gainShare = 0.9
	idleCPU   = 0.3
	poolMost  = 100
)

// waitTiers begin with the most telling one.
var waitTiers = []int{1000, 100, 10, 1}

var waiting = &Claim{
	ID: "T1", Title: "Optimize waiting periods",
	Charts:     []string{"waiting"},
	Quote:      `"Non-blocking, doing something while a task waits" is NOT exclusive to async`,
	Says:       map[string]string{Processes: "yes (pre-emptive)", Threads: "yes (pre-emptive)", Async: "yes (cooperative)"},
	Definition: "While requests wait, others are served: N clients that each wait 50 ms are answered up to N times as fast as one after the other.",
	Experiment: "T1 and T3: wait 50 ms in the closed loop at 1, 10, 100 and 1,000 clients; the event loop waits on a timer, the others block",
	Metric:     "gain: throughput ÷ that of a server that serves one request at a time (Go: the model sequential; CPython: the same server with one client); the server's CPU time as a fraction of the CPUs it may use",
	Lesson:     "A server that waits for something elsewhere needs no CPU. The kernel takes the CPU from a process or a thread that waits and gives it to another (pre-emptive); a task on a loop says itself that it will wait (cooperative). Either way as many requests wait at the same time as there are processes, threads or tasks for them.",
	Rule: Rule{"1", "Supported for a model if gain ≥ 0.9·min(N, its slots) and server CPU < 30 %, by the whole intervals. " +
		"Slots are the processes or threads that can wait; a process, thread or task per client has no bound but N; a pool of processes that serve one request each has as many as there are cores, and is measured up to 100 clients."},
	decide: func(e *evidence) []Verdict {
		servers := append([]server{}, contestants...)
		servers = append(servers, server{language: Go, model: "goroutine"})
		return byColumn(servers, func(s server) Verdict {
			var points []point
			for _, n := range waitTiers {
				if n == 1 && s.language == CPython || s.oneEach && n > poolMost {
					continue // it is the baseline, or one round takes minutes
				}
				points = append(points, e.waits(s, n))
			}
			return judge(s.subject(), "the number of clients", points...)
		})
	},
}

func (e *evidence) waits(s server, n int) point {
	k, base := closed(s.model, waitWorkload, n), oneAtATime(s, usual)
	p := point{at: prose.Count(n, "client")}
	c, b := e.cell(k), e.cell(base)
	if c == nil || b == nil {
		p.missing = e.lackOf(k, base)
		return p
	}
	slots := n
	if s.oneEach {
		slots = min(n, max(1, serverCPUs(c)))
	}
	gain := stats.MedianOf(scaled(stats.Pairs(c, stats.Throughput, b, stats.Throughput), 1/float64(slots)))
	cpu := c.Median(cpuShare)
	p.cells = keys(c, b)
	p.effects = []Effect{
		{What: fmt.Sprintf("gain ÷ %s slots at %s clients", stats.Group(slots), stats.Group(n)), Estimate: gain, Bound: "≥ 0.9", outcome: gain.AtLeast(gainShare)},
		{What: fmt.Sprintf("server CPU at %s clients, of all it may use", stats.Group(n)), Estimate: cpu, Bound: "< 0.3", outcome: below(cpu, idleCPU)},
	}
	p.outcome = both(gain.AtLeast(gainShare), below(cpu, idleCPU))
	return p
}
