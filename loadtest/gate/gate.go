// Package gate decides whether a repeat counts. Its checks are pure functions
// of the record: evidence in, verdict out.
package gate

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// Bounds of the checks. They are part of what a verdict means, so they are
// constants and not settings.
const (
	// LittleResidual is how far throughput × mean service time may be from the
	// number of clients, as a fraction of it. In a closed loop the two are
	// equal by Little's law (J. D. C. Little, Operations Research 9(3), 1961):
	// a difference is time in which clients were not waiting for an answer, or
	// answers that were not counted.
	LittleResidual = 0.05
	// WindowShare is the least part of the asked window that must have been
	// measured.
	WindowShare = 0.90
)

// A Check looks at one repeat and says what is wrong with it, "" if nothing.
type Check func(*result.Repeat) string

// Checks are those that every repeat must pass, in the order of the reasons.
var Checks = []Check{Finished, Established, NoErrors, Window, LittlesLaw}

// Judge runs all checks. The reasons of a verdict other than valid are whole
// sentences with the numbers in them.
func Judge(r *result.Repeat) result.Gates {
	g := result.Gates{Verdict: result.Valid}
	for _, check := range Checks {
		if reason := check(r); reason != "" {
			g.Verdict = result.Invalid
			g.Reasons = append(g.Reasons, reason)
		}
	}
	if r.Generator.Name == wrk && r.Failure == "" {
		g.Notes = append(g.Notes, notWithWrk)
	}
	return g
}

// wrk queues a request when an answer has come, but writes it, and starts its
// clock, when its event loop comes round to it: of 64 clients about half are
// waiting for an answer at any time. Its service times are comparable with
// each other, not with its number of clients.
const (
	wrk        = "wrk"
	notWithWrk = "with wrk, neither Little's law is checked (its clients are idle between an answer and the next request) nor are the bytes of the answers"
)

// Finished fails a repeat that ended early.
func Finished(r *result.Repeat) string { return r.Failure }

// Established fails a repeat in which the connections were not N at both ends
// of the window, by the kernel's count and by the generator's own.
func Established(r *result.Repeat) string {
	if r.Failure != "" {
		return "" // says all there is to say
	}
	var wrong []string
	for _, c := range []struct {
		who string
		n   int
	}{
		{"server, at the start", r.Established.Server.Start},
		{"server, at the end", r.Established.Server.End},
		{"generator, at the start", r.Established.Generator.Start},
		{"generator, at the end", r.Established.Generator.End},
	} {
		if c.n != r.Clients {
			wrong = append(wrong, fmt.Sprintf("%d (%s)", c.n, c.who))
		}
	}
	if wrong == nil {
		return ""
	}
	return fmt.Sprintf("established connections: asked %d, found %s", r.Clients, strings.Join(wrong, ", "))
}

// NoErrors fails a repeat with any request that was not answered rightly.
func NoErrors(r *result.Repeat) string {
	kinds := make([]string, 0, len(r.Errors))
	for kind, n := range r.Errors {
		if n > 0 {
			kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
		}
	}
	if len(kinds) == 0 {
		return ""
	}
	sort.Strings(kinds)
	return "errors: " + strings.Join(kinds, ", ")
}

// Window fails a repeat that measured less than it was asked to.
func Window(r *result.Repeat) string {
	if r.Failure != "" || r.AskedSec <= 0 || r.DurationSec >= WindowShare*r.AskedSec {
		return ""
	}
	return fmt.Sprintf("measured %.3g s of the %.3g s asked", r.DurationSec, r.AskedSec)
}

// LittlesLaw fails a closed-loop repeat whose throughput and mean service time
// do not fit its number of clients.
func LittlesLaw(r *result.Repeat) string {
	if r.Failure != "" || r.Loop != result.Closed || r.Workload == result.Idle {
		return ""
	}
	if r.Requests == 0 {
		return "no request was answered"
	}
	if r.Generator.Name == wrk {
		return ""
	}
	residual := Residual(r)
	if math.Abs(residual) <= LittleResidual {
		return ""
	}
	return fmt.Sprintf("Little's law: throughput × mean service time is %.4g clients, not %d (%+.1f %%)",
		r.ThroughputRPS*r.Service.Mean, r.Clients, 100*residual)
}

// Residual is throughput × mean service time ÷ clients − 1.
func Residual(r *result.Repeat) float64 {
	return r.ThroughputRPS*r.Service.Mean/float64(r.Clients) - 1
}
