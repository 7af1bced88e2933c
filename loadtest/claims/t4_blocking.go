package claims

import (
	"fmt"
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

var blockShares = []result.Share{{Fraction: 0.001}, decidingShare, {Fraction: 0.1}}

// offload is the setting of a loop that gives blocking calls to a pool, usual the one of others.
var usual, offload = result.Setting{}, result.Setting{Name: "offload"}

var blocking = &Claim{
	ID: "T4", Title: "Use blocking standard-library functions",
	Charts:     []string{"interference"},
	Quote:      "Use blocking standard-library functions: yes, yes, no",
	Says:       map[string]string{Processes: "yes", Threads: "yes", Async: "no"},
	Definition: "A request that blocks for 100 ms in a system call delays the requests of other clients, or does not.",
	Experiment: "T4: plaintext at 100 clients, where 0, 0.1, 1 and 10 % of the requests call a blocking sleep of 100 ms; the same with the blocking call given to a pool of threads",
	Metric:     "interference I: the bystanders' p99 with ÷ without those that block",
	Lesson:     "A thread that sleeps in a system call delays only itself: the kernel runs another. A loop is one thread for all clients, so a call that blocks it for 100 ms blocks all of them for 100 ms. If one request in a hundred blocks, clients almost always wait. Given to a pool of threads, the call blocks one of those instead, at the price of two hand-overs per request.",
	Rule: Rule{"1", `At 1 %: "cannot use" if I ≥ 10, "can use" if I ≤ 2, by the whole intervals; between the two it depends on how much blocks. ` +
		"Supported for async if it cannot, for the others if they can. Offloading to a pool must bring the loop to I ≤ 2."},
	decide: func(e *evidence) []Verdict {
		servers := append(slices.Clone(contestants), server{language: Go, model: manyLoops})
		out := byColumn(servers, func(s server) Verdict {
			p := e.interference(s.model, s.model, usual, "block", decidingShare)
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
			out = append(out, e.offloaded(of(contestants, language, Async)[0]))
		}
		return out
	},
}

func (e *evidence) otherShares(s server) (notes []string) {
	for _, share := range blockShares {
		if share == decidingShare || e.by[closed(s.model, mixed("block", share), blockClients)] == nil {
			continue // the others are shown where they were measured
		}
		if p := e.interference(s.model, s.model, usual, "block", share); p.missing == "" {
			f := p.effects[0]
			notes = append(notes, s.model+": "+f.What+": "+f.interval())
		}
	}
	return notes
}

// offloaded is whether a pool of threads keeps the loop free, and what that
// costs.
func (e *evidence) offloaded(s server) Verdict {
	model, setting := s.model, offload
	if s.language == CPython {
		model, setting = s.model+"-offload", usual
	}
	p := e.interference(model, s.model, setting, "block", decidingShare).undisturbed()
	plain := closed(s.model, mixed("block", decidingShare), blockClients)
	k := with(closed(model, mixed("block", decidingShare), blockClients), setting)
	if a, b := e.cell(k), e.cell(plain); a != nil && b != nil {
		price := stats.RatioOf(a, b, stats.CPU)
		p.notes = append(p.notes, "price: CPU per request with the pool ÷ without: "+Effect{Estimate: price}.interval())
		p.cells = append(p.cells, keys(a, b)...)
	}
	return judge(subject{language: s.language, aside: s.model + ", blocking calls offloaded to a pool"}, "", p)
}

// frozen says what a loop should do, in closed form. It serves its N/loops clients in rounds,
// and the requests of a round that block delay all others, one after the other. The generator
// spreads them evenly: of each hundred requests of one of its loops one blocks. More than one
// falls into a round only if those of several generator loops coincide.
func frozen(c *stats.Cell, loops int) string {
	blocked := max(1, math.Round(float64(c.Clients)/float64(loops)*decidingShare.Fraction))
	measured := c.Median(kindP99(bystander))
	return fmt.Sprintf("closed form: a blocking request freezes 1/loops of all connections; with %s, one serves %d requests per round, and %.0f of them blocks: its bystanders wait %s, or a multiple if blocking requests of several generator loops coincide; measured %s",
		prose.Count(loops, "loop"), c.Clients/loops, blocked, stats.Seconds.Format(blocked*blockSec), Effect{Estimate: measured, Unit: stats.Seconds}.interval())
}
