package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// rule records a mistake in a key of an experiment if a rule is broken, unless that
// key already has one. The format says which values are allowed.
func (d *decoder) rule(e *Experiment, broken bool, key, format string, args ...any) {
	field := d.at(e, key)
	if !broken || d.failed(field) {
		return
	}
	if d.there(field) {
		d.fail(field, format, args...)
	} else {
		d.failAt(e.path, field, format, args...)
	}
}

// check checks an experiment as a whole.
func (d *decoder) check(e *Experiment) {
	rule := func(broken bool, key, format string, args ...any) { d.rule(e, broken, key, format, args...) }
	var clients, workloads []string
	for _, n := range e.Clients {
		clients = append(clients, strconv.Itoa(n))
	}
	for _, w := range e.Workloads {
		workloads = append(workloads, w.String())
	}
	for _, list := range []struct {
		key     string
		entries []string
	}{{"models", e.Models}, {"workloads", workloads}, {"clients", clients}} {
		what := "missing"
		if d.there(d.at(e, list.key)) {
			what = "empty"
		}
		rule(len(list.entries) == 0, list.key, "is %s; it needs at least one entry", what)
		d.duplicates(d.at(e, list.key), "", list.entries)
	}

	open, shape, idle := slices.Contains(e.Loops, result.Open), &e.Shape, e.has(func(w Workload) bool { return w.Name() == result.Idle })
	rule(open && !isSet(e.Rate), "rate", "is missing; an open loop needs one, such as 500/s, 2/s per client or 70%%")
	rule(!open && isSet(e.Rate), "rate", "is only for loop: open, or [closed, open]")
	rule(e.Rate.Capacity > 0 && !slices.Contains(e.Loops, result.Closed), "rate", "is a fraction of the closed loop's throughput, so loop must be [closed, open]")
	rule(!open && shape.Kind != "", "shape", "is only for loop: open, or [closed, open]")
	rule(e.Requests > 0 && shape.Changes(), "shape", "needs a duration to spread over; requests ends the window earlier")
	for _, r := range []result.Rate{shape.To, shape.Amplitude} {
		rule(open && isSet(r) && kind(r) != kind(e.Rate), "shape", "%v and the rate %v must be of the same kind: both in /s, in /s per client or in %%", r, e.Rate)
	}
	rule(open && shape.Kind == result.Sine && shape.Amplitude.Of(1, 1) >= e.Rate.Of(1, 1), "shape", "the amplitude %v must be less than the rate %v", shape.Amplitude, e.Rate)
	rule(e.Hold > 0 && !idle, "hold", "is only for the workload idle")
	if f := e.Fault; f != nil {
		rule(open, "fault", "is only for loop: closed")
		rule(e.Requests > 0, "fault", "needs a duration; requests ends the window earlier")
		rule(idle, "fault", "cannot be combined with the workload idle, which sends no requests")
		rule(f.HTTP() && e.has(func(w Workload) bool { return w.Protocol == "echo" }), "fault",
			"%s is injected by an HTTP request, so all workloads must be over http; allowed over echo: %s", f.Kind, strings.Join(signals, ", "))
		rule(f.end()+afterFault > e.Duration, "fault", "ends at %v of a window of %v; allowed: up to %v before the end of the window, to leave time to recover",
			f.end(), e.Duration, afterFault)
	}
	some := e.Active != result.Share{}
	rule(e.PerRequest && some, "active", "cannot be combined with connection: per-request; an idle client keeps its connection open")

	for i, g := range e.Generators {
		key := "generator"
		if len(e.Generators) > 1 {
			key = fmt.Sprintf("generator[%d]", i)
		}
		for _, limit := range []struct {
			what  string
			asked bool
		}{
			{"an open loop", g != Wrk2 && open},
			{"a closed loop", g == Wrk2 && slices.Contains(e.Loops, result.Closed)},
			{"a shape", g == Wrk2 && shape.Changes()},
			{"idle clients", some},
			{"a connection for each request", e.PerRequest},
			{"a number of requests", e.Requests > 0},
			{"a fault", e.Fault != nil},
		} {
			rule(g != Vegeta && limit.asked, key, "%s cannot do %s; allowed: %s", g, limit.what, Vegeta)
		}
	}
}

func isSet(r result.Rate) bool { return r != result.Rate{} }

// kind returns which of the fields of a rate are set.
func kind(r result.Rate) [3]bool {
	return [3]bool{r.PerSecond > 0, r.PerClient > 0, r.Capacity > 0}
}

// has reports whether asked returns true for one of the workloads.
func (e *Experiment) has(asked func(Workload) bool) bool {
	return slices.ContainsFunc(e.Workloads, asked)
}

// at returns the path of a key: in the experiment if it stands there, else at the
// top level.
func (d *decoder) at(e *Experiment, key string) string {
	if own := join(e.path, key); d.there(own) {
		return own
	}
	return key
}

// A part is a key that only some kinds of shape or fault have.
type part struct {
	key    string
	of     []string // the kinds that may have it
	needed []string // the kinds that must have it
}

// checkParts checks that a shape or a fault has the keys of its kind and no others.
// Kinds are all its kinds.
func (d *decoder) checkParts(path, what, kind string, kinds []string, parts []part) {
	if kind == "" {
		d.missing(path, "kind", "; allowed: %s", strings.Join(kinds, ", "))
		return
	}
	for _, p := range parts {
		switch at := path + "." + p.key; {
		case !d.there(at) && slices.Contains(p.needed, kind):
			d.missing(path, p.key, "; the %s %s needs it", what, kind)
		case d.there(at) && !slices.Contains(p.of, kind):
			d.fail(at, "does not apply to the %s %s; it is for %s", what, kind, strings.Join(p.of, ", "))
		}
	}
}
