package search

import (
	"fmt"
	"strings"

	"github.com/tierbench/tierbench/loadtest/gate"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// An SLO is a promise about answers. Latencies are response times where the
// loop is open and service times where it is closed, in seconds; 0 promises
// nothing.
type SLO struct {
	P50, P90, P99, P999, Max float64
	// Errors is the largest part of all requests that may fail.
	Errors float64
}

// bounds are the latencies that are promised.
func (s SLO) bounds() []struct {
	metric stats.Metric
	most   float64
} {
	all := []struct {
		metric stats.Metric
		most   float64
	}{{stats.P50, s.P50}, {stats.P90, s.P90}, {stats.P99, s.P99}, {stats.P999, s.P999}, {stats.Max, s.Max}}
	kept := all[:0]
	for _, b := range all {
		if b.most > 0 {
			kept = append(kept, b)
		}
	}
	return kept
}

func (s SLO) String() string {
	var parts []string
	for _, b := range s.bounds() {
		parts = append(parts, b.metric.Title+" ≤ "+stats.Seconds.Format(b.most))
	}
	return strings.Join(append(parts, fmt.Sprintf("errors ≤ %.3g %%", 100*s.Errors)), ", ")
}

// missed says which promises a repeat broke.
func (s SLO) missed(r *result.Repeat) []string {
	var out []string
	if bad := r.Errored(); bad > 0 {
		if share := float64(bad) / float64(r.Requests+bad); share > s.Errors {
			out = append(out, fmt.Sprintf("%d of %d requests failed (%.3g %%)", bad, r.Requests+bad, 100*share))
		}
	}
	if why := gate.RateReached(r); why != "" {
		out = append(out, why)
	}
	for _, b := range s.bounds() {
		if v, ok := b.metric.Value(r); ok && v > b.most {
			out = append(out, b.metric.Title+" "+stats.Seconds.Format(v))
		}
	}
	return out
}

// ownKinds are the errors that a generator makes by itself: it has no
// descriptors or no ports left.
var ownKinds = []string{"emfile", "no-port"}

// Judge says what a repeat means for the promise. What the generator may have
// caused is not held against the server. A promise that was kept although the
// generator had a part in the latencies was kept all the more.
func (s SLO) Judge(r *result.Repeat) Sample {
	for _, kind := range ownKinds {
		if r.Errors[kind] > 0 || strings.Contains(r.Failure, "("+kind+")") {
			return Sample{Unusable, "the generator had no descriptors or ports left: " + kind}
		}
	}
	if r.Failure != "" {
		return Sample{Missed, r.Failure}
	}
	missed := s.missed(r)
	if len(missed) == 0 {
		for _, check := range []func(*result.Repeat) string{gate.Established, gate.Window, gate.LittlesLaw} {
			if why := check(r); why != "" {
				return Sample{Unusable, why}
			}
		}
		return Sample{Verdict: Met}
	}
	for _, check := range []func(*result.Repeat) string{gate.SendLag, gate.GeneratorBound} {
		if why := check(r); why != "" {
			return Sample{Unusable, strings.Join(missed, "; ") + "; but " + why}
		}
	}
	return Sample{Missed, strings.Join(missed, "; ")}
}
