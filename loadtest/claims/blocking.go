package claims

import (
	"fmt"
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// What T4 and R4 ask for, and their bounds.
const (
	bystander      = "plaintext"
	blockClients   = 100
	blockSec       = 0.1
	stalls         = 10
	undisturbed    = 2
	decidingShare  = "1%"
	offloadSetting = "offload"
)

var blockShares = []string{"0.1%", "1%", "10%"}

// shareOf are they as numbers.
var shareOf = map[string]float64{"0.1%": 0.001, "1%": 0.01, "10%": 0.1}

var blocking = &Claim{
	ID: "T4", Title: "Use blocking standard-library functions",
	Charts:     []string{"interference"},
	Quote:      "Use blocking standard-library functions: yes, yes, no",
	Says:       map[string]string{Processes: "yes", Threads: "yes", Async: "no"},
	Definition: "A request that blocks for 100 ms in a system call holds up those of other clients, or does not.",
	Experiment: "T4: plaintext at 100 clients, of whose requests 0, 0.1, 1 and 10 % call a blocking sleep of 100 ms; the same with the blocking call given to a pool of threads",
	Metric:     "interference I: the bystanders' p99 with ÷ without those that block",
	Lesson:     "A thread that sleeps in a system call holds up only itself: the kernel runs another. A loop is one thread for everybody, so a call that blocks it for 100 ms blocks all of its clients for 100 ms, and at one such request in a hundred somebody is always blocked. Given to a pool of threads, the call blocks one of those instead; the price is two hand-overs a request.",
	Rule: Rule{"1", `At 1 %: "cannot use" if I ≥ 10, "can use" if I ≤ 2, by the whole intervals; between the two it depends on how much blocks. ` +
		"Supported for async if it cannot, for the others if they can. Offloading to a pool must bring the loop to I ≤ 2."},
	decide: func(e *evidence) []Verdict {
		servers := append(slices.Clone(table), server{language: Go, model: manyLoops})
		out := byColumn(servers, func(s server) Verdict {
			p := e.interference(s.model, s.model, "", "block", decidingShare)
			if p.missing == "" {
				p.notes = append(p.notes, e.otherShares(s)...)
			}
			if s.column == Async {
				p = p.flip()
			}
			if c := e.cell(closed(s.model, mixed("block", decidingShare), blockClients)); c != nil && p.missing == "" {
				switch {
				case s.column == Async:
					p.notes = append(p.notes, frozen(c, 1))
				case s.model == manyLoops:
					p.notes = append(p.notes, frozen(c, max(1, serverCPUs(c))))
				}
			}
			return judge(s.subject(), "how much blocks", p)
		})
		for _, language := range Languages {
			out = append(out, e.offloaded(of(table, language, Async)[0]))
		}
		return out
	},
}

var replacement = &Claim{
	ID: "R4", Title: "Async uses the framework's replacements",
	Charts:     []string{"interference"},
	Quote:      "your program has to use the framework's replacements for the blocking standard-library functions",
	Definition: "The loop's own timer in place of the blocking sleep holds nobody up.",
	Experiment: "R4: T4 at 1 % with a wait on the loop's timer instead of the blocking sleep",
	Metric:     "interference I, as in T4",
	Lesson:     "The framework's own sleep does not block: it notes when to go on, and the loop serves others until then. What is meant by replacement is just that, for every call that could block.",
	Rule:       Rule{"1", "Supported if I ≤ 2 by the whole interval; refuted if it is above."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, language := range Languages {
			s := of(table, language, Async)[0]
			out = append(out, judge(subject{language: language}, "", e.interference(s.model, s.model, "", "wait", decidingShare).undisturbed()))
		}
		return out
	},
}

func mixed(kind, share string) string { return bystander + "+" + share + kind + "-100ms" }

// interference holds if the bystanders are not held up. Model and plain are the
// names of the server with those that disturb and without.
func (e *evidence) interference(model, plain, setting, kind, share string) point {
	km, kp := with(closed(model, mixed(kind, share), blockClients), setting), closed(plain, bystander, blockClients)
	m, p := e.cell(km), e.cell(kp)
	if m == nil || p == nil {
		return point{missing: e.lackOf(km, kp)}
	}
	i := stats.MedianOf(paired(m, kindP99(bystander), p, stats.P99))
	out := point{cells: keys(m, p), effects: []Effect{{What: "I at " + share + " " + kind, Estimate: i, Bound: "≤ 2, or ≥ 10"}}}
	if away := stats.Median(values(m, stats.Throughput)) * shareOf[share] * blockSec; away >= 1 {
		out.notes = append(out.notes, fmt.Sprintf("%s at %s %s: of its %s clients some %.0f wait at a time, and the others have the server to themselves: I can be below 1", model, share, kind, stats.Group(m.Clients), away))
	}
	switch {
	case i.AtMost(undisturbed) > 0:
		out.holds = 1
	case i.AtLeast(stalls) > 0:
		out.holds = -1
	case i.Known() && i.Lo > undisturbed && i.Hi < stalls:
		out.between = fmt.Sprintf("on how much blocks and what a bystander can bear: at %s it waits %.3g times as long (%.3g – %.3g)", share, i.Value, i.Lo, i.Hi)
	}
	return out
}

// undisturbed is the point where only one bound is asked.
func (p point) undisturbed() point {
	if p.missing == "" {
		f := p.effects[0]
		f.Bound = "≤ 2"
		p.between, p.holds, p.effects = "", f.AtMost(undisturbed), []Effect{f}
	}
	return p
}

func (e *evidence) otherShares(s server) (notes []string) {
	for _, share := range blockShares {
		if share == decidingShare || e.by[closed(s.model, mixed("block", share), blockClients)] == nil {
			continue // the others are shown where they were measured
		}
		if p := e.interference(s.model, s.model, "", "block", share); p.missing == "" {
			f := p.effects[0]
			notes = append(notes, s.model+": "+f.What+": "+f.interval())
		}
	}
	return notes
}

// offloaded is whether a pool of threads keeps the loop free, and what that
// costs.
func (e *evidence) offloaded(s server) Verdict {
	model, setting := s.model, offloadSetting
	if s.language == CPython {
		model, setting = s.model+"-offload", ""
	}
	p := e.interference(model, s.model, setting, "block", decidingShare).undisturbed()
	plain := closed(s.model, mixed("block", decidingShare), blockClients)
	k := with(closed(model, mixed("block", decidingShare), blockClients), setting)
	if a, b := e.cell(k), e.cell(plain); a != nil && b != nil {
		price := stats.RatioOf(a, b, stats.CPU)
		p.notes = append(p.notes, "price: CPU per request with the pool ÷ without: "+Effect{Estimate: price}.interval())
		p.cells = append(p.cells, keys(a, b)...)
	}
	return judge(subject{s.language, "", s.model + ", blocking calls offloaded to a pool"}, "", p)
}

// frozen is what a loop should do, in closed form: it serves its N/loops clients
// in rounds, and those of a round whose requests block hold up all others, one
// after the other. The generator deals them out evenly: of each hundred requests of
// one of its loops one blocks, so that more than one falls into a round only where
// those of several meet.
func frozen(c *stats.Cell, loops int) string {
	share := shareOf[decidingShare]
	blocked := max(1, math.Round(float64(c.Clients)/float64(loops)*share))
	measured := stats.MedianOf(values(c, kindP99(bystander)))
	return fmt.Sprintf("closed form: a blocker freezes 1/loops of all connections; with %s, one serves %d requests a round, of which %.0f blocks: its bystanders wait %s, or a multiple where those of several of the generator's loops meet; measured %s",
		count(loops, "loop"), c.Clients/loops, blocked, stats.Seconds.Format(blocked*blockSec), Effect{Estimate: measured, Unit: stats.Seconds}.interval())
}
