package search

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/gate"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Promise is what a server must keep at a load: bounds on its latencies and on the
// requests that fail. Latencies are response times in an open loop, and service times in a
// closed one.
type Promise []stats.Bound

// String returns the bounds in words, in their order.
func (p Promise) String() string {
	var parts []string
	for _, b := range p {
		parts = append(parts, b.Metric.Title+" "+b.String())
	}
	return strings.Join(parts, ", ")
}

// missed returns the bounds that a repeat broke, failed requests first.
func (p Promise) missed(r *result.Repeat) []string {
	var out []string
	if why := gate.Rate(r); why != "" {
		out = append(out, why)
	}
	for _, b := range p {
		v, ok := b.Metric.Value(r)
		switch {
		case !ok || b.Met(v):
		case b.Metric.Name == stats.Errors.Name:
			bad := r.Errored()
			out = slices.Insert(out, 0, fmt.Sprintf("%d of %d requests failed (%s)", bad, r.Requests+bad, b.Metric.Unit.Format(v)))
		default:
			out = append(out, b.Metric.Title+" "+b.Metric.Unit.Format(v))
		}
	}
	return out
}

// ownKinds are the errors that a generator causes itself: it has no descriptors or no ports
// left.
var ownKinds = []string{result.KindFDs, result.KindPorts}

// Judge returns what a repeat means for the promise. A miss that the generator may have
// caused does not count against the server. A promise that was kept although the generator
// added to the latencies is kept all the same.
func (p Promise) Judge(r *result.Repeat) Sample {
	for _, kind := range ownKinds {
		if r.Errors[kind] > 0 || r.FailureKind == kind {
			return Sample{stats.Unmeasured, "the generator had no descriptors or ports left: " + kind}
		}
	}
	if r.Failure != "" {
		return Sample{stats.Missed, r.Failure}
	}
	missed := p.missed(r)
	if len(missed) == 0 {
		for _, check := range []func(*result.Repeat) string{gate.Established, gate.Window, gate.LittlesLaw} {
			if why := check(r); why != "" {
				return Sample{stats.Unmeasured, why}
			}
		}
		return Sample{Outcome: stats.Met}
	}
	for _, check := range []func(*result.Repeat) string{gate.SendLag, gate.GeneratorBound} {
		if why := check(r); why != "" {
			return Sample{stats.Unmeasured, strings.Join(missed, "; ") + "; but " + why}
		}
	}
	return Sample{stats.Missed, strings.Join(missed, "; ")}
}
