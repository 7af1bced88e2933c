// Package crosscheck decides whether several generators measured the same servers alike in
// one run, and if they did not, says why. It is pure.
package crosscheck

import (
	"fmt"
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// Ours is the generator that the others are checked against.
const Ours = plan.Vegeta

// Within is by how much two generators that agree may differ.
const Within = 0.05

// bound is the part of its time above which a generator's threads, or all cores, count as
// used up.
const bound = 0.9

// agreement bounds the quotient of two generators that agree.
var agreement = []stats.Bound{stats.AtLeast(stats.Metric{}, 1-Within), stats.AtMost(stats.Metric{}, 1+Within)}

// A Row is one cell as two generators measured it.
type Row struct {
	Ours, Peer *stats.Cell
	Generator  string // the peer's
	// Quotients of ours and the peer's, repeat by repeat.
	Throughput, P50, P99 stats.Estimate
	// Outcome is that of the throughput: stats.Missed where the two differ.
	Outcome stats.Outcome
	// Reasons say why the outcome is not stats.Met, as far as that was measured.
	Reasons []string
}

// Failed reports whether the row fails the check. A peer that measured nothing that
// counts says nothing about our generator.
func (r *Row) Failed() bool {
	return r.Outcome == stats.Missed && r.Reasons == nil || r.Outcome == stats.Unmeasured && len(r.Ours.Counted) == 0
}

// Checked reports whether any row has numbers from both sides.
func Checked(rows []Row) bool {
	return slices.ContainsFunc(rows, func(r Row) bool { return r.Outcome != stats.Unmeasured })
}

// generator returns the name of the generator in a cell's setting, "" if there is none, and
// the key without it.
func generator(k result.Key) (name string, rest result.Key) {
	name, k.Setting.Generator = k.Setting.Generator, ""
	return name, k
}

// Rows pairs the cells of this project's generator with those of each other generator, in
// the order of the cells.
func Rows(cells []*stats.Cell) []Row {
	ours := map[result.Key]*stats.Cell{}
	for _, c := range cells {
		if name, k := generator(c.Key); name == Ours {
			ours[k] = c
		}
	}
	var rows []Row
	for _, c := range cells {
		name, k := generator(c.Key)
		if o := ours[k]; o != nil && name != "" && name != Ours {
			r := Row{Ours: o, Peer: c, Generator: name}
			r.judge()
			rows = append(rows, r)
		}
	}
	return rows
}

func (r *Row) judge() {
	r.Throughput = stats.RatioOf(r.Ours, r.Peer, stats.Throughput)
	r.P50, r.P99 = stats.RatioOf(r.Ours, r.Peer, stats.P50), stats.RatioOf(r.Ours, r.Peer, stats.P99)
	switch r.Outcome = within(r.Throughput); r.Outcome {
	case stats.Unmeasured:
		for _, c := range []*stats.Cell{r.Ours, r.Peer} {
			if len(c.Counted) == 0 {
				r.Reasons = append(r.Reasons, c.Setting.Generator+": "+why(c))
			}
		}
		if r.Reasons == nil {
			r.Reasons = []string{"no repeat counts on both sides"}
		}
	case stats.Undecided:
		r.Reasons = []string{fmt.Sprintf("the interval is too wide: it reaches from %.3f to %.3f", r.Throughput.Lo, r.Throughput.Hi)}
	case stats.Missed:
		r.Reasons = r.reasons()
	}
}

// within decides whether two generators agree: by the whole interval of their quotient, or
// by its value if it has no interval.
func within(e stats.Estimate) stats.Outcome {
	if !e.Known() {
		return stats.Judge(e, agreement...).Outcome
	}
	out := stats.Met
	for _, b := range agreement {
		switch o := b.Whole(e); o {
		case stats.Missed:
			return o
		case stats.Undecided:
			out = o
		}
	}
	return out
}

// Word returns the outcome as it is shown. Two generators that differ disagree, unless a
// measured reason explains it.
func (r *Row) Word() string {
	switch {
	case r.Outcome == stats.Met:
		return "agree"
	case r.Outcome == stats.Unmeasured:
		return "unmeasured"
	case r.Outcome == stats.Undecided:
		return "undecided"
	case r.Reasons != nil:
		return "explained"
	}
	return "DISAGREE"
}

// why returns the first reason why no repeat of a cell counts.
func why(c *stats.Cell) string {
	for _, r := range c.Repeats {
		if r.Failure != "" {
			return r.Failure
		}
		if len(r.Gates.Reasons) > 0 {
			return r.Gates.Reasons[0].Text
		}
	}
	return "not measured"
}

// reasons returns measured reasons why two generators do not agree.
func (r *Row) reasons() (out []string) {
	add := func(s string) {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, c := range []*stats.Cell{r.Ours, r.Peer} {
		add(threadsBusy(c.Setting.Generator, c))
	}
	add(r.sharedCores())
	if o, p := r.Ours.Typical(workers), r.Peer.Typical(workers); o != p {
		add(fmt.Sprintf("unequal settings: %s had %s, %s %s", Ours, threads(o), r.Generator, threads(p)))
	}
	for _, c := range []*stats.Cell{r.Ours, r.Peer} {
		for _, s := range c.Suspects() {
			for _, reason := range s.Gates.Reasons {
				add(fmt.Sprintf("%s is suspect (%s)", c.Setting.Generator, reason.Gate))
			}
		}
	}
	return out
}

func workers(r *result.Repeat) float64 { return float64(r.Generator.Shards) }

// threadsBusy returns a reason if a generator had no CPU time left, or else "".
func threadsBusy(name string, c *stats.Cell) string {
	busy := c.Typical(func(r *result.Repeat) float64 {
		threads := r.Generator.Shards
		if n := r.CPUs.GeneratorCount; n > 0 {
			threads = min(threads, n)
		}
		if threads == 0 || r.DurationSec <= 0 {
			return 0
		}
		return r.Generator.CPUSec / r.DurationSec / float64(threads)
	})
	if busy <= bound {
		return ""
	}
	return fmt.Sprintf("%s was CPU-bound: %s, %.0f %% busy", name, threads(c.Typical(workers)), 100*busy)
}

func threads(n float64) string {
	if n == 1 {
		return "1 thread"
	}
	return fmt.Sprintf("%.0f threads", n)
}

// sharedCores returns a reason if server and generator used up the cores that they share, or
// else "": what the generator takes is then missing for the server.
func (r *Row) sharedCores() string {
	used := func(c *stats.Cell) float64 {
		return c.Typical(func(r *result.Repeat) float64 {
			cores := r.CPUs.ServerCount + r.CPUs.GeneratorCount - r.CPUs.Shared
			if r.CPUs.Shared == 0 || cores <= 0 || r.DurationSec <= 0 {
				return 0
			}
			return (r.Server.CPUUserSec + r.Server.CPUSysSec + r.Generator.CPUSec) / r.DurationSec / float64(cores)
		})
	}
	most := math.Max(used(r.Ours), used(r.Peer))
	if most <= bound {
		return ""
	}
	cost := func(c *stats.Cell) string { return stats.Seconds.Format(c.Median(stats.GeneratorCPU).Value) }
	return fmt.Sprintf("server and generator share cores, which were %.0f %% busy, and a request costs %s %s and %s %s",
		100*most, Ours, cost(r.Ours), r.Generator, cost(r.Peer))
}
