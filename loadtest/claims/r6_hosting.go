package claims

import (
	"fmt"
	"math"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// The cells of R6.
const (
	sloP99   = 0.05
	sloLoad  = "plaintext"
	gibibyte = 1 << 30
)

var sloRate = result.Schedule{Rate: result.Rate{PerClient: 1}}

var money = &Claim{
	ID: "R6", Title: "Async serves lots of clients without having to buy more hosting",
	Charts:     []string{"open-latency", "memory"},
	Quote:      "want to handle lots of clients without having to buy more hosting",
	Definition: "Within the SLO, async carries more clients than the others for the same memory, and for the same cores.",
	Experiment: "R6: plaintext in the open loop at 1 request/s per client",
	Metric:     "clients carried within p99 ≤ 50 ms, per GiB of the server's memory (user, kernel stacks, page tables) and per core it keeps busy. Each model is taken at the most clients that it carries. If the one that carries fewer was not tried with more, both are taken at the most that both carry: otherwise the other would spread its fixed costs over more clients",
	Lesson:     "At one request per second a client mostly waits, and costs memory. A loop needs the least memory, until something else runs out first: a core, or descriptors.",
	Rule: Rule{"2", "Supported for a resource if async leads every other model of the table by a ratio whose interval excludes 1, and by more than the 5 % within which two are tied; refuted if another leads it by as much. " +
		"Supported if it is for both resources."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, language := range Languages {
			out = append(out, e.cheaper(language))
		}
		return out
	},
}

// A carrier is a server with the numbers of clients that it carries within the
// SLO, the fewest first.
type carrier struct {
	tiers []*stats.Cell
	ended bool   // it was tried with more, and did not carry them
	lack  string // why there are none
}

func (e *evidence) carried(model string) (c carrier) {
	k := result.Key{Model: model, Protocol: "http", Workload: sloLoad, Loop: result.Open, Rate: sloRate}
	cells := e.tiers(k)
	for _, t := range cells {
		if len(t.Counted) == 0 || t.Median(stats.P99).AtMost(sloP99) != stats.Met {
			c.ended = true
			break
		}
		c.tiers = append(c.tiers, t)
	}
	switch {
	case len(c.tiers) > 0:
	case len(cells) == 0:
		k.Clients = 1000
		c.lack = e.lack(k)
	default:
		c.lack = fmt.Sprintf("a number of clients that %s carries within the SLO: it does not carry %s", model, stats.Group(cells[0].Clients))
	}
	return c
}

// most returns the cell with the most clients that the server is known to carry.
func (c carrier) most() *stats.Cell { return c.tiers[len(c.tiers)-1] }

// comparedWith returns the cells in which two servers are compared: each at the most clients
// that it carries, if that is known for the one that carries fewer, or else both at the most
// that both carry. They are nil if there is no common number.
func (c carrier) comparedWith(o carrier) (mine, other *stats.Cell) {
	fewer := c
	if o.most().Clients < c.most().Clients {
		fewer = o
	}
	if fewer.ended {
		return c.most(), o.most()
	}
	for _, t := range c.tiers {
		for _, u := range o.tiers {
			if t.Clients == u.Clients {
				mine, other = t, u
			}
		}
	}
	return mine, other
}

func (e *evidence) cheaper(language string) Verdict {
	s := subject{language: language}
	lead := of(contestants, language, Async)[0].model
	all := map[string]carrier{}
	for _, srv := range of(contestants, language, "") {
		all[srv.model] = e.carried(srv.model)
	}
	own := all[lead]
	if own.lack != "" {
		return undecidable(s, own.lack)
	}
	perGiB := func(c *stats.Cell) []float64 {
		return inverse(scaled(c.Values(ownMemoryBytes), 1/float64(gibibyte)), float64(c.Clients))
	}
	perCore := func(c *stats.Cell) []float64 { return inverse(c.Values(cpuCores), float64(c.Clients)) }
	var points []point
	var notes []string
	for _, res := range []struct {
		at string
		of func(*stats.Cell) []float64
	}{{"memory", perGiB}, {"cores", perCore}} {
		p := point{at: res.at, outcome: stats.Met}
		for _, other := range of(contestants, language, "") {
			if other.model == lead {
				continue
			}
			if lack := all[other.model].lack; lack != "" {
				p.missing = lack
				continue
			}
			a, b := own.comparedWith(all[other.model])
			if a == nil {
				p.missing = fmt.Sprintf("a number of clients that both %s and %s were tried with and carry", lead, other.model)
				continue
			}
			ratio := stats.RatioOfMedians(res.of(a), res.of(b))
			p.effects = append(p.effects, Effect{
				What: fmt.Sprintf("clients per %s, %s at %s ÷ %s at %s clients", map[string]string{"memory": "GiB", "cores": "core"}[res.at], lead, stats.Group(a.Clients), other.model, stats.Group(b.Clients)), Estimate: ratio, Bound: "> 1", outcome: leads(ratio),
			})
			p.cells = append(p.cells, keys(a, b)...)
			switch o := leads(ratio); {
			case o == stats.Missed && below(ratio, 1) == stats.Met && stats.Unlike(ratio):
				p.outcome = stats.Missed
			case o != stats.Met && p.outcome == stats.Met:
				p.outcome = stats.Undecided
			}
		}
		points = append(points, p)
		most := own.most()
		notes = append(notes, fmt.Sprintf("%s carries %s clients per %s, at %s", lead, Effect{Estimate: stats.MedianOf(res.of(most))}.interval(), map[string]string{"memory": "GiB", "cores": "core"}[res.at], stats.Group(most.Clients)))
	}
	for _, srv := range of(contestants, language, "") {
		if c := all[srv.model]; len(c.tiers) > 0 {
			note := fmt.Sprintf("%s carries %s clients within the SLO", srv.model, stats.Group(c.most().Clients))
			if !c.ended {
				note += "; more were not tried"
			}
			notes = append(notes, note)
		}
	}
	v := judge(s, "the resource", points...)
	v.Notes = append(v.Notes, notes...)
	return v
}

// inverse returns by ÷ x for each x above 0.
func inverse(xs []float64, by float64) []float64 {
	var out []float64
	for _, x := range xs {
		if x > 0 && !math.IsNaN(x) {
			out = append(out, by/x)
		}
	}
	return out
}
