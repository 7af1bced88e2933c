package claims

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// What T2 and I2 ask for, and their bounds.
const (
	cpuWorkload   = "cpu-1ms"
	cpuClients    = 64
	efficiency    = 0.7
	coresBusy     = 0.9
	parallelCores = 1.5
)

var cores = &Claim{
	ID: "T2", Title: "Use all CPU cores",
	Charts:     []string{"throughput"},
	Quote:      "Use all CPU cores: yes, no, no",
	Says:       map[string]string{Processes: "yes", Threads: "no", Async: "no"},
	Definition: "With enough to compute, a server gets as much faster as it has cores, and keeps them busy.",
	Experiment: "T2: 1 ms of computing a request at 64 clients, the server pinned to one core and on all",
	Metric:     "efficiency E = X(c) ÷ (c·X(1)), by throughput X and cores c; CPU time ÷ wall",
	Lesson:     "The kernel puts each process and each thread on whichever core is free, so both use all cores, unless a lock lets only one thread of a process compute, as CPython's does. An event loop is one thread, and one thread is on one core at a time; with a loop per core, as multiloop has, that is mended.",
	Rule: Rule{"1", `A model "uses all cores" if E(all) ≥ 0.7 and CPU time ÷ wall ≥ 0.9·cores, and does not if either is surely less. ` +
		"Where the document says yes, that supports it; where it says no, that refutes it. It takes two cores."},
	decide: func(e *evidence) []Verdict {
		servers := append([]server{}, table...)
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
	eff := stats.MedianOf(scaled(paired(all, stats.Throughput, one, stats.Throughput), 1/float64(n)))
	busy := stats.MedianOf(values(all, cpuShare))
	return point{
		holds: both(eff.AtLeast(efficiency), busy.AtLeast(coresBusy)),
		cells: keys(all, one),
		effects: []Effect{
			{What: fmt.Sprintf("efficiency on %d cores", n), Estimate: eff, Bound: "≥ 0.7", holds: eff.AtLeast(efficiency)},
			{What: "CPU time ÷ wall ÷ cores", Estimate: busy, Bound: "≥ 0.9", holds: busy.AtLeast(coresBusy)},
		},
	}
}

var parallel = &Claim{
	ID: "I2", Title: "The hardware runs instructions simultaneously",
	Charts:     []string{"throughput"},
	Quote:      "the hardware actually does run multiple instructions simultaneously",
	Definition: "Some server uses more CPU time than time passes.",
	Experiment: "T2's cells on all cores",
	Metric:     "CPU time ÷ wall, of the server that has most",
	Lesson:     "If the processes of a server have used two seconds of CPU time within one second, two of their instructions have run at the same time. A single core can give only the illusion of it.",
	Rule:       Rule{"1", "Supported for a language if CPU time ÷ wall > 1.5 on 2 or more cores for one of its servers, by the whole interval; refuted if it is at or below for all."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, language := range Languages {
			var best *point
			var lacks []string
			refuted := true
			for _, s := range of(table, language, "") {
				k := closed(s.model, cpuWorkload, cpuClients)
				c := e.cell(k)
				if c == nil {
					lacks = append(lacks, e.lack(k))
					continue
				}
				if n := serverCPUs(c); n < 2 {
					lacks = append(lacks, fmt.Sprintf("cores: the server may use %d, it takes 2", n))
					continue
				}
				busy := stats.MedianOf(values(c, cpuCores))
				refuted = refuted && above(busy, parallelCores) < 0
				if best == nil || busy.Value > best.effects[0].Value {
					best = &point{holds: above(busy, parallelCores), cells: keys(c), effects: []Effect{{What: s.model + ": CPU time ÷ wall", Estimate: busy, Bound: "> 1.5"}}}
				}
			}
			switch {
			case best == nil, best.holds <= 0 && len(lacks) > 0: // one that was not measured might
				best = &point{missing: list(lacks)}
			case best.holds < 0 && !refuted:
				best.holds = 0
			}
			out = append(out, judge(subject{language: language}, "", *best))
		}
		return out
	},
}
