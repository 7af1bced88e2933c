package claims

import (
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// What B1 asks for, and its bounds.
const (
	faultLoad    = "plaintext"
	faultClients = 100
	radiusTimes  = 1.5
	recoverySec  = 1
)

// faultKinds are what is done to a server. A control in another language has no
// routes that make it fail, so that it gets the signals only.
var faultKinds = map[string][]string{
	Go:      {"panic", "fatal", "kill", "stop", "leak", "crashes"},
	CPython: {"kill", "stop"},
}

func faultKey(model, kind string) result.Key {
	return with(closed(model, faultLoad, faultClients), "fault "+kind)
}

// hurt is how many connections a fault took, of one time that it was done.
// Those of a process that is stopped are lost for as long as it is.
func hurt(f *result.Fault) float64 {
	if f.Kind == "stop" {
		return float64(max(f.Hit, f.Lost))
	}
	return float64(f.Lost) / float64(max(1, f.Crashes))
}

func ofFault(f func(*result.Fault) float64) func(*result.Repeat) (float64, bool) {
	return func(r *result.Repeat) (float64, bool) {
		if r.Fault == nil || r.Fault.Open == 0 {
			return 0, false
		}
		v := f(r.Fault)
		return v, !math.IsNaN(v)
	}
}

var (
	// radius is the part of the connections that a fault takes.
	radius = stats.Metric{Name: "radius", Title: "blast radius", Value: ofFault(func(f *result.Fault) float64 { return hurt(f) / float64(f.Open) })}
	// byWorkers is the radius in shares of a worker, byClients in connections:
	// where a thread or a task has one, that is its share.
	byWorkers = stats.Metric{Name: "radius-workers", Value: ofFault(func(f *result.Fault) float64 { return hurt(f) / float64(f.Open) * float64(max(1, f.Workers)) })}
	byClients = stats.Metric{Name: "radius-clients", Value: ofFault(hurt)}
	// spilled are connections that other processes held, and that failed too.
	spilled  = stats.Metric{Name: "spilled", Value: ofFault(func(f *result.Fault) float64 { return math.Max(0, float64(f.Lost-f.Hit*max(1, f.Crashes))) })}
	recovery = stats.Metric{Name: "recovery", Unit: stats.Seconds, Value: ofFault(func(f *result.Fault) float64 {
		switch {
		case f.RecoverySec < 0:
			return math.Inf(1)
		case f.EndSec > f.AtSec:
			return math.Max(0, f.RecoverySec-(f.EndSec-f.AtSec))
		}
		return f.RecoverySec
	})}
	bystanderTimes = stats.Metric{Name: "bystanders", Value: ofFault(func(f *result.Fault) float64 { return f.BystanderP99 / f.P99 })}
)

var isolation = &Claim{
	ID: "B1", Title: "An error in one process does not hurt another",
	Charts:     []string{"faults"},
	Quote:      "an error or memory leak in one process will not hurt the execution of another process; that is not necessarily the case for threads",
	Definition: "What is done to one worker costs its own connections and no others; the server is soon as fast as before.",
	Experiment: "B1: 100 clients ask for plaintext while one worker panics, fails fatally, is killed (−9), is stopped and continued, leaks memory to a limit, and crashes several times in a row. CPython's servers get the signals only",
	Metric:     "blast radius = connections lost ÷ open (of a stopped process: those it holds); connections lost of other workers; recovery = time back to 95 % of throughput, of a stop from its end, of crashes from the last; bystanders' p99 ratio",
	Lesson:     "The kernel gives each process its own memory and descriptors and takes them back when it ends, so an error ends one process and its connections. Threads share all of that: what kills one kills the process. A stopped process is worse than a dead one, as its clients wait and nobody replaces it.",
	Rule: Rule{"1", "A fault is isolated if radius ≤ 1.5 ÷ workers, no failure on the other workers' connections, recovery ≤ 1 s, by the whole intervals. " +
		"Workers are the processes that hold connections; where one process has threads, each thread is one. " +
		"Supported for processes if every fault is isolated; for threads, of which less is said (\"not necessarily\"), if one is not."},
	decide: func(e *evidence) []Verdict {
		var servers []server
		for _, s := range table {
			if s.column != Async {
				servers = append(servers, s)
			}
		}
		out := byColumn(servers, func(s server) Verdict {
			var points []point
			for _, kind := range faultKinds[s.language] {
				points = append(points, e.isolates(s, kind))
			}
			if s.column == Threads {
				points = notNecessarily(points)
			}
			return judge(s.subject(), "the fault", points...)
		})
		return slices.DeleteFunc(out, func(v Verdict) bool { return v.Column == Async })
	},
}

// notNecessarily keeps what decides a claim that something is not always so.
func notNecessarily(points []point) []point {
	var hurts []point
	for i := range points {
		points[i] = points[i].flip()
		if points[i].holds > 0 && points[i].missing == "" {
			hurts = append(hurts, points[i])
		}
	}
	if len(hurts) > 0 {
		return hurts
	}
	return points
}

func (e *evidence) isolates(s server, kind string) point {
	k := faultKey(s.model, kind)
	p := point{at: kind}
	c := e.cell(k)
	if c == nil {
		p.missing = e.lack(k)
		return p
	}
	times, of := byWorkers, "workers"
	if s.column != Processes {
		times, of = byClients, "clients"
	}
	share, spill, rec := stats.MedianOf(values(c, times)), stats.MedianOf(values(c, spilled)), stats.MedianOf(values(c, recovery))
	if share.N == 0 {
		p.missing = "a fault in the record of " + k.String()
		return p
	}
	p.cells = keys(c)
	p.effects = []Effect{
		{What: kind + ": blast radius × " + of, Estimate: share, Bound: "≤ 1.5"},
		{What: kind + ": connections of other workers lost", Estimate: spill, Bound: "0"},
		{What: kind + ": recovery", Unit: stats.Seconds, Estimate: rec, Bound: "≤ 1 s"},
		{What: kind + ": blast radius", Estimate: stats.MedianOf(values(c, radius))},
		{What: kind + ": bystanders' p99 ÷ before", Estimate: stats.MedianOf(values(c, bystanderTimes))},
	}
	p.holds = both(both(share.AtMost(radiusTimes), spill.AtMost(0)), rec.AtMost(recoverySec))
	return p
}
