package claims

import (
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// The cells of B1, and its bounds.
const (
	faultLoad    = "plaintext"
	faultClients = 100
	radiusTimes  = 1.5
	recoverySec  = 1
)

// fromWithin are the faults of the program itself. The others are signals, which come from
// outside and always hit a process.
var (
	fromWithin = []string{"panic", "fatal", "leak"}
	faultKinds = append(slices.Clone(fromWithin), "kill", "stop", "crashes")
)

// faultKey returns the key of a server with a fault. A CPython control has the routes for
// faults from within only in a model of its own.
func faultKey(s server, kind string) result.Key {
	model := s.model
	if s.language == CPython && slices.Contains(fromWithin, kind) {
		model += "-faults"
	}
	return with(closed(model, faultLoad, faultClients), result.Setting{Fault: kind})
}

// hurt returns how many connections a fault took. A stopped process has lost its connections
// while it is stopped. Of several crashes it returns the worst, as Lost counts a client once,
// however often it is hit.
func hurt(f *result.Fault) float64 {
	switch f.Kind {
	case "stop":
		return float64(max(f.Hit, f.Lost))
	case "crashes":
		return float64(f.Hit)
	}
	return float64(f.Lost)
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
	// radius is the fraction of the connections that a fault takes.
	radius = stats.Metric{Name: "radius", Title: "blast radius", Value: ofFault(func(f *result.Fault) float64 { return hurt(f) / float64(f.Open) })}
	// byWorkers is the radius as a multiple of a worker's share. byClients is the radius in
	// connections, for servers with a thread or a task for each.
	byWorkers = stats.Metric{Name: "radius-workers", Value: ofFault(func(f *result.Fault) float64 { return hurt(f) / float64(f.Open) * float64(max(1, f.Workers)) })}
	byClients = stats.Metric{Name: "radius-clients", Value: ofFault(hurt)}
	// spilled is the number of connections of other processes that failed, too. With several
	// crashes it is not known which process lost which connection.
	spilled = stats.Metric{Name: "spilled", Value: ofFault(func(f *result.Fault) float64 {
		if f.Kind == "crashes" {
			return math.NaN()
		}
		return math.Max(0, float64(f.Lost-f.Hit))
	})}
	recovery = stats.Metric{Name: "recovery", Unit: stats.Seconds, Value: ofFault(func(f *result.Fault) float64 {
		switch {
		case f.RecoverySec < 0:
			return math.Inf(1)
		case f.Kind == "crashes" && f.EndSec == 0:
			return math.NaN() // an old record, which does not say when the last one was
		case f.EndSec > f.AtSec:
			return math.Max(0, f.RecoverySec-(f.EndSec-f.AtSec))
		}
		return f.RecoverySec
	})}
	bystanderTimes = stats.Metric{Name: "bystanders", Value: ofFault(func(f *result.Fault) float64 { return f.UnaffectedP99 / f.P99 })}
)

var isolation = &Claim{
	ID: "B1", Title: "An error in one process does not hurt another",
	Charts:     []string{"faults"},
	Quote:      "an error or memory leak in one process will not hurt the execution of another process; that is not necessarily the case for threads",
	Definition: "A fault in one worker costs that worker's connections and no others; the server is soon as fast as before.",
	Experiment: "B1: 100 clients ask for plaintext while one worker panics (in CPython: raises an uncaught exception), fails fatally, leaks memory up to a limit, is killed (−9), is stopped and continued, and crashes several times in a row",
	Metric:     "blast radius = connections lost ÷ open (for a stopped process, all its connections; for several crashes, those of the worst); connections of other workers lost; recovery = time until throughput is back at 95 %, after the end of a stop and after the last crash; bystanders' p99 ratio",
	Lesson:     "The kernel gives each process its own memory and descriptors and takes them back when it ends, so an error ends one process and its connections. Threads share all of that: whatever ends the process (a signal, a bad access, running out of memory, in Go a panic) ends all of its threads. An exception that ends only its thread, as in CPython, does not. A stopped process is worse than a dead one: its clients wait, and nothing replaces it.",
	Rule: Rule{"2", "A fault is isolated if radius ≤ 1.5 ÷ workers, no failure on the other workers' connections in any repeat, recovery ≤ 1 s, by the whole intervals. " +
		"Workers are the processes that hold connections; where one process has threads, each thread is one. " +
		"Supported for processes if every fault is isolated. For threads the document says less (\"not necessarily\"): supported if a fault of the program itself is not isolated. Signals do not count for threads, as they hit a whole process."},
	decide: func(e *evidence) []Verdict {
		var servers []server
		for _, s := range contestants {
			if s.column != Async {
				servers = append(servers, s)
			}
		}
		out := byColumn(servers, func(s server) Verdict {
			var points []point
			kinds := faultKinds
			if s.column == Threads {
				kinds = fromWithin
			}
			for _, kind := range kinds {
				points = append(points, e.isolates(s, kind))
			}
			if s.column != Threads {
				return judge(s.subject(), "the fault", points...)
			}
			v := judge(s.subject(), "the fault", notNecessarily(points)...)
			for _, kind := range faultKinds {
				if slices.Contains(fromWithin, kind) {
					continue
				}
				if p := e.isolates(s, kind); p.missing == "" {
					v.Cells = append(v.Cells, p.cells...)
					v.Notes = append(v.Notes, p.effects[0].What+": "+p.effects[0].interval())
				}
			}
			return v
		})
		return slices.DeleteFunc(out, func(v Verdict) bool { return v.Column == Async })
	},
}

// notNecessarily keeps the points that decide a claim that something is not always so.
func notNecessarily(points []point) []point {
	var hurts []point
	for i := range points {
		points[i] = points[i].flip()
		if points[i].outcome == stats.Met && points[i].missing == "" {
			hurts = append(hurts, points[i])
		}
	}
	if len(hurts) > 0 {
		return hurts
	}
	return points
}

func (e *evidence) isolates(s server, kind string) point {
	k := faultKey(s, kind)
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
	// One failure in one repeat is a failure, which a median would not show.
	share, spill, rec := c.Median(times), mean(c.Values(spilled)), c.Median(recovery)
	if share.N == 0 {
		p.missing = "a fault in the record of " + k.String()
		return p
	}
	p.cells = keys(c)
	p.effects = []Effect{
		{What: kind + ": blast radius × " + of, Estimate: share, Bound: "≤ 1.5", outcome: share.AtMost(radiusTimes)},
		{What: kind + ": recovery", Unit: stats.Seconds, Estimate: rec, Bound: "≤ 1 s", outcome: rec.AtMost(recoverySec)},
		{What: kind + ": blast radius", Estimate: c.Median(radius)},
		{What: kind + ": bystanders' p99 ÷ before", Estimate: c.Median(bystanderTimes)},
	}
	p.outcome = both(share.AtMost(radiusTimes), rec.AtMost(recoverySec))
	if spill.N > 0 {
		lost := Effect{What: kind + ": connections of other workers lost, mean", Estimate: spill, Bound: "0", outcome: spill.AtMost(0)}
		if spill.Known() && spill.Value > 0 {
			lost.outcome = stats.Missed
		}
		p.effects = append(p.effects, lost)
		p.outcome = both(p.outcome, lost.outcome)
	}
	return p
}
