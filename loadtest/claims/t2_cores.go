package claims

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// The bounds of T2.
const (
	efficiency = 0.7
	coresBusy  = 0.9
)

var cores = &Claim{
	ID: "T2", Title: "Use all CPU cores",
	Charts:     []string{"throughput"},
	Quote:      "Use all CPU cores: yes, no, no",
	Says:       map[string]string{Processes: "yes", Threads: "no", Async: "no"},
	Definition: "With enough to compute, a server is as many times faster as it has cores, and keeps them busy.",
	Experiment: "T2: 1 ms of computing a request at 64 clients, the server pinned to one core and on all",
	Metric:     "efficiency E = X(c) ÷ (c·X(1)), by throughput X and cores c; CPU time ÷ wall",
	Lesson:     "The kernel puts each process and each thread on whichever core is free, so both use all cores, unless a lock lets only one thread of a process compute, as CPython's does. An event loop is one thread, and a thread runs on one core at a time; a loop per core, as in multiloop, solves that.",
	Rule: Rule{"1", `A model "uses all cores" if E(all) ≥ 0.7 and CPU time ÷ wall ≥ 0.9·cores, and does not if either is surely below its bound. ` +
		"Where the document says yes, that supports it; where it says no, that refutes it. It takes two cores."},
	decide: func(e *evidence) []Verdict {
		servers := append([]server{}, contestants...)
		servers = append(servers, server{language: Go, model: "goroutine"}, server{language: Go, model: manyLoops})
		return byColumn(servers, func(s server) Verdict {
			p := e.usesCores(s)
			if s.column == Threads || s.column == Async {
				p = p.flip()
			}
			return judge(s.subject(), "", p)
		})
	},
}

func (e *evidence) usesCores(s server) point {
	k := closed(s.model, cpuWorkload, cpuClients)
	all, one := e.cell(k), e.cell(with(k, onOneCPU))
	if all == nil || one == nil {
		return point{missing: e.lackOf(k, with(k, onOneCPU))}
	}
	n := serverCPUs(all)
	if n < 2 {
		return point{missing: fmt.Sprintf("cores: the server may use %d, it takes 2", n)}
	}
	eff := stats.MedianOf(scaled(stats.Pairs(all, stats.Throughput, one, stats.Throughput), 1/float64(n)))
	busy := all.Median(cpuShare)
	return point{
		outcome: both(eff.AtLeast(efficiency), busy.AtLeast(coresBusy)),
		cells:   keys(all, one),
		effects: []Effect{
			{What: fmt.Sprintf("efficiency on %d cores", n), Estimate: eff, Bound: "≥ 0.7", outcome: eff.AtLeast(efficiency)},
			{What: "CPU time ÷ wall ÷ cores", Estimate: busy, Bound: "≥ 0.9", outcome: busy.AtLeast(coresBusy)},
		},
	}
}
