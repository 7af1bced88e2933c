// Package advise predicts from the records of a run which models can carry a load that was
// not measured, and with what headroom. It multiplies measured numbers: CPU time per request,
// bytes per client, requests at a time. It shows each step, and Check tests the predictions
// against cells that it leaves out. It is pure.
package advise

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Need is a load to carry.
type Need struct {
	Clients     int
	RateRPS     float64
	WaitSec     float64 // that each request waits for something else, such as a database
	MemoryBytes float64 // that the server may use; 0 means that it does not matter
	Cores       float64 // that the server has; 0 means as many as it used in the run
	// Protocol and Workload choose whose costs are used; if they are empty, the run's first
	// that fits.
	Protocol, Workload string
}

// Limits of a need. Predictions beyond them would make no sense.
const (
	maxClients = 1e9
	minRateRPS = 1e-6
	maxRateRPS = 1e12
	maxWaitSec = 86400.0
	maxCores   = 1e6
)

// Mistake returns why no server could carry the need, or "" if one could.
func (n Need) Mistake() string {
	within := func(x, least, most float64) bool { return x >= least && x <= most }
	switch {
	case !within(float64(n.Clients), 1, maxClients):
		return fmt.Sprintf("--clients %d; allowed: 1 to %g", n.Clients, maxClients)
	case !within(n.RateRPS, minRateRPS, maxRateRPS):
		return fmt.Sprintf("--rate %v; allowed: %g to %g requests/s", n.RateRPS, minRateRPS, maxRateRPS)
	case !within(n.WaitSec, 0, maxWaitSec):
		return fmt.Sprintf("--wait-ms %v; allowed: 0 to %g", 1000*n.WaitSec, 1000*maxWaitSec)
	case !within(n.MemoryBytes, 0, math.MaxFloat64):
		return fmt.Sprintf("--memory %v bytes; allowed: above 0, or 0 for any", n.MemoryBytes)
	case !within(n.Cores, 0, maxCores):
		return fmt.Sprintf("--cores %v; allowed: 0 to %g, 0 means as many as were used", n.Cores, maxCores)
	case n.RateRPS*n.WaitSec > float64(n.Clients):
		return fmt.Sprintf("%s clients that wait %s for each answer cannot ask for more than %s; %s was asked for",
			stats.Group(n.Clients), stats.Seconds.Format(n.WaitSec), stats.PerSecond.Format(float64(n.Clients)/n.WaitSec), stats.PerSecond.Format(n.RateRPS))
	}
	return ""
}

// Use is the utilisation above which a fit is Tight. A queue in front of a server that is
// busy for a part u of the time makes answers take 1 ÷ (1 − u) times as long (M/M/1): 3.3
// times at 0.7.
const Use = 0.7

// A Fit says whether a model carries a need.
type Fit string

// Fits, best first.
const (
	Carries Fit = "carries it"
	Tight   Fit = "only just"
	Fails   Fit = "does not"
	Unknown Fit = "not known"
)

var order = []Fit{Carries, Tight, Unknown, Fails}

// A Limit is a resource that the load uses.
type Limit struct {
	What  string  // "CPU", "slots" or "memory"
	Need  float64 // in the unit of Have
	Have  float64
	Steps []string
}

// Headroom returns how many times the need would fit.
func (l Limit) Headroom() float64 { return l.Have / l.Need }

// An Advice is the prediction for one model.
type Advice struct {
	Model  string
	Fit    Fit
	Limits []Limit
	// Doubts say why the prediction may be off.
	Doubts []string
}

// Headroom returns the least headroom of the limits, or NaN if there are none.
func (a *Advice) Headroom() float64 {
	least := math.NaN()
	for _, l := range a.Limits {
		if h := l.Headroom(); !(h >= least) {
			least = h
		}
	}
	return least
}

// Tightest returns the limit with the least headroom.
func (a *Advice) Tightest() *Limit {
	var least *Limit
	for i := range a.Limits {
		if least == nil || a.Limits[i].Headroom() < least.Headroom() {
			least = &a.Limits[i]
		}
	}
	return least
}

