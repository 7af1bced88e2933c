package claims

import (
	"fmt"
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// The base of T3, and its bounds.
const (
	ofBest    = 0.9
	tailTimes = 3
	tailBase  = 10 // clients
)

// ofCapacity is the rate of the open loop.
var ofCapacity = result.Schedule{Rate: result.Rate{Capacity: 0.7}}

// A rung is one number of clients on a ladder.
type rung struct {
	n            int
	closed, open *stats.Cell
	x            []float64 // throughput of the closed loop
	p99          []float64 // response times of the open one
	broken       string    // what failed without a number: errors, gates
}

// A ladder is the rising numbers of clients of a model in one workload, up to where
// it fails.
type ladder struct {
	model   string
	rungs   []rung
	base    int // the rung of tailBase; -1 if there is none
	s       stats.Estimate
	failAt  int    // the first number of clients that failed; 0 if none did
	why     string // which condition failed there
	missing string
	fit     stats.Scaling
}

func (e *evidence) ladder(model, protocol, workload string) ladder {
	l := ladder{model: model, base: -1}
	k := result.Key{Model: model, Protocol: protocol, Workload: workload, Loop: result.Closed}
	for _, c := range e.tiers(k) {
		open := c.Key
		open.Loop, open.Rate = result.Open, ofCapacity
		o := e.by[open]
		if o == nil {
			continue // only its throughput was measured, for another claim
		}
		e.asked[open] = true
		if len(o.Repeats) == 0 {
			continue // not measured yet, which is not a failure
		}
		r := rung{n: c.Clients, closed: c, open: o, x: c.Values(stats.Throughput), p99: o.Values(stats.P99)}
		r.broken = brokenBy(c)
		if r.broken == "" {
			if r.broken = brokenBy(o); r.broken != "" {
				r.broken = "open loop: " + r.broken
			}
		}
		if r.n == tailBase {
			l.base = len(l.rungs)
		}
		l.rungs = append(l.rungs, r)
		if r.broken != "" {
			break
		}
	}
	k.Clients = tailBase
	base := k
	base.Loop, base.Rate = result.Open, ofCapacity
	switch {
	case l.base >= 0 && l.rungs[l.base].broken == "":
	case l.base >= 0:
		l.missing = fmt.Sprintf("a p99 at %d clients to compare the others with: %s", tailBase, l.rungs[l.base].broken)
		return l
	case len(l.rungs) > 0 && l.rungs[len(l.rungs)-1].broken != "":
		last := l.rungs[len(l.rungs)-1]
		l.missing = fmt.Sprintf("a p99 at %d clients to compare the others with: it failed at %d: %s", tailBase, last.n, last.broken)
		return l
	case e.cell(k) == nil:
		l.missing = e.lack(k)
		return l
	default:
		l.missing = e.lack(base)
		return l
	}
	l.climb()
	var ns []float64
	var xs [][]float64
	for _, c := range e.tiers(k) {
		ns, xs = append(ns, float64(c.Clients)), append(xs, c.Values(stats.Throughput))
	}
	l.fit = stats.USL(ns, xs)
	return l
}

// brokenBy returns what makes a cell fail without a number: any error of any repeat,
// or more than half of the repeats not counting. It is "" if nothing does.
func brokenBy(c *stats.Cell) string {
	for _, r := range c.Repeats {
		if n := r.Errored(); n > 0 {
			return fmt.Sprintf("errors: %d of repeat %d", n, r.Repeat)
		}
	}
	if 2*len(c.Counted) >= len(c.Repeats) {
		return ""
	}
	for _, r := range c.Repeats {
		if !stats.Counts(r) {
			if r.Failure != "" {
				return "limit: " + r.Failure
			}
			if len(r.Gates.Reasons) > 0 {
				return "gate: " + r.Gates.Reasons[0].Text
			}
		}
	}
	return "gate: no verdict"
}

// climb computes S, its interval, and what failed first.
func (l *ladder) climb() {
	sound := l.rungs
	if last := len(sound) - 1; sound[last].broken != "" {
		l.failAt, l.why = sound[last].n, sound[last].broken
		sound = sound[:last]
	}
	// Rungs above one that fails in every resample cannot change S, so it does not
	// matter how often they were measured.
	for i := range sound {
		if i >= l.base && l.surelyFails(sound, i) {
			sound = sound[:i+1]
			break
		}
	}
	var samples [][]float64
	for _, r := range sound {
		samples = append(samples, r.x, r.p99)
	}
	of := make([]float64, len(samples))
	medians := func(s [][]float64) []float64 {
		for i := range s {
			of[i] = stats.Median(s[i])
		}
		return of
	}
	l.s = stats.Bootstrap(samples, func(s [][]float64) float64 {
		m, last := medians(s), 0
		for i, r := range sound {
			if l.fails(m, i) != "" {
				break
			}
			last = r.n
		}
		return float64(last)
	})
	m := medians(samples)
	for i, r := range sound {
		if why := l.fails(m, i); why != "" {
			l.failAt, l.why = r.n, why
			break
		}
	}
}

// surelyFails reports whether a rung fails in every resample of the repeats.
func (l *ladder) surelyFails(rungs []rung, i int) bool {
	base := rungs[l.base].p99
	if len(rungs[i].p99) > 0 && len(base) > 0 && slices.Min(rungs[i].p99) > tailTimes*slices.Max(base) {
		return true
	}
	for _, r := range rungs[:i] {
		if len(r.x) > 0 && len(rungs[i].x) > 0 && slices.Max(rungs[i].x) < ofBest*slices.Min(r.x) {
			return true
		}
	}
	return false
}

// fails returns which condition a rung does not meet, "" if none. m has two medians
// of each rung: its throughput and its p99.
func (l *ladder) fails(m []float64, i int) string {
	x, best := m[2*i], m[2*i]
	for j := range i {
		best = math.Max(best, m[2*j])
	}
	if x < ofBest*best {
		return fmt.Sprintf("throughput: %.0f %% of its best", 100*x/best)
	}
	p99, base := m[2*i+1], m[2*l.base+1]
	if p99 > tailTimes*base {
		return fmt.Sprintf("tail: p99 is %.3g times that at %d clients", p99/base, tailBase)
	}
	return ""
}

// next returns the first number of clients above n that was measured; infinite if
// there is none.
func (l *ladder) next(n float64) float64 {
	for _, r := range l.rungs {
		if float64(r.n) > n {
			return float64(r.n)
		}
	}
	return math.Inf(1)
}

// most returns the largest number of clients that was measured.
func (l *ladder) most() int { return l.rungs[len(l.rungs)-1].n }

func (l *ladder) cells() (out []result.Key) {
	for _, r := range l.rungs {
		out = append(out, keys(r.closed, r.open)...)
	}
	return out
}
