package claims

import (
	"fmt"
	"math"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A band is a word of the document, as numbers of clients.
type band struct{ lo, hi float64 }

var bands = map[string]band{Processes: {1, 99}, Threads: {100, 999}, Async: {1000, math.Inf(1)}}

var scaleWorkloads = []struct{ name, protocol, workload string }{
	{"echo", "echo", "echo"},
	{"wait 50 ms", "http", waitWorkload},
}

var scale = &Claim{
	ID: "T3", Title: "Scalability",
	Charts: []string{"scaling", "open-latency"},
	Quote:  "Scalability: low (ones/tens), medium (hundreds), high (thousands+)",
	Says:   map[string]string{Processes: "low (ones/tens)", Threads: "medium (hundreds)", Async: "high (thousands+)"},
	Definition: "A server scales to S clients: beyond S it is slower, late, or fails. " +
		"Processes are one per client here, as threads and tasks are. S of 0 means that even a single client waits more than three times as long as ten clients do.",
	Experiment: "T3: echo, and a wait of 50 ms, from 1 client up to 10,000 or until a model fails; closed loop, and open loop at 70 % of capacity",
	Metric:     "S: [last pass, first fail], and which condition failed",
	Lesson:     "Each further client costs a process, a thread or an entry in a table, and each switch between them costs time. A model reaches its limit when that cost takes more than a tenth of its throughput, or when some clients wait much longer than others. A machine refuses clients for whom it has no memory, process numbers or descriptors.",
	Rule: Rule{"1", "S = largest N such that it and every smaller N has throughput ≥ 90 % of the model's best, open-loop p99 ≤ 3 × its p99 at N = 10, no errors, gates valid. " +
		"The best is that of N or fewer clients: while throughput still grows with the clients, a small N has not failed to scale. No errors means none in any repeat; gates are valid if at least half of the repeats count. " +
		"The band is supported if S lies in it for every workload, and refuted if in none; the interval of S comes from resampling the repeats. " +
		"The order is supported if the three intervals are disjoint in that order."},
	decide: func(e *evidence) []Verdict {
		ladders := map[string]map[string]ladder{}
		out := byColumn(perClient(), func(s server) Verdict {
			var points []point
			ladders[s.model] = map[string]ladder{}
			b := bands[s.column]
			for _, w := range scaleWorkloads {
				l := e.ladder(s.model, w.protocol, w.workload)
				ladders[s.model][w.name] = l
				points = append(points, l.inBand(w.name, b))
			}
			v := judge(s.subject(), "the workload", points...)
			if held := e.held(s.model); held != "" {
				v.Notes = append(v.Notes, held)
			}
			return v
		})
		for _, language := range Languages {
			out = append(out, order(language, ladders))
		}
		return out
	},
}

func (l *ladder) inBand(workload string, b band) point {
	if l.missing != "" {
		return point{at: workload, missing: l.missing}
	}
	p := point{at: workload, cells: l.cells()}
	ends := fmt.Sprintf("no failure up to %s clients", stats.Group(l.most()))
	if l.failAt > 0 {
		ends = fmt.Sprintf("fails at %s: %s", stats.Group(l.failAt), l.why)
	}
	p.effects = []Effect{{What: "S in clients, " + workload + "; " + ends, Estimate: l.s, Bound: "in the band"}}
	// S is at or above the low end of its interval, and below the rung after the high end.
	if l.s.Known() {
		from, to := l.s.Lo, l.next(l.s.Hi)
		switch {
		case from >= b.lo && (to <= b.hi+1 || math.IsInf(b.hi, 1)):
			p.outcome = stats.Met
		case from > b.hi || to <= b.lo:
			p.outcome = stats.Missed
		case l.failAt == 0 && from == float64(l.most()):
			p.missing = fmt.Sprintf("more clients of %s in %s: no failure up to %s", l.model, workload, stats.Group(l.most()))
		}
	}
	p.notes = append(p.notes, l.law(workload))
	return p
}

// law describes the fit of the scalability law.
func (l *ladder) law(workload string) string {
	head := fmt.Sprintf("%s, %s, Universal Scalability Law: ", l.model, workload)
	if l.fit.Refused != "" {
		return head + "refused, " + l.fit.Refused
	}
	with := func(e stats.Estimate, number func(float64) string) string {
		if !e.Known() {
			return number(e.Value)
		}
		return fmt.Sprintf("%s (%s – %s)", number(e.Value), number(e.Lo), number(e.Hi))
	}
	coefficient := func(x float64) string {
		if math.Abs(x) < 1e-9 { // the fit ends near 0, not at it
			return "0"
		}
		return fmt.Sprintf("%.3g", x)
	}
	clients := func(x float64) string {
		if math.IsInf(x, 1) {
			return "∞"
		}
		return stats.Group(int(math.Round(x)))
	}
	peak := "none"
	if p := l.fit.Peak; p.N > 0 {
		peak = with(p, clients) + " clients"
		if most := l.most(); p.Value > float64(most) {
			peak += fmt.Sprintf(" (beyond the %s that were tried)", stats.Group(most))
		}
	}
	return fmt.Sprintf("%scontention σ %s, coherency κ %s, peak %s, R² %.3f", head, with(l.fit.Contention, coefficient), with(l.fit.Coherency, coefficient), peak, l.fit.R2)
}

// heldOnly is the setting of cells whose connections stay open without requests.
var heldOnly = result.Setting{Name: "held"}

// held says how many connections a model kept open; all of them answered a probe.
func (e *evidence) held(model string) string {
	most, sec := 0, 0.0
	for _, c := range e.tiers(result.Key{Model: model, Protocol: "echo", Workload: result.Idle, Loop: result.Closed, Setting: heldOnly}) {
		if len(c.Counted) > 0 {
			most, sec = c.Clients, c.Counted[0].DurationSec
		}
	}
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("%s held %s idle connections for %.0f s, and each answered a probe; more were not tried", model, stats.Group(most), sec)
}

// order decides whether the three intervals are disjoint in the document's order.
func order(language string, ladders map[string]map[string]ladder) Verdict {
	s := subject{language: language, aside: "the order: processes < threads < async"}
	var points []point
	for _, w := range scaleWorkloads {
		p := point{at: w.name, outcome: stats.Met}
		var from, to float64
		for i, srv := range of(perClient(), language, "") {
			l, ok := ladders[srv.model][w.name]
			if !ok || l.missing != "" {
				p.missing = l.missing
				break
			}
			p.cells = append(p.cells, l.cells()...)
			p.effects = append(p.effects, Effect{What: srv.model + ": S in clients, " + w.name, Estimate: l.s, Bound: "disjoint, in this order"})
			if !l.s.Known() {
				p.outcome = stats.Undecided
				continue
			}
			lo, hi := l.s.Lo, l.next(l.s.Hi)
			switch {
			case i == 0 || lo >= to:
			case hi <= from:
				p.outcome = stats.Missed
			case p.outcome == stats.Met:
				p.outcome = stats.Undecided
			}
			from, to = lo, hi
		}
		points = append(points, p)
	}
	return judge(s, "the workload", points...)
}
