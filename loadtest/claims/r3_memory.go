package claims

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// leastTiers is how many numbers of clients a slope of memory needs.
const leastTiers = 5

// The trial of R3, and its value.
const (
	startTrial = "start"
	startValue = "start_sec"
)

// Kinds of memory, by the kernel's count at the end of the window.
var memoryKinds = []stats.Metric{
	{Name: "user", Title: "user (PSS)", Unit: stats.Bytes, Value: ofUsage(func(s *result.Server) int64 { return s.PSSBytes })},
	{Name: "stacks", Title: "kernel stacks", Unit: stats.Bytes, Value: ofUsage(func(s *result.Server) int64 { return s.KernelStackBytes })},
	{Name: "tables", Title: "page tables", Unit: stats.Bytes, Value: ofUsage(func(s *result.Server) int64 { return s.PageTableBytes })},
}

// socketBytes is the floor under the memory of every model.
var socketBytes = stats.Metric{Name: "sockets", Title: "sockets, the floor", Unit: stats.Bytes, Value: ofUsage(func(s *result.Server) int64 { return s.SocketBytes })}

var memoryLoads = []struct{ name, workload string }{{"idle", result.Idle}, {"active", "echo"}}

var memory = &Claim{
	ID: "R3", Title: "Processes duplicate everything, async is extremely lightweight",
	Charts:     []string{"memory-kinds"},
	Quote:      "each process will have (a) a copy of the Python interpreter, plus (b) all the resources that it uses … threads are a little bit more lightweight than processes … these are extremely lightweight",
	Definition: "A further client costs the most memory with a process per client, less with a thread per client, and the least with a task on a loop.",
	Experiment: "R3: idle connections at five or more numbers of clients, and T3's echo for active ones; the trials start and python-start measure what a start takes",
	Metric:     "bytes per added client: slope by least squares over the repeats, of user memory, kernel stacks and page tables together, and of each; the intercept is the fixed cost; sockets are the floor",
	Lesson:     "A client is a socket in the kernel in any model; what differs is the rest. A process has page tables, stacks and a runtime of its own; a thread has a stack in the kernel and one in the program; a loop keeps an entry in a table. What processes share is counted once here (PSS).",
	Rule: Rule{"1", "Supported if the slopes' intervals are disjoint in that order, idle and active; refuted if two are disjoint in another order. " +
		"A slope needs 5 numbers of clients."},
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

// lighter returns a point that is Met if a further client costs less from column to column.
func (e *evidence) lighter(language, name, workload string) point {
	p := point{at: name + " clients", outcome: stats.Met}
	var above stats.Estimate
	for i, s := range of(perClient(), language, "") {
		cells := e.tiers(result.Key{Model: s.model, Protocol: "echo", Workload: workload, Loop: result.Closed})
		own := stats.Slope(cells, ownMemoryBytes)
		if own.Distinct < leastTiers {
			p.missing = fmt.Sprintf("numbers of %s clients of %s: %d were measured, a slope needs %d", name, s.model, own.Distinct, leastTiers)
			continue
		}
		p.cells = append(p.cells, keys(cells...)...)
		p.effects = append(p.effects, Effect{What: s.model + ": bytes per " + name + " client", Unit: stats.Bytes, Estimate: own.Slope, Bound: "disjoint, falling", each: leastRepeats(cells)})
		note := fmt.Sprintf("%s, %s: fixed cost %s; per client", s.model, name, Effect{Estimate: own.Intercept, Unit: stats.Bytes}.interval())
		for _, m := range append(memoryKinds[:len(memoryKinds):len(memoryKinds)], socketBytes) {
			if l := stats.Slope(cells, m); l.Slope.N > 0 && (l.Slope.Value != 0 || m.Name == "user") {
				note += fmt.Sprintf(" %s %s,", m.Title, stats.Bytes.Format(l.Slope.Value))
			}
		}
		p.notes = append(p.notes, note[:len(note)-1])
		switch {
		case i == 0:
		case own.Slope.Hi < above.Lo:
		case own.Slope.Lo > above.Hi:
			p.outcome = stats.Missed
		case p.outcome == stats.Met:
			p.outcome = stats.Undecided
		}
		above = own.Slope
	}
	return p
}

// starts adds notes with the time to start a process, a thread or a task.
func (e *evidence) starts(p point, language string) point {
	name := trialOf(language, startTrial)
	for _, x := range []struct{ variant, note string }{
		{"process", "a process takes %s to start"},
		{"reuse", "an idle process takes %s to receive a connection"},
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

// leastRepeats returns the least number of repeats that count among the cells.
func leastRepeats(cells []*stats.Cell) int {
	least := 0
	for _, c := range cells {
		if n := len(c.Counted); n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}
