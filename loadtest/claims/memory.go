package claims

import (
	"fmt"
	"math"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// Fewest numbers of clients for a slope of memory.
const leastTiers = 5

// Kinds of memory, by the kernel's count at the end of the window.
var memoryKinds = []stats.Metric{
	{Name: "user", Title: "user (PSS)", Unit: stats.Bytes, Value: ofUsage(func(s *result.Server) int64 { return s.PSSBytes })},
	{Name: "stacks", Title: "kernel stacks", Unit: stats.Bytes, Value: ofUsage(func(s *result.Server) int64 { return s.KernelStackBytes })},
	{Name: "tables", Title: "page tables", Unit: stats.Bytes, Value: ofUsage(func(s *result.Server) int64 { return s.PageTableBytes })},
}

var (
	// ownMemoryBytes is what a model itself takes: its sockets are the same for all.
	ownMemoryBytes = stats.Metric{Name: "own", Title: "memory", Unit: stats.Bytes, Value: ofUsage(func(s *result.Server) int64 { return s.PSSBytes + s.KernelStackBytes + s.PageTableBytes })}
	socketBytes    = stats.Metric{Name: "sockets", Title: "sockets, the floor", Unit: stats.Bytes, Value: ofUsage(func(s *result.Server) int64 { return s.SocketBytes })}
)

func ofUsage(f func(*result.Server) int64) func(*result.Repeat) (float64, bool) {
	return func(r *result.Repeat) (float64, bool) { return float64(f(&r.Server)), r.Server.PSSBytes > 0 }
}

var memoryLoads = []struct{ name, workload string }{{"idle", result.Idle}, {"active", "echo"}}

var memory = &Claim{
	ID: "R3", Title: "Processes duplicate everything, async is extremely lightweight",
	Charts:     []string{"memory-kinds"},
	Quote:      "each process will have (a) a copy of the Python interpreter, plus (b) all the resources that it uses … threads are a little bit more lightweight than processes … these are extremely lightweight",
	Definition: "A client more costs a process per client most memory, a thread per client less, and a task on a loop least.",
	Experiment: "R3: idle connections at five or more numbers of clients, and T3's echo for active ones; what it takes to start one by the trials start and python-start",
	Metric:     "bytes per added client: slope by least squares over the repeats, of user memory, kernel stacks and page tables together, and of each; the intercept is the fixed cost; sockets are the floor",
	Lesson:     "A client is a socket in the kernel in any model; what differs is what stands beside it. A process has page tables, stacks and a runtime of its own; a thread has a stack in the kernel and one in the program; a loop keeps an entry in a table. What processes share is counted once here (PSS).",
	Rule: Rule{"1", "Supported if the slopes' intervals are disjoint in that order, idle and active; refuted if two are disjoint in another order. " +
		"A slope takes 5 numbers of clients."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, language := range Languages {
			var points []point
			for _, load := range memoryLoads {
				points = append(points, e.lighter(language, load.name, load.workload))
			}
			points[0] = e.starts(points[0], language)
			out = append(out, judge(subject{language: language}, "what the clients do", points...))
		}
		return out
	},
}

// lighter holds if a client more costs the less the further right its column is.
func (e *evidence) lighter(language, name, workload string) point {
	p := point{at: name + " clients", holds: 1}
	var above stats.Estimate
	for i, s := range of(perClient(), language, "") {
		cells := e.tiers(result.Key{Model: s.model, Protocol: "echo", Workload: workload, Loop: result.Closed})
		own := slope(cells, ownMemoryBytes)
		if own.Distinct < leastTiers {
			p.missing = fmt.Sprintf("numbers of %s clients of %s: %d were measured, a slope takes %d", name, s.model, own.Distinct, leastTiers)
			continue
		}
		p.cells = append(p.cells, keys(cells...)...)
		p.effects = append(p.effects, Effect{What: s.model + ": bytes per " + name + " client", Unit: stats.Bytes, Estimate: own.Slope, Bound: "disjoint, falling", each: leastRepeats(cells)})
		note := fmt.Sprintf("%s, %s: fixed cost %s; per client", s.model, name, Effect{Estimate: own.Intercept, Unit: stats.Bytes}.interval())
		for _, m := range append(memoryKinds[:len(memoryKinds):len(memoryKinds)], socketBytes) {
			if l := slope(cells, m); l.Slope.N > 0 && (l.Slope.Value != 0 || m.Name == "user") {
				note += fmt.Sprintf(" %s %s,", m.Title, stats.Bytes.Format(l.Slope.Value))
			}
		}
		p.notes = append(p.notes, note[:len(note)-1])
		switch {
		case i == 0:
		case own.Slope.Hi < above.Lo:
		case own.Slope.Lo > above.Hi:
			p.holds = -1
		case p.holds > 0:
			p.holds = 0
		}
		above = own.Slope
	}
	return p
}

// starts says what it takes to start what serves a client.
func (e *evidence) starts(p point, language string) point {
	name := trialOf(language, startTrial)
	for _, x := range []struct{ variant, note string }{
		{"process", "a process takes %s to start"},
		{"reuse", "an idle one takes %s to be handed a connection"},
		{"thread", "a thread takes %s to start"},
		{"goroutine", "a goroutine takes %s to start"},
		{"task", "a task takes %s to start"},
	} {
		if vs := e.trialValues(name, x.variant, startValue); len(vs) > 0 {
			p.notes = append(p.notes, fmt.Sprintf(x.note, Effect{Estimate: stats.MedianOf(vs), Unit: stats.Seconds}.interval()))
			p.trials = append(p.trials, name+" "+x.variant)
		}
	}
	return p
}

// leastRepeats is the least number that count of a cell.
func leastRepeats(cells []*stats.Cell) int {
	least := 0
	for _, c := range cells {
		if n := len(c.Counted); n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}

// slope is a metric against clients, over all repeats that count.
func slope(cells []*stats.Cell, m stats.Metric) stats.Line {
	var xs, ys []float64
	for _, c := range cells {
		for _, v := range values(c, m) {
			xs, ys = append(xs, float64(c.Clients)), append(ys, v)
		}
	}
	return stats.LineOf(xs, ys)
}

// What R6 asks for.
const (
	sloP99   = 0.05
	sloRate  = "1/s per client"
	sloLoad  = "plaintext"
	gibibyte = 1 << 30
)

var money = &Claim{
	ID: "R6", Title: "Async serves lots of clients without having to buy more hosting",
	Charts:     []string{"open-latency", "memory"},
	Quote:      "want to handle lots of clients without having to buy more hosting",
	Definition: "Within the SLO, async carries more clients than the others for the same memory, and for the same cores.",
	Experiment: "R6: plaintext in the open loop at 1 request/s per client",
	Metric:     "clients carried within p99 ≤ 50 ms, per GiB of the server's memory (user, kernel stacks, page tables) and per core it keeps busy. Each model at the most clients that it carries; but if the one that carries fewer was not asked for more, both at the most that both carry: what does not grow with the clients would be spread over more of them",
	Lesson:     "At one request a second a client mostly waits, and what it costs is memory. That is what a loop needs least of, until something else gives out first: a core, or descriptors.",
	Rule: Rule{"2", "Supported for a resource if async leads every other model of the table by a ratio whose interval excludes 1, and by more than the 5 % within which two are tied; refuted if another leads it so. " +
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
	ended bool   // it was asked for more, and did not carry them
	lack  string // why there are none
}

func (e *evidence) carried(model string) (c carrier) {
	k := result.Key{Model: model, Protocol: "http", Workload: sloLoad, Loop: result.Open, Rate: sloRate}
	cells := e.tiers(k)
	for _, t := range cells {
		if len(t.Counted) == 0 || !(stats.MedianOf(values(t, stats.P99)).AtMost(sloP99) > 0) {
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
		c.lack = fmt.Sprintf("a number of clients that %s carries within the SLO: it does not at %s", model, stats.Group(cells[0].Clients))
	}
	return c
}

// most is the cell with the most clients that it carries, as far as that is known.
func (c carrier) most() *stats.Cell { return c.tiers[len(c.tiers)-1] }

// beside are the cells in which two are compared: each at the most that it
// carries, if that is known of the one that carries fewer, or both at the most that
// both do. They are nil if there is no such number.
func (c carrier) beside(o carrier) (mine, other *stats.Cell) {
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
	lead := of(table, language, Async)[0].model
	all := map[string]carrier{}
	for _, srv := range of(table, language, "") {
		all[srv.model] = e.carried(srv.model)
	}
	own := all[lead]
	if own.lack != "" {
		return undecidable(s, own.lack)
	}
	perGiB := func(c *stats.Cell) []float64 {
		return inverse(scaled(values(c, ownMemoryBytes), 1/float64(gibibyte)), float64(c.Clients))
	}
	perCore := func(c *stats.Cell) []float64 { return inverse(values(c, cpuCores), float64(c.Clients)) }
	var points []point
	var notes []string
	for _, res := range []struct {
		at string
		of func(*stats.Cell) []float64
	}{{"memory", perGiB}, {"cores", perCore}} {
		p := point{at: res.at, holds: 1}
		for _, other := range of(table, language, "") {
			if other.model == lead {
				continue
			}
			if lack := all[other.model].lack; lack != "" {
				p.missing = lack
				continue
			}
			a, b := own.beside(all[other.model])
			if a == nil {
				p.missing = fmt.Sprintf("a number of clients that both %s and %s were asked for and carry", lead, other.model)
				continue
			}
			ratio := stats.Bootstrap([][]float64{res.of(a), res.of(b)}, func(x [][]float64) float64 { return stats.Median(x[0]) / stats.Median(x[1]) })
			p.effects = append(p.effects, Effect{
				What: fmt.Sprintf("clients per %s, %s at %s ÷ %s at %s clients", map[string]string{"memory": "GiB", "cores": "core"}[res.at], lead, stats.Group(a.Clients), other.model, stats.Group(b.Clients)), Estimate: ratio, Bound: "> 1", holds: leads(ratio),
			})
			p.cells = append(p.cells, keys(a, b)...)
			switch h := leads(ratio); {
			case h < 0 && below(ratio, 1) > 0 && stats.Unlike(ratio):
				p.holds = -1
			case h <= 0 && p.holds > 0:
				p.holds = 0
			}
		}
		points = append(points, p)
		most := own.most()
		notes = append(notes, fmt.Sprintf("%s carries %s clients per %s, at %s", lead, Effect{Estimate: stats.MedianOf(res.of(most))}.interval(), map[string]string{"memory": "GiB", "cores": "core"}[res.at], stats.Group(most.Clients)))
	}
	for _, srv := range of(table, language, "") {
		if c := all[srv.model]; len(c.tiers) > 0 {
			note := fmt.Sprintf("%s carries %s clients within the SLO", srv.model, stats.Group(c.most().Clients))
			if !c.ended {
				note += "; more were not asked for"
			}
			notes = append(notes, note)
		}
	}
	v := judge(s, "the resource", points...)
	v.Notes = append(v.Notes, notes...)
	return v
}

// inverse is by ÷ each of xs that is above 0.
func inverse(xs []float64, by float64) []float64 {
	var out []float64
	for _, x := range xs {
		if x > 0 && !math.IsNaN(x) {
			out = append(out, by/x)
		}
	}
	return out
}