// Advise predicts for every model of the run, the best first.
func Advise(set *result.Set, need Need) ([]Advice, error) {
	if m := need.Mistake(); m != "" {
		return nil, errors.New(m)
	}
	cells := stats.Cells(&set.Run, set.Repeats)
	like, err := choose(cells, need)
	if err != nil {
		return nil, err
	}
	var out []Advice
	for _, name := range stats.Models(&set.Run, cells) {
		out = append(out, advise(newModel(set, cells, name, like), need))
	}
	slices.SortStableFunc(out, func(a, b Advice) int {
		return cmp.Or(slices.Index(order, a.Fit)-slices.Index(order, b.Fit), cmp.Compare(b.Headroom(), a.Headroom()))
	})
	return out, nil
}

// choose finds a cell with the question whose costs are used.
func choose(cells []*stats.Cell, need Need) (*stats.Cell, error) {
	var all []*stats.Cell // the first of each
	for _, c := range cells {
		if usable(c) && !slices.ContainsFunc(all, func(o *stats.Cell) bool { return o.Question() == c.Question() }) {
			all = append(all, c)
		}
	}
	fits := func(c *stats.Cell) bool {
		return (need.Protocol == "" || c.Protocol == need.Protocol) && (need.Workload == "" || c.Workload == need.Workload)
	}
	var first *stats.Cell
	var names []string
	for _, c := range all {
		names = append(names, c.Protocol+"/"+c.Workload)
		if !fits(c) {
			continue
		}
		if need.WaitSec > 0 && need.Workload == "" && wait(c) > 0 {
			return c, nil // its costs include the cost of waiting
		}
		if first == nil {
			first = c
		}
	}
	switch {
	case len(all) == 0:
		return nil, errors.New("no closed loop without a setting has a repeat that counts; the costs come from there")
	case first == nil:
		return nil, fmt.Errorf("the run did not measure this workload; allowed: %s", strings.Join(slices.Compact(names), ", "))
	}
	return first, nil
}

// usable reports whether a cell gives the cost of a request: only the number of clients
// controls its load.
func usable(c *stats.Cell) bool {
	return c.Loop == result.Closed && c.Workload != result.Idle && c.Setting == result.Setting{} && len(c.Counted) > 0
}

func advise(m *model, need Need) Advice {
	a := Advice{Model: m.name, Doubts: m.doubts(need)}
	n := float64(need.Clients)
	cpu, ok := m.cpu.at(n, logarithmic)
	if !ok || m.cores == 0 {
		a.Fit = Unknown
		a.Doubts = append(a.Doubts, "no repeat of "+m.asked+" counts")
		return a
	}
	wantCores := need.RateRPS * cpu.value
	have, whence := m.cores, fmt.Sprintf("the most that it used in the run, of %s", cores(float64(m.given)))
	if need.Cores > 0 && need.Cores < have {
		have, whence = need.Cores, "as asked"
	}
	a.Limits = append(a.Limits, Limit{"CPU", wantCores, have, []string{
		fmt.Sprintf("%s × %s = %s", stats.PerSecond.Format(need.RateRPS), stats.Seconds.Format(cpu.value), cores(wantCores)),
		fmt.Sprintf("%s a request: %s", stats.Seconds.Format(cpu.value), cpu.how(stats.Seconds)),
		fmt.Sprintf("it has %s: %s", cores(have), whence),
	}})

	busy := need.WaitSec + cpu.value
	slots, why := m.slots(need.Clients)
	steps := []string{
		fmt.Sprintf("%s × (%s + %s) = %s requests at a time (Little's law)", stats.PerSecond.Format(need.RateRPS), stats.Seconds.Format(need.WaitSec), stats.Seconds.Format(cpu.value), stats.Count.Format(need.RateRPS*busy)),
		why,
	}
	a.Limits = append(a.Limits, Limit{"slots", need.RateRPS * busy, slots, steps})

	if need.MemoryBytes > 0 {
		memory, ok := m.memory.at(n, linear)
		if !ok {
			a.Fit = Unknown
			a.Doubts = append(a.Doubts, "its memory was measured at fewer than two numbers of clients")
			return a
		}
		a.Limits = append(a.Limits, Limit{"memory", memory.value, need.MemoryBytes, []string{
			fmt.Sprintf("%s at %s clients: %s", stats.Bytes.Format(memory.value), stats.Group(need.Clients), memory.how(stats.Bytes)),
			m.weighed,
		}})
	}
	switch use := 1 / a.Headroom(); {
	case use <= Use:
		a.Fit = Carries
	case use <= 1:
		a.Fit = Tight
	default:
		a.Fit = Fails
	}
	return a
}

func cores(n float64) string {
	if s := fmt.Sprintf("%.3g", n); s != "1" {
		return s + " cores"
	}
	return "1 core"
}
