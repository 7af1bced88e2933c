package claims

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// evidence gives claims the cells and trials of a run.
type evidence struct {
	set   *result.Set
	cells []*stats.Cell
	by    map[result.Key]*stats.Cell
	// asked contains the cells that a claim has looked for, whether the run has them
	// or not: what a config must measure.
	asked map[result.Key]bool
}

func newEvidence(set *result.Set) *evidence {
	e := &evidence{set: set, cells: stats.Cells(&set.Run, set.Repeats), by: map[result.Key]*stats.Cell{}, asked: map[result.Key]bool{}}
	for _, c := range e.cells {
		e.by[c.Key] = c
	}
	return e
}

// cell returns a cell; nil if it has no repeat that counts.
func (e *evidence) cell(k result.Key) *stats.Cell {
	e.asked[k] = true
	if c := e.by[k]; c != nil && len(c.Counted) > 0 {
		return c
	}
	return nil
}

// tiers returns the cells that differ from k only in the clients, fewest first,
// whether they count or not.
func (e *evidence) tiers(k result.Key) []*stats.Cell {
	var out []*stats.Cell
	for _, c := range e.cells {
		like := c.Key
		like.Clients = k.Clients
		if like == k && len(c.Repeats) > 0 {
			out = append(out, c)
		}
		if like == k {
			e.asked[c.Key] = true
		}
	}
	slices.SortFunc(out, func(a, b *stats.Cell) int { return a.Clients - b.Clients })
	return out
}

// lack returns what is missing of a cell, in words.
func (e *evidence) lack(k result.Key) string {
	if why, absent := e.set.Run.Absent[k.Model]; absent {
		return fmt.Sprintf("%s (%s)", k.Model, why)
	}
	c := e.by[k]
	switch {
	case c == nil:
		return fmt.Sprintf("the cell %v, which this run did not ask for", k)
	case len(c.Repeats) == 0:
		return fmt.Sprintf("the cell %v, which was not measured yet", k)
	}
	why := ""
	if r := c.Repeats[0]; len(r.Gates.Reasons) > 0 {
		why = ": " + r.Gates.Reasons[0].Text
	}
	return fmt.Sprintf("a repeat of %v that counts%s", k, why)
}

// lackOf returns what is missing of cells that are needed together, in words.
func (e *evidence) lackOf(ks ...result.Key) string {
	var out []string
	for _, k := range ks {
		if c := e.by[k]; c == nil || len(c.Counted) == 0 {
			if why := e.lack(k); !slices.Contains(out, why) {
				out = append(out, why)
			}
		}
	}
	return strings.Join(out, "; ")
}

// trials returns the trials of a variant that did not fail.
func (e *evidence) trials(name, variant string) []result.Trial {
	var out []result.Trial
	for _, t := range e.set.Trials {
		if t.Name == name && t.Variant == variant && t.Failure == "" {
			out = append(out, t)
		}
	}
	return out
}

// lackTrials returns why there are not enough trials, in words.
func (e *evidence) lackTrials(name, variant string, made, needed int) string {
	if why, absent := e.set.Run.Absent[result.AbsentTrial(name)]; absent {
		return fmt.Sprintf("trials of %s (%s)", name, why)
	}
	return fmt.Sprintf("trials of %s %s: %d were made, it takes %d", name, variant, made, needed)
}

// trialValues returns one value of each trial of a variant.
func (e *evidence) trialValues(name, variant, value string) []float64 {
	var out []float64
	for _, t := range e.trials(name, variant) {
		if v, ok := t.Values[value]; ok {
			out = append(out, v)
		}
	}
	return out
}

// askAA adds the cells of the noise floor to e.asked.
func (e *evidence) askAA() {
	for _, c := range e.cells {
		if k, ok := stats.Plain(c.Key); ok {
			e.asked[c.Key], e.asked[k] = true, true
		}
	}
}

// trialOf returns the name of a trial in a language.
func trialOf(language, name string) string {
	if language == CPython {
		return "python-" + name
	}
	return name
}

// leastTrials is how many trials of a variant a verdict needs.
const leastTrials = 10
