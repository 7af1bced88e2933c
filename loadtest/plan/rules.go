package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A rule is a condition on several values of an experiment. If several rules with
// the same key are broken, only the first is reported.
type rule struct {
	key     string // of the value that is wrong
	broken  func(*Experiment) bool
	problem string                  // what is wrong and what is allowed
	args    func(*Experiment) []any // if not nil, problem is a format and these are its arguments
}

var rules = []rule{
	{
		key:     "rate",
		broken:  func(e *Experiment) bool { return e.open() && e.Rate == result.Rate{} },
		problem: "is missing; an open loop needs one, such as 500/s, 2/s per client or 70%",
	},
	{
		key:     "rate",
		broken:  func(e *Experiment) bool { return !e.open() && e.Rate != result.Rate{} },
		problem: "is only for loop: open, or [closed, open]",
	},
	{
		key:     "rate",
		broken:  func(e *Experiment) bool { return e.Rate.Capacity > 0 && !slices.Contains(e.Loops, result.Closed) },
		problem: "is a fraction of the closed loop's throughput, so loop must be [closed, open]",
	},
	{
		key:     "shape",
		broken:  func(e *Experiment) bool { return !e.open() && e.Shape.Kind != "" },
		problem: "is only for loop: open, or [closed, open]",
	},
	{
		key:     "shape",
		broken:  func(e *Experiment) bool { return e.Requests > 0 && e.Shape.Changes() },
		problem: "needs a duration to spread over; requests ends the window earlier",
	},
	{
		key:     "shape",
		broken:  func(e *Experiment) bool { return e.open() && e.otherKind() != result.Rate{} },
		problem: "%v and the rate %v must be of the same kind: both in /s, in /s per client or in %%",
		args:    func(e *Experiment) []any { return []any{e.otherKind(), e.Rate} },
	},
	{
		key: "shape",
		broken: func(e *Experiment) bool {
			return e.open() && e.Shape.Kind == result.Sine && e.Shape.Amplitude.Of(1, 1) >= e.Rate.Of(1, 1)
		},
		problem: "the amplitude %v must be less than the rate %v",
		args:    func(e *Experiment) []any { return []any{e.Shape.Amplitude, e.Rate} },
	},
	{
		key:     "hold",
		broken:  func(e *Experiment) bool { return e.Hold > 0 && !e.idle() },
		problem: "is only for the workload idle",
	},
	{
		key:     "fault",
		broken:  func(e *Experiment) bool { return e.Fault != nil && e.open() },
		problem: "is only for loop: closed",
	},
	{
		key:     "fault",
		broken:  func(e *Experiment) bool { return e.Fault != nil && e.Requests > 0 },
		problem: "needs a duration; requests ends the window earlier",
	},
	{
		key:     "fault",
		broken:  func(e *Experiment) bool { return e.Fault != nil && e.idle() },
		problem: "cannot be combined with the workload idle, which sends no requests",
	},
	{
		key: "fault",
		broken: func(e *Experiment) bool {
			return e.Fault != nil && e.Fault.HTTP() &&
				slices.ContainsFunc(e.Workloads, func(w Workload) bool { return w.Protocol != "http" })
		},
		problem: "%s is injected by an HTTP request, so all workloads must be over http; allowed over echo: %s",
		args:    func(e *Experiment) []any { return []any{e.Fault.Kind, strings.Join(signals, ", ")} },
	},
	{
		key:     "fault",
		broken:  func(e *Experiment) bool { return e.Fault != nil && e.Fault.end()+afterFault > e.Duration },
		problem: "ends at %v of a window of %v; allowed: up to %v before the end of the window, to leave time to recover",
		args:    func(e *Experiment) []any { return []any{e.Fault.end(), e.Duration, afterFault} },
	},
	{
		key:     "active",
		broken:  func(e *Experiment) bool { return e.PerRequest && e.Active != result.Share{} },
		problem: "cannot be combined with connection: per-request; an idle client keeps its connection open",
	},
}

// limits lists what the generators other than Vegeta cannot do.
var limits = []struct {
	name  string
	asked func(e *Experiment, generator string) bool
}{
	{"an open loop", func(e *Experiment, g string) bool { return g != Wrk2 && e.open() }},
	{"a closed loop", func(e *Experiment, g string) bool { return g == Wrk2 && slices.Contains(e.Loops, result.Closed) }},
	{"a shape", func(e *Experiment, g string) bool { return g == Wrk2 && e.Shape.Changes() }},
	{"idle clients", func(e *Experiment, _ string) bool { return e.Active != result.Share{} }},
	{"a connection for each request", func(e *Experiment, _ string) bool { return e.PerRequest }},
	{"a number of requests", func(e *Experiment, _ string) bool { return e.Requests > 0 }},
	{"a fault", func(e *Experiment, _ string) bool { return e.Fault != nil }},
}

func (e *Experiment) open() bool { return slices.Contains(e.Loops, result.Open) }

// idle reports whether one of the workloads is idle.
func (e *Experiment) idle() bool {
	return slices.ContainsFunc(e.Workloads, func(w Workload) bool { return w.Name() == result.Idle })
}

// otherKind returns a rate of the shape whose kind differs from that of the
// experiment's rate, zero if there is none.
func (e *Experiment) otherKind() result.Rate {
	for _, other := range []result.Rate{e.Shape.To, e.Shape.Amplitude} {
		if (other != result.Rate{}) && rateKind(other) != rateKind(e.Rate) {
			return other
		}
	}
	return result.Rate{}
}

// check checks an experiment as a whole; n is its node.
func (d *decoder) check(e *Experiment, n ast.Node) {
	fail := func(key, problem string) {
		at := d.at(e, key)
		p, there := d.places[at]
		if !there {
			p = placeOf(n)
		}
		if !d.failed(at) {
			d.fail(p, at, problem)
		}
	}
	for _, list := range []struct {
		key     string
		entries int
	}{
		{"models", len(e.Models)}, {"workloads", len(e.Workloads)}, {"clients", len(e.Clients)},
	} {
		if _, there := d.places[d.at(e, list.key)]; list.entries == 0 && there {
			fail(list.key, "is empty; it needs at least one entry")
		} else if list.entries == 0 {
			fail(list.key, "is missing; it needs at least one entry")
		}
	}
	duplicates(d, d.at(e, "models"), e.Models)
	duplicates(d, d.at(e, "clients"), e.Clients)
	names := make([]string, len(e.Workloads))
	for i, w := range e.Workloads {
		names[i] = w.String()
	}
	duplicates(d, d.at(e, "workloads"), names)

	for _, r := range rules {
		if !r.broken(e) {
			continue
		}
		problem := r.problem
		if r.args != nil {
			problem = fmt.Sprintf(problem, r.args(e)...)
		}
		fail(r.key, problem)
	}
	for i, g := range e.Generators {
		key := "generator"
		if len(e.Generators) > 1 {
			key = fmt.Sprintf("generator[%d]", i)
		}
		for _, l := range limits {
			if g != Vegeta && l.asked(e, g) {
				fail(key, fmt.Sprintf("%s cannot do %s; allowed: %s", g, l.name, Vegeta))
			}
		}
	}
}

// at returns the path of a key: in the experiment if it stands there, else at the
// top level.
func (d *decoder) at(e *Experiment, key string) string {
	if own := join(e.path, key); d.places[own] != (place{}) {
		return own
	}
	return key
}
