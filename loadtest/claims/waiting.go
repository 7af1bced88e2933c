package claims

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// What T1 and I1 ask for, and their bounds.
const (
	waitWorkload = "wait-50ms"
	gainShare    = 0.9
	idleCPU      = 0.3
	onOneCPU     = "server cpus 0"
	illusionN    = 10
	poolMost     = 100
)

// waitTiers begin with the one that says most.
var waitTiers = []int{1000, 100, 10, 1}

var waiting = &Claim{
	ID: "T1", Title: "Optimize waiting periods",
	Charts:     []string{"waiting"},
	Quote:      `"Non-blocking, doing something while a task waits" is NOT exclusive to async`,
	Says:       map[string]string{Processes: "yes (pre-emptive)", Threads: "yes (pre-emptive)", Async: "yes (cooperative)"},
	Definition: "While requests wait, others are served: N clients that each wait 50 ms are answered up to N times as fast as one after the other.",
	Experiment: "T1 and T3: wait 50 ms in the closed loop at 1, 10, 100 and 1,000 clients; the event loop waits on a timer, the others block",
	Metric:     "gain: throughput ÷ that of a server that serves one at a time (Go: the model sequential; CPython: the same server with one client, as more make no difference to such a server); the server's CPU time as a part of the CPUs it may use",
	Lesson:     "A server that waits for something elsewhere needs no CPU. The kernel takes the CPU from a process or a thread that waits and gives it to another (pre-emptive); a task on a loop says itself that it will wait (cooperative). Either way as many requests wait at the same time as there are processes, threads or tasks for them.",
	Rule: Rule{"1", "Supported for a model if gain ≥ 0.9·min(N, its slots) and server CPU < 30 %, by the whole intervals. " +
		"Slots are the processes or threads that can wait; a process, thread or task per client has no bound but N; a pool of processes that serve one request each has as many as there are cores, and is measured up to 100 clients."},
	decide: func(e *evidence) []Verdict {
		servers := append([]server{}, table...)
		servers = append(servers, server{language: Go, model: "goroutine"})
		return byColumn(servers, func(s server) Verdict {
			var points []point
			for _, n := range waitTiers {
				if n == 1 && s.language == CPython || s.oneEach && n > poolMost {
					continue // it is the baseline, or takes minutes to come round once
				}
				points = append(points, e.waits(s, n))
			}
			return judge(s.subject(), "the number of clients", points...)
		})
	},
}

// oneAtATime is what a server's throughput is a multiple of: that of one that
// serves one at a time. It is measured with one client, for with more it is the
// same, and they wait the longer.
func oneAtATime(s server, setting string) result.Key {
	model := "sequential"
	if s.language == CPython {
		model = s.model
	}
	return with(closed(model, waitWorkload, 1), setting)
}

func (e *evidence) waits(s server, n int) point {
	k, base := closed(s.model, waitWorkload, n), oneAtATime(s, "")
	p := point{at: count(n, "client")}
	c, b := e.cell(k), e.cell(base)
	if c == nil || b == nil {
		p.missing = e.lackOf(k, base)
		return p
	}
	slots := n
	if s.oneEach {
		slots = min(n, max(1, serverCPUs(c)))
	}
	gain := stats.MedianOf(scaled(paired(c, stats.Throughput, b, stats.Throughput), 1/float64(slots)))
	cpu := stats.MedianOf(values(c, cpuShare))
	p.cells = keys(c, b)
	p.effects = []Effect{
		{What: fmt.Sprintf("gain ÷ %s slots at %s clients", stats.Group(slots), stats.Group(n)), Estimate: gain, Bound: "≥ 0.9", holds: gain.AtLeast(gainShare)},
		{What: fmt.Sprintf("server CPU at %s clients, of all it may use", stats.Group(n)), Estimate: cpu, Bound: "< 0.3", holds: below(cpu, idleCPU)},
	}
	p.holds = both(gain.AtLeast(gainShare), below(cpu, idleCPU))
	return p
}

// below is 1 if the whole interval is under the bound, -1 if all of it is at
// or above, else 0.
func below(e stats.Estimate, bound float64) int { return -e.AtLeast(bound) }

// lackOf says what is missing of cells that are needed together.
func (e *evidence) lackOf(ks ...result.Key) string {
	var out []string
	for _, k := range ks {
		if c := e.by[k]; c == nil || len(c.Counted) == 0 {
			if why := e.lack(k); !slices.Contains(out, why) {
				out = append(out, why)
			}
		}
	}
	return strings.Join(out, "; ")
}

var illusion = &Claim{
	ID: "I1", Title: "The illusion of multi-tasking saves time, too",
	Charts:     []string{"waiting"},
	Quote:      `even if the hardware simply gives the illusion of "doing multi-tasking", the time required to run a program based on concurrency techniques might be less`,
	Definition: "On a single core, 10 clients that wait are answered faster than one after the other. A pool of processes that serve one request each is shown and decides nothing: on one core it is one process, which is what the others are compared with.",
	Experiment: "I1: T1 at 10 clients with the server pinned to one core",
	Metric:     "gain, as in T1",
	Lesson:     "Waiting takes no core, so ten clients can wait at once on a single one. Only what they compute has to be done one after the other.",
	Rule:       Rule{"2", "Supported for a model if gain > 1 with an interval that excludes 1, and by more than the 5 % within which two are tied; refuted if the interval is at or below 1."},
	decide: func(e *evidence) []Verdict {
		servers := slices.DeleteFunc(slices.Clone(table), func(s server) bool { return s.oneEach })
		out := byLanguage(servers, func(s server) Verdict {
			k, base := with(closed(s.model, waitWorkload, illusionN), onOneCPU), oneAtATime(s, onOneCPU)
			c, b := e.cell(k), e.cell(base)
			if c == nil || b == nil {
				return judge(s.subject(), "", point{missing: e.lackOf(k, base)})
			}
			gain := stats.RatioOf(c, b, stats.Throughput)
			return judge(s.subject(), "", point{
				holds: leads(gain), cells: keys(c, b),
				effects: []Effect{{What: "gain at 10 clients on one core", Estimate: gain, Bound: "> 1"}},
			})
		})
		for _, s := range table {
			k, base := with(closed(s.model, waitWorkload, illusionN), onOneCPU), oneAtATime(s, onOneCPU)
			if c, b := e.cell(k), e.cell(base); s.oneEach && c != nil && b != nil {
				v := &out[slices.IndexFunc(out, func(v Verdict) bool { return v.Language == s.language && v.Subject == "" })]
				v.Notes = append(v.Notes, s.model+": gain "+Effect{Estimate: stats.RatioOf(c, b, stats.Throughput)}.interval())
				v.Cells = append(v.Cells, keys(c, b)...)
			}
		}
		return out
	},
}

// leads is 1 if a ratio is above 1 by its whole interval and no tie, -1 if all of
// it is at or below 1, else 0.
func leads(ratio stats.Estimate) int {
	h := above(ratio, 1)
	if h > 0 && !stats.Unlike(ratio) {
		return 0
	}
	return h
}

// above is 1 if the whole interval is over the bound, -1 if all of it is at or
// under, else 0.
func above(e stats.Estimate, bound float64) int { return -e.AtMost(bound) }
