package claims

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// Bounds of R2.
const (
	faster     = 1.05
	shorter    = 0.95
	slowerBy10 = 0.9
	longerBy10 = 1.1
)

// combineCells are the cells in which a mix is compared with its parents.
var combineCells = []result.Key{
	{Protocol: "echo", Workload: "echo", Clients: 10, Loop: result.Closed},
	{Protocol: "echo", Workload: "echo", Clients: 100, Loop: result.Closed},
	{Protocol: "http", Workload: cpuWorkload, Clients: cpuClients, Loop: result.Closed},
}

// mixes are processes, one per core, over another model.
var mixes = []struct{ language, model, over string }{
	{Go, "prefork-thread", "thread"},
	{Go, "prefork-eventloop", "eventloop"},
	{Go, "prefork", "goroutine"},
	{CPython, "python-prefork-threads", "python-threads"},
	{CPython, "python-prefork-asyncio", "python-asyncio"},
}

var combine = &Claim{
	ID: "R2", Title: "Combine processes with one of the other two",
	Charts:     []string{"throughput"},
	Quote:      "Many time people combine processes with one of the other two, which is actually a pretty good idea … you run that program as many as times as CPU cores you have",
	Definition: "A mix (a process per core, each with threads, a loop or goroutines) is better than both of its parents: a process per client, and the same in one process.",
	Experiment: "R2: the mixes and their parents at echo with 10 and 100 clients, and at 1 ms of computing with 64; the crash is B1's kill",
	Metric:     "ratios of throughput and p99, mix ÷ parent; blast radius of a killed worker",
	Lesson:     "A loop or a process with an interpreter lock uses one core. One per core uses all cores, and a crash takes down only one core's share of the clients. A mix cannot move a client from a busy worker to an idle one, as the kernel assigns each connection once.",
	Rule: Rule{"1", "Good compared with a parent if throughput ratio > 1.05 or p99 ratio < 0.95, by the whole intervals, on half the cells, nothing worse by 10 %, and a crash costs less than in the parent that is one process. " +
		"Supported if good compared with both parents, refuted if with neither."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, language := range Languages {
			perClient := of(perClient(), language, Processes)[0].model
			var vs []Verdict
			for _, m := range mixes {
				if m.language == language {
					vs = append(vs, e.combined(subject{language: language, model: m.model}, perClient, m.over))
				}
			}
			out = append(append(out, fold(subject{language: language}, "what is combined", vs)), vs...)
		}
		return out
	},
}

// combined compares a mix with its parents: a process per client, and one process
// that does the same as each process of the mix.
func (e *evidence) combined(s subject, perClient, over string) Verdict {
	comparedWith := func(parent string) point {
		p := e.better(s.model, parent)
		p.at = "the parent " + parent
		return p
	}
	one := comparedWith(over)
	if crash := e.crashLess(s.model, over); one.missing == "" {
		one.missing = crash.missing
		one.outcome = both(one.outcome, crash.outcome)
		one.effects = append(one.effects, crash.effects...)
		one.cells = append(one.cells, crash.cells...)
	}
	v := judge(s, "the parent", comparedWith(perClient), one)
	if note := e.perWorker(s.model); note != "" {
		v.Notes = append(v.Notes, note)
	}
	return v
}

// better returns a point that is Met if the mix is good compared with a parent.
func (e *evidence) better(mix, parent string) point {
	p := point{}
	good, open, worse, maybeWorse, n := 0, 0, false, false, 0
	for _, k := range combineCells {
		km, kp := k, k
		km.Model, kp.Model = mix, parent
		m, o := e.cell(km), e.cell(kp)
		if m == nil || o == nil {
			if p.missing == "" {
				p.missing = e.lackOf(km, kp)
			}
			continue
		}
		n++
		x, tail := stats.RatioOf(m, o, stats.Throughput), stats.RatioOf(m, o, stats.P99)
		at := fmt.Sprintf("%s at %s clients ÷ %s", k.Workload, stats.Group(k.Clients), parent)
		p.effects = append(p.effects,
			Effect{What: "throughput, " + at, Estimate: x, Bound: "> 1.05", outcome: above(x, faster)},
			Effect{What: "p99, " + at, Estimate: tail, Bound: "< 0.95", outcome: below(tail, shorter)})
		p.cells = append(p.cells, keys(m, o)...)
		switch {
		case above(x, faster) == stats.Met || below(tail, shorter) == stats.Met:
			good++
		case above(x, faster) == stats.Undecided || below(tail, shorter) == stats.Undecided:
			open++
		}
		worse = worse || below(x, slowerBy10) == stats.Met || above(tail, longerBy10) == stats.Met
		maybeWorse = maybeWorse || below(x, slowerBy10) == stats.Undecided || above(tail, longerBy10) == stats.Undecided
	}
	if n < len(combineCells) {
		return p
	}
	p.missing = ""
	switch {
	case worse || 2*(good+open) < n:
		p.outcome = stats.Missed
	case 2*good >= n && !maybeWorse:
		p.outcome = stats.Met
	}
	return p
}

// crashLess returns a point that is Met if a killed worker of the mix loses fewer connections
// than the parent's one process.
func (e *evidence) crashLess(mix, parent string) point {
	km, kp := faultKey(server{model: mix}, "kill"), faultKey(server{model: parent}, "kill")
	m, o := e.cell(km), e.cell(kp)
	if m == nil || o == nil {
		return point{missing: e.lackOf(km, kp)}
	}
	ratio := stats.MedianOf(stats.Pairs(m, radius, o, radius))
	return point{outcome: below(ratio, 1), cells: keys(m, o), effects: []Effect{{What: "blast radius of a kill ÷ " + parent, Estimate: ratio, Bound: "< 1", outcome: below(ratio, 1)}}}
}

// perWorker says how evenly connections are divided among the workers of a mix.
func (e *evidence) perWorker(mix string) string {
	for _, k := range []int{100, 10} {
		c := e.by[result.Key{Model: mix, Protocol: "echo", Workload: "echo", Clients: k, Loop: result.Closed}]
		if c == nil {
			continue
		}
		if xs := c.Values(stats.Busiest); len(xs) > 0 {
			return fmt.Sprintf("%s: of %s connections, its busiest worker has %s times an even share", mix, stats.Group(k), Effect{Estimate: stats.MedianOf(xs)}.interval())
		}
	}
	return ""
}
