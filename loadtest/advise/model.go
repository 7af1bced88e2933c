package advise

import (
	"fmt"
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A model is what a run knows of one model under one workload.
type model struct {
	name, asked string
	closes      bool          // it serves one connection at a time, and closes it
	cells       []*stats.Cell // of the workload
	every       []*stats.Cell // of the model
	cpu         curve         // seconds per request
	busy        curve         // cores used
	memory      curve         // bytes in all; at 0 clients, those before the first one
	weighed     string        // what the memory includes
	cores       float64       // the most that it used in the run, under any workload
	given       int           // CPUs that it could have used then
	wait        float64       // seconds that the workload itself waits
}

func newModel(set *result.Set, cells []*stats.Cell, name string, like *stats.Cell) *model {
	m := &model{name: name, asked: like.Asked()}
	if i := slices.IndexFunc(set.Run.Models, func(i result.Info) bool { return i.Name == name }); i >= 0 {
		m.closes = set.Run.Models[i].ClosesEach
	}
	m.given = set.Run.Host.Cores
	for _, c := range cells {
		if c.Model != name || !usable(c) {
			continue
		}
		m.every = append(m.every, c)
		if c.Question() == like.Question() {
			m.cells = append(m.cells, c)
			m.wait = wait(c)
		}
	}
	m.learn(nil)
	return m
}

// learn takes the numbers from all cells except the one left out.
func (m *model) learn(leftOut *stats.Cell) {
	m.cpu, m.busy, m.memory, m.cores = nil, nil, nil, 0
	for _, c := range m.every {
		if used := c.Typical(coresUsed); c != leftOut && used > m.cores {
			m.cores = used
			if n := c.Counted[0].CPUs.ServerCount; n > 0 {
				m.given = n
			}
		}
	}
	var before []float64
	sockets, tables := true, true
	for _, c := range m.cells {
		for _, r := range c.Counted {
			sockets = sockets && r.Server.SocketBytes > 0
			tables = tables && r.Server.PageTableBytes > 0
		}
	}
	m.weighed = "user memory and kernel stacks"
	if tables {
		m.weighed += ", page tables"
	}
	if sockets {
		m.weighed += ", sockets"
	} else {
		m.weighed += ", without the kernel's part of a connection (some 3 to 4 KiB)"
	}
	weigh := func(u result.Usage) float64 {
		b := u.PSSBytes + u.KernelStackBytes
		if tables {
			b += u.PageTableBytes
		}
		if sockets {
			b += u.SocketBytes
		}
		return float64(b)
	}
	for _, c := range m.cells {
		if c == leftOut {
			continue
		}
		n := float64(c.Clients)
		m.cpu.add(n, c.Median(stats.CPU))
		m.busy.add(n, stats.MedianOf(values(c, coresUsed)))
		m.memory.add(n, stats.MedianOf(values(c, func(r *result.Repeat) float64 { return weigh(r.Server.Usage) })))
		before = append(before, values(c, func(r *result.Repeat) float64 { return weigh(r.Server.Before) })...)
	}
	if s := stats.MedianOf(before); s.Value > 0 {
		m.memory.add(0, s)
	}
	for _, c := range []*curve{&m.cpu, &m.busy, &m.memory} {
		slices.SortFunc(*c, func(a, b point) int { return int(a.clients - b.clients) })
	}
}

// slots returns how many requests of n clients the model can handle at a time, and how that
// is known.
func (m *model) slots(n int) (float64, string) {
	var most float64 // seen waiting at a time
	short := false
	for _, c := range m.cells {
		if m.wait == 0 {
			break
		}
		at := c.Median(stats.Throughput).Value * m.wait
		most = math.Max(most, at)
		// Fewer requests wait than there are clients, and not for lack of CPU time.
		if at < 0.9*float64(c.Clients) && c.Typical(coresUsed) < m.cores/2 {
			short = true
		}
	}
	switch {
	case short:
		return most, fmt.Sprintf("at most %.3g requests waited at a time, whatever the number of clients: throughput × %s", most, stats.Seconds.Format(m.wait))
	case m.closes:
		workers := 1
		for _, c := range m.cells {
			for _, r := range c.Counted {
				workers = max(workers, r.Server.Processes-1)
			}
		}
		return float64(workers), fmt.Sprintf("it serves one connection at a time in each of %d processes", workers)
	}
	return float64(n), fmt.Sprintf("each of %s clients can have one in progress", stats.Group(n))
}

// doubts returns what a prediction for the need assumes without measurement.
func (m *model) doubts(need Need) []string {
	var out []string
	most, suspect := 0, 0
	for _, c := range m.cells {
		most = max(most, c.Clients)
		if c.Verdict() == result.Suspect {
			suspect++
		}
	}
	if most > 0 && need.Clients > most {
		out = append(out, fmt.Sprintf("%s clients are more than were measured (%s)", stats.Group(need.Clients), stats.Group(most)))
	}
	if suspect > 0 {
		out = append(out, fmt.Sprintf("%d of the %d cells used are suspect", suspect, len(m.cells)))
	}
	if need.WaitSec > 0 && m.wait == 0 {
		out = append(out, "the cost of waiting itself (a timer, a wake-up) is not included in the numbers of "+m.asked)
	}
	if need.Cores > m.cores {
		out = append(out, fmt.Sprintf("it used %s in the run; whether it can use more was not measured", cores(m.cores)))
	}
	return out
}

// wait returns the time that a request itself waits, in seconds.
func wait(c *stats.Cell) float64 {
	sec, spent := load.TimeOf(c.Protocol, c.Counted[0].Request)
	if spent != load.Waiting {
		return 0
	}
	return sec
}

func coresUsed(r *result.Repeat) float64 {
	if r.DurationSec <= 0 {
		return 0
	}
	return (r.Server.CPUUserSec + r.Server.CPUSysSec) / r.DurationSec
}

func values(c *stats.Cell, f func(*result.Repeat) float64) []float64 {
	var xs []float64
	for _, r := range c.Counted {
		xs = append(xs, f(r))
	}
	return xs
}
