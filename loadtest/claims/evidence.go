package claims

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// evidence is the record of a run, to be asked for cells.
type evidence struct {
	set   *result.Set
	cells []*stats.Cell
	by    map[result.Key]*stats.Cell
	// asked are the cells that a claim has looked for, whether they are there or
	// not: what a config must measure.
	asked map[result.Key]bool
}

func newEvidence(set *result.Set) *evidence {
	e := &evidence{set: set, cells: stats.Cells(&set.Run, set.Repeats), by: map[result.Key]*stats.Cell{}, asked: map[result.Key]bool{}}
	for _, c := range e.cells {
		e.by[c.Key] = c
	}
	return e
}

// cell is nil if nothing that counts was measured of it.
func (e *evidence) cell(k result.Key) *stats.Cell {
	e.asked[k] = true
	if c := e.by[k]; c != nil && len(c.Counted) > 0 {
		return c
	}
	return nil
}

// tiers are the cells that differ from k in nothing but the clients, the
// fewest first, whether they count or not.
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

// lack says why there is no cell.
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
		why = ": " + r.Gates.Reasons[0]
	}
	return fmt.Sprintf("a repeat of %v that counts%s", k, why)
}

// trials are those that did not fail.
func (e *evidence) trials(name, variant string) []result.Trial {
	var out []result.Trial
	for _, t := range e.set.Trials {
		if t.Name == name && t.Variant == variant && t.Failure == "" {
			out = append(out, t)
		}
	}
	return out
}

// lackTrials says why there are not enough trials.
func (e *evidence) lackTrials(name, variant string, made, needed int) string {
	if why, absent := e.set.Run.Absent[result.AbsentTrial(name)]; absent {
		return fmt.Sprintf("trials of %s (%s)", name, why)
	}
	return fmt.Sprintf("trials of %s %s: %d were made, it takes %d", name, variant, made, needed)
}

// trialValues are one value of the trials.
func (e *evidence) trialValues(name, variant, value string) []float64 {
	var out []float64
	for _, t := range e.trials(name, variant) {
		if v, ok := t.Values[value]; ok {
			out = append(out, v)
		}
	}
	return out
}

// askAA notes the cells of the noise floor as ones that are used.
func (e *evidence) askAA() {
	for _, c := range e.cells {
		if k, ok := stats.Plain(c.Key); ok {
			e.asked[c.Key], e.asked[k] = true, true
		}
	}
}

// values are a metric's of every repeat that counts.
func values(c *stats.Cell, m stats.Metric) []float64 {
	if c == nil {
		return nil
	}
	return c.Values(m)
}

// paired divides one metric of a by another of b, repeat by repeat. Those without
// a partner of their number are left out.
func paired(a *stats.Cell, of stats.Metric, b *stats.Cell, by stats.Metric) []float64 {
	if a == nil || b == nil {
		return nil
	}
	under := map[int]float64{}
	for _, r := range b.Counted {
		if v, ok := by.Value(r); ok && v != 0 {
			under[r.Repeat] = v
		}
	}
	var out []float64
	for _, r := range a.Counted {
		v, ok := of.Value(r)
		if d, has := under[r.Repeat]; ok && has {
			out = append(out, v/d)
		}
	}
	return out
}

func scaled(xs []float64, by float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = x * by
	}
	return out
}

// kindP99 is the 99th percentile of one kind of request of a mix.
func kindP99(workload string) stats.Metric {
	return stats.Metric{Name: "kind-p99", Title: "p99 latency of " + workload, Unit: stats.Seconds, Value: func(r *result.Repeat) (float64, bool) {
		for i := range r.Mix {
			k := &r.Mix[i]
			if k.Workload != workload || k.Requests == 0 {
				continue
			}
			if k.Response != nil {
				return k.Response.P99, true
			}
			return k.Service.P99, true
		}
		return 0, false
	}}
}

// cpuCores is how many cores the server kept busy; cpuShare is that as a part of
// those it may use.
var (
	cpuCores = stats.Metric{Name: "cores", Title: "CPU time ÷ wall", Value: func(r *result.Repeat) (float64, bool) {
		return (r.Server.CPUUserSec + r.Server.CPUSysSec) / r.DurationSec, r.DurationSec > 0
	}}
	cpuShare = stats.Metric{Name: "cpu-share", Title: "server CPU", Value: func(r *result.Repeat) (float64, bool) {
		if r.DurationSec <= 0 || r.CPUs.ServerCount == 0 {
			return 0, false
		}
		return (r.Server.CPUUserSec + r.Server.CPUSysSec) / r.DurationSec / float64(r.CPUs.ServerCount), true
	}}
)

// serverCPUs is how many CPUs the server of a cell might use.
func serverCPUs(c *stats.Cell) int {
	for _, r := range c.Counted {
		if r.CPUs.ServerCount > 0 {
			return r.CPUs.ServerCount
		}
	}
	return 0
}

// closed is the key of a cell of the closed loop over HTTP.
func closed(model, workload string, clients int) result.Key {
	return result.Key{Model: model, Protocol: "http", Workload: workload, Clients: clients, Loop: result.Closed}
}

func with(k result.Key, setting string) result.Key {
	k.Setting = setting
	return k
}

func keys(cells ...*stats.Cell) []result.Key {
	var out []result.Key
	for _, c := range cells {
		if c != nil {
			out = append(out, c.Key)
		}
	}
	return out
}

func list(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}
