package claims

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// The cells and trials of B2, B3, B5 and B6.
const (
	counterLoad    = "counter"
	counterClients = 10
	priceTrial     = "increment"
	priceValue     = "increment_sec"
)

func counterKey(model, way string) result.Key {
	k := closed(model, counterLoad, counterClients)
	if way != "" {
		k.Setting = result.Setting{Name: "counter", Value: way}
	}
	return k
}

// counted makes a metric of the final count. Unanswered increments may or may not have been
// made: the count is right with and without them.
func counted(f func(c *result.Count) float64) func(*result.Repeat) (float64, bool) {
	return func(r *result.Repeat) (float64, bool) {
		if r.Count == nil || r.Count.Increments == 0 {
			return 0, false
		}
		return f(r.Count), true
	}
}

var (
	miscount = stats.Metric{Name: "miscount", Value: counted(func(c *result.Count) float64 {
		off := max(c.Increments-c.Value, c.Value-c.Increments-c.Unanswered, 0)
		return float64(off) / float64(c.Increments)
	})}
	// seen is the fraction of the increments in the process with the most.
	seen = stats.Metric{Name: "seen", Value: counted(func(c *result.Count) float64 {
		return float64(c.Value) / float64(c.Increments)
	})}
)

// exact returns a point that is Met if the count is exact in every repeat.
func (e *evidence) exact(model, way string) point {
	k := counterKey(model, way)
	p := point{at: model + " " + way}
	c := e.cell(k)
	if c == nil {
		p.missing = e.lack(k)
		return p
	}
	vs := c.Values(miscount)
	if len(vs) == 0 {
		p.missing = "a count in the record of " + k.String()
		return p
	}
	off := mean(vs)
	p.cells = keys(c)
	p.effects = []Effect{{What: strings.TrimSpace(p.at) + ": fraction of the increments that is lost", Estimate: off, Bound: "0"}}
	if off.Known() {
		if p.outcome = stats.Met; off.Value > 0 {
			p.outcome = stats.Missed
		}
	}
	return p
}

// diverges returns a point that is Met if no process has all increments.
func (e *evidence) diverges(model, way string) point {
	k := counterKey(model, way)
	p := point{at: model + ": a plain variable"}
	c := e.cell(k)
	if c == nil {
		p.missing = e.lack(k)
		return p
	}
	part := c.Median(seen)
	if part.N == 0 {
		p.missing = "a count in the record of " + k.String()
		return p
	}
	p.cells = keys(c)
	p.effects = []Effect{{What: p.at + ": fraction of the increments in the process with the most", Estimate: part, Bound: "< 1"}}
	p.outcome = below(part, 1)
	return p
}

// exactTrial returns a point that is Met if the count was exact in every trial of a way, in
// which all workers add at the same time.
func (e *evidence) exactTrial(language, way string) point {
	name := trialOf(language, priceTrial)
	p := point{at: way, trials: []string{name + " " + way}}
	want, got := e.trialValues(name, way, "want"), e.trialValues(name, way, "got")
	if len(want) != len(got) || len(want) < leastTrials {
		p.missing = e.lackTrials(name, way, min(len(want), len(got)), leastTrials)
		return p
	}
	off := make([]float64, len(want))
	for i := range want {
		off[i] = math.Abs(got[i]-want[i]) / want[i]
	}
	lost := mean(off)
	p.effects = []Effect{{What: way + ": fraction of the increments that is lost", Estimate: lost, Bound: "0"}}
	if p.outcome = stats.Met; lost.Value > 0 {
		p.outcome = stats.Missed
	}
	return p
}

// price adds a note with the price of an increment by each way.
func (e *evidence) price(language string, p point, ways ...string) point {
	name := trialOf(language, priceTrial)
	for _, way := range ways {
		if vs := e.trialValues(name, way, priceValue); len(vs) > 0 {
			p.notes = append(p.notes, fmt.Sprintf("an increment by %s takes %s", way, Effect{Estimate: stats.MedianOf(vs), Unit: stats.Seconds}.interval()))
			if t := name + " " + way; !slices.Contains(p.trials, t) {
				p.trials = append(p.trials, t)
			}
		}
	}
	return p
}

// priceRatio adds the price of an increment by one way ÷ that by another.
func (e *evidence) priceRatio(language string, p point, way, other string) point {
	name := trialOf(language, priceTrial)
	a, b := e.trialValues(name, way, priceValue), e.trialValues(name, other, priceValue)
	if len(a) > 0 && len(b) > 0 && p.missing == "" {
		ratio := stats.RatioOfMedians(a, b)
		p.effects = append(p.effects, Effect{What: fmt.Sprintf("price of an increment, %s ÷ %s", way, other), Estimate: ratio})
	}
	return p
}
