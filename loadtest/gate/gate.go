// Package gate decides whether a repeat counts. Its checks are pure functions
// of the record: evidence in, verdict out.
package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// Bounds of the checks. They are part of what a verdict means, so they are
// constants and not settings.
const (
	// LittleResidual is how far throughput × mean service time may be from the
	// number of clients, as a fraction of that number. In a closed loop the two are
	// equal by Little's law (J. D. C. Little, Operations Research 9(3), 1961). A
	// difference means that clients were not waiting for an answer part of the time,
	// or that answers were not counted.
	LittleResidual = 0.05
	// WindowShare is the least part of the requested window that must have been
	// measured.
	WindowShare = 0.90
	// RateShare is the least part of the requested rate that must have been reached, and
	// RateExcess the largest.
	RateShare  = 0.99
	RateExcess = 1.02
	// LagShare is the largest lag of the generator (99th percentile), as a fraction of
	// the 99th percentile of the response time.
	LagShare = 0.10
	// CeilingShare is the largest throughput, as a fraction of the generator's ceiling.
	CeilingShare = 0.85
	// BusyShare is the largest part of its CPUs' time that a generator may use, unless
	// the server's CPUs are as busy.
	BusyShare = 0.90
	// JainIndex is the least fairness of the answers per client. It takes an average of
	// MinAnswers per client to distinguish uneven service from chance.
	JainIndex  = 0.95
	MinAnswers = 20
	// DriftChange is how much the throughput may change over the window, beyond two
	// standard errors of that change. The check needs at least MinSlices slices.
	DriftChange = 0.10
	MinSlices   = 8
	// StallSec is the shortest time without an answer that is a stall. It must also be
	// StallTimes as long as the median service time.
	StallSec   = 0.1
	StallTimes = 4
	// SlowShare is the largest part of the window in which there may be less than half as many
	// answers as in its median slice.
	SlowShare = 0.10
	// StolenShare is the largest part of the CPU time that the hypervisor may take.
	StolenShare = 0.01
	// ThrottledShare is the longest CPU time for which the harness may be stopped because of its
	// own CPU quota, as a fraction of the window.
	ThrottledShare = 0.01
	// OtherCores is the largest part of a core that another process may use.
	OtherCores = 0.10
)

// A Check looks at one repeat and returns what is wrong with it, "" if nothing is.
type Check struct {
	Gate    result.Gate
	Verdict result.Verdict // of a repeat that fails the check
	Find    func(*result.Repeat) string
}

// Checks are all the checks, in the order of the reasons. A repeat that is invalid
// measured something other than what was asked for. A repeat that is suspect measured
// it, but something other than the server influenced the result.
var Checks = []Check{
	{result.GateFinished, result.Invalid, Finished},
	{result.GateEstablished, result.Invalid, Established},
	{result.GateErrors, result.Invalid, NoErrors},
	{result.GateWindow, result.Invalid, Window},
	{result.GateLittlesLaw, result.Invalid, LittlesLaw},
	{result.GateRate, result.Invalid, Rate},
	{result.GateSendLag, result.Suspect, SendLag},
	{result.GateGeneratorBound, result.Suspect, GeneratorBound},
	{result.GateUnanswered, result.Suspect, Unanswered},
	{result.GateListenQueue, result.Suspect, ListenQueue},
	{result.GateRetransmits, result.Suspect, SynRetransmits},
	{result.GateEvenService, result.Suspect, Even},
	{result.GateSteady, result.Suspect, Steady},
	{result.GateStalls, result.Suspect, Stalls},
	{result.GateStolenTime, result.Suspect, Stolen},
	{result.GateThrottled, result.Suspect, Throttled},
	{result.GateOtherProcesses, result.Suspect, OtherProcesses},
}

// Judge runs all checks. On a repeat with a fault, it leaves out the checks that would
// only find the effects of the fault. Each reason for a verdict other than valid says
// what was found, with the numbers.
func Judge(r *result.Repeat) result.Gates {
	g := result.Gates{Verdict: result.Valid}
	for _, check := range Checks {
		text := check.Find(r)
		if text == "" {
			continue
		}
		g.Reasons = append(g.Reasons, result.Reason{Gate: check.Gate, Text: text})
		if g.Verdict != result.Invalid {
			g.Verdict = check.Verdict
		}
		if r.Failure != "" {
			return g // the failure explains the other reasons
		}
	}
	g.Notes = notes(r)
	return g
}

// notes returns which checks were not made, and why.
func notes(r *result.Repeat) (notes []string) {
	if foreign(r) {
		notes = append(notes, fmt.Sprintf("with %s, Little's law is not checked (its clients are idle between an answer and the next request), nor are the bytes of the answers, even service and steadiness", r.Generator.Name))
		return notes
	}
	if r.Workload == result.Idle {
		return nil
	}
	if r.Fault != nil {
		notes = append(notes, "established connections, errors, Little's law, listen queue, retransmits, even service and steadiness are not checked: they would only report the effects of the fault")
		if t := r.Network.Window; t != (result.Trouble{}) {
			notes = append(notes, "in the window: "+trouble(t))
		}
		return notes
	}
	if r.Closes > 0 {
		notes = append(notes, fmt.Sprintf("the server's number of connections is not checked: it announced the end of %d connections and closed them, and the clients connected again", r.Closes))
	}
	if r.Fairness.Mean < MinAnswers {
		notes = append(notes, fmt.Sprintf("even service is not checked: it needs %d answers per client, and there were %.3g", MinAnswers, r.Fairness.Mean))
	}
	if r.Drift.Slices < MinSlices {
		notes = append(notes, "steadiness is not checked: the window is too short")
	}
	if t := r.Network.Connecting; t != (result.Trouble{}) {
		notes = append(notes, "while the clients connected: "+trouble(t))
	}
	return notes
}

// foreign reports whether the load came from a peer. wrk queues a request when an
// answer has arrived, but it writes the request and starts its clock only when its
// event loop comes round to it: of 64 clients, about half are waiting for an answer at
// any time. So its service times can be compared with each other, but do not fit its
// number of clients.
func foreign(r *result.Repeat) bool {
	return r.Generator.Name != "vegeta" && r.Generator.Name != ""
}

// Finished fails a repeat that ended early.
func Finished(r *result.Repeat) string { return r.Failure }

// Established fails a repeat that did not have exactly N established connections at
// the start and at the end of the window, counted by the kernel and by the generator.
// If each request has its own connection, only the generator knows the number of
// clients; also if the server closes connections by announcement, because the kernel then
// counts those that are being replaced twice or not at all.
func Established(r *result.Repeat) string {
	if r.Fault != nil {
		return ""
	}
	type count struct {
		where string
		n     int
	}
	counts := []count{
		{"generator, at the start", r.Established.Generator.Start},
		{"generator, at the end", r.Established.Generator.End},
	}
	if !r.PerRequest && r.Closes == 0 {
		counts = append([]count{
			{"server, at the start", r.Established.Server.Start},
			{"server, at the end", r.Established.Server.End},
		}, counts...)
	}
	var wrong []string
	for _, c := range counts {
		if c.n != r.Clients {
			wrong = append(wrong, fmt.Sprintf("%d (%s)", c.n, c.where))
		}
	}
	if wrong != nil {
		return fmt.Sprintf("established connections: asked %d, found %s", r.Clients, strings.Join(wrong, ", "))
	}
	if int64(r.Idle) != r.Answered {
		return fmt.Sprintf("only %[2]d of the %[1]d idle connections still answered at the end", r.Idle, r.Answered)
	}
	return ""
}

// NoErrors fails a repeat with any request that failed or got a wrong answer.
func NoErrors(r *result.Repeat) string {
	if r.Fault != nil {
		return ""
	}
	kinds := make([]string, 0, len(r.Errors))
	for kind, n := range r.Errors {
		if n > 0 {
			kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
		}
	}
	if len(kinds) == 0 {
		return ""
	}
	slices.SortFunc(kinds, func(a, b string) int {
		first := func(kind string) int {
			if result.IsStatus(kind) {
				return 0
			}
			return 1
		}
		return cmp.Or(first(a)-first(b), cmp.Compare(a, b))
	})
	return "errors: " + strings.Join(kinds, ", ")
}

// Window fails a repeat that measured for less time than it was asked to.
func Window(r *result.Repeat) string {
	if r.AskedSec <= 0 || r.DurationSec >= WindowShare*r.AskedSec {
		return ""
	}
	if r.AskedRequests > 0 && r.Requests >= r.AskedRequests {
		return ""
	}
	return fmt.Sprintf("measured %.3g s of the %.3g s asked", r.DurationSec, r.AskedSec)
}

// LittlesLaw fails a closed-loop repeat whose throughput and mean service time
// do not fit its number of clients.
func LittlesLaw(r *result.Repeat) string {
	if r.Workload == result.Idle {
		return ""
	}
	if r.Requests == 0 {
		return "no request was answered"
	}
	if r.Loop != result.Closed || foreign(r) || r.Fault != nil {
		return ""
	}
	clients := float64(r.Clients - r.Idle)
	inFlight := r.ThroughputRPS * r.Service.Mean
	// The ends of the window cut through requests. The time that was cut off is known,
	// but count no more of it than one average request of each client. A client that
	// waits longer than the others does not show in the mean, and this check must find it.
	if r.DurationSec > 0 {
		most := clients * r.Service.Mean
		inFlight += min(max(r.CarriedSec, -most), most) / r.DurationSec
	}
	residual := inFlight/clients - 1
	if math.Abs(residual) <= LittleResidual {
		return ""
	}
	return fmt.Sprintf("Little's law: throughput × mean service time is %.4g clients, not %d (%+.1f %%)",
		inFlight, r.Clients-r.Idle, 100*residual)
}

// Residual returns throughput × mean time ÷ clients − 1, for a throughput in requests
// a second and a mean time in seconds.
func Residual(throughput, mean, clients float64) float64 { return throughput*mean/clients - 1 }

// Rate fails an open-loop repeat whose load was lower than asked for, because the server or
// the generator could not keep up, or higher, because the server also answered a backlog from
// before the window.
func Rate(r *result.Repeat) string {
	if r.Loop != result.Open || r.DurationSec <= 0 || r.Response == nil {
		return ""
	}
	// Some of the requests that were due are still in flight at the end, as they should be.
	flying := math.Min(float64(r.Clients), r.RateRPS*r.Response.Mean) + 1
	due := r.RateRPS * r.DurationSec
	// At the start there were as many, by the time that each was in flight. A backlog would be
	// in the response times.
	early := math.Min(float64(r.Clients), r.RateRPS*r.Service.Mean) + 1
	if float64(r.Requests)-early > RateExcess*due {
		return fmt.Sprintf("answered %.4g requests/s, but %.4g requests/s were asked for (%.1f %%): the window began with a backlog, whose response times count from before it",
			r.ThroughputRPS, r.RateRPS, 100*r.ThroughputRPS/r.RateRPS)
	}
	if float64(r.Requests)+flying >= RateShare*due {
		return ""
	}
	return fmt.Sprintf("answered %.4g of the %.4g requests/s asked for (%.1f %%); %d due requests were not sent, because no client was free",
		r.ThroughputRPS, r.RateRPS, 100*r.ThroughputRPS/r.RateRPS, r.Unsent)
}

// SendLag fails an open-loop repeat if the generator's own delays make up a large part
// of the response times.
func SendLag(r *result.Repeat) string {
	if r.Response == nil || r.Generator.SendLagP99Sec <= LagShare*r.Response.P99 {
		return ""
	}
	return fmt.Sprintf("send lag: the generator itself sent up to %s late (p99), which is too much compared with a response time of %s (p99)",
		duration(r.Generator.SendLagP99Sec), duration(r.Response.P99))
}

// GeneratorBound fails a repeat that measured the limit of the generator rather than
// that of the server. A server that keeps its own CPUs busy is the limit itself. A ceiling
// that was exceeded is not one: the server's answers cost the generator less than those that
// it was measured with.
func GeneratorBound(r *result.Repeat) string {
	busy := func(used, allowed float64) float64 {
		if allowed == 0 {
			return 0
		}
		return used / allowed
	}
	generator := busy(r.GeneratorCores(), float64(r.CPUs.GeneratorCount))
	server := busy(r.ServerCores(), r.ServerCPUs())
	if server > BusyShare {
		return ""
	}
	if c := r.Generator.CeilingRPS; r.Loop == result.Closed && r.ThroughputRPS > CeilingShare*c && r.ThroughputRPS <= c {
		return fmt.Sprintf("generator-bound: %.4g requests/s is %.0f %% of what the generator can do here (%.4g)", r.ThroughputRPS, 100*r.ThroughputRPS/c, c)
	}
	if generator <= BusyShare {
		return ""
	}
	return fmt.Sprintf("generator-bound: the generator kept its CPUs %.0f %% busy, the server kept its CPUs %.0f %% busy", 100*generator, 100*server)
}

// ListenQueue fails a repeat if a full accept queue dropped connections within the
// window.
func ListenQueue(r *result.Repeat) string {
	t := r.Network.Window
	t.SynRetransmits = 0
	if t == (result.Trouble{}) || r.Fault != nil {
		return ""
	}
	return "in the window: " + trouble(t)
}

// SynRetransmits fails a repeat if a SYN was retransmitted within the window: the
// client that sent it waited for a second or more.
func SynRetransmits(r *result.Repeat) string {
	if n := r.Network.Window.SynRetransmits; n > 0 && r.Fault == nil {
		return "in the window: " + trouble(result.Trouble{SynRetransmits: n})
	}
	return ""
}

func trouble(t result.Trouble) string {
	var parts []string
	for _, c := range []struct {
		n    int64
		name string
	}{
		{t.ListenOverflows, "accept queue overflows"}, {t.ListenDrops, "connections dropped by a listener"}, {t.SynRetransmits, "SYN retransmits"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.name))
		}
	}
	return strings.Join(parts, ", ") + " on this host"
}

// Even fails a repeat in which some clients got many more answers than others.
func Even(r *result.Repeat) string {
	if r.Fault != nil || r.Fairness.Jain == 0 || r.Fairness.Mean < MinAnswers || r.Fairness.Jain >= JainIndex {
		return ""
	}
	return fmt.Sprintf("uneven service: Jain's index of the answers per client is %.3f", r.Fairness.Jain)
}

// Steady fails a repeat whose throughput rose or fell throughout the window.
func Steady(r *result.Repeat) string {
	d := r.Drift
	if r.Fault != nil || d.Slices < MinSlices || math.Abs(d.Change)-2*d.StdErr <= DriftChange || r.Rate.Shape.Changes() {
		return "" // the shape makes the rate change
	}
	return fmt.Sprintf("not steady: throughput changed by %+.0f %% ± %.0f %% over the window", 100*d.Change, 200*d.StdErr)
}

// Unanswered fails a repeat in which clients waited in vain throughout the window: its
// percentiles weigh such a client as a single request. A window that ended after a number of
// answers may have been too short for all clients.
func Unanswered(r *result.Repeat) string {
	if r.Fault != nil || r.Starved == 0 || r.AskedRequests > 0 && r.Requests >= r.AskedRequests {
		return ""
	}
	longest := r.Service.Max
	if r.Response != nil {
		longest = r.Response.Max
	}
	return fmt.Sprintf("%d of %d clients got no answer in the window; the longest wait is %s or more", r.Starved, r.Clients-r.Idle, duration(longest))
}

// Stalls fails a repeat during which the answers stopped or nearly stopped for a time: what is
// measured depends on how many stalls there are in the window. Answers that take long come in
// bursts by themselves, as do few answers.
func Stalls(r *result.Repeat) string {
	d := r.Drift
	if r.Fault != nil {
		return ""
	}
	if missing := r.ThroughputRPS * d.StallSec; d.StallSec >= StallSec && d.StallSec >= StallTimes*r.Service.P50 && missing >= MinAnswers {
		return fmt.Sprintf("stalled: no answer for %s, in which %.3g were to be expected", duration(d.StallSec), missing)
	}
	slice := r.DurationSec / float64(max(d.Slices, 1))
	if d.Slices < MinSlices || d.SlowShare <= SlowShare || r.Rate.Shape.Changes() || r.ThroughputRPS*slice < MinAnswers || r.Service.P50 > slice/StallTimes {
		return ""
	}
	return fmt.Sprintf("stalled: in %.0f %% of the window, there were less than half as many answers as usual", 100*d.SlowShare)
}

// Stolen fails a repeat in which the hypervisor gave CPU time to others.
func Stolen(r *result.Repeat) string {
	cpus := float64(r.CPUs.ServerCount + r.CPUs.GeneratorCount - r.CPUs.Shared)
	if cpus <= 0 || r.Workload == result.Idle || r.DurationSec <= 0 {
		return ""
	}
	share := r.Machine.StolenSec / (r.DurationSec * cpus)
	if share <= StolenShare {
		return ""
	}
	return fmt.Sprintf("the hypervisor took %.1f %% of the CPU time", 100*share)
}

// Throttled fails a repeat in which the control group of the harness had used up its CPU
// quota. The throttling of a box is intended, and is not counted here.
func Throttled(r *result.Repeat) string {
	if r.Workload == result.Idle || r.DurationSec <= 0 {
		return ""
	}
	if r.Machine.ThrottledSec <= ThrottledShare*r.DurationSec {
		return ""
	}
	return fmt.Sprintf("the harness's own control group had used up its CPU quota: it was throttled for %s of CPU time in a window of %s", duration(r.Machine.ThrottledSec), duration(r.DurationSec))
}

// OtherProcesses fails a repeat during which other processes used the CPUs. The memory
// of idle connections does not depend on that.
func OtherProcesses(r *result.Repeat) string {
	if r.Workload == result.Idle {
		return ""
	}
	// The record lists each process; the reason adds up those of the same name.
	type used struct {
		name  string
		cores float64
		n     int
	}
	var all []used
	for _, p := range r.Machine.Others {
		if p.Cores <= OtherCores {
			continue
		}
		i := slices.IndexFunc(all, func(u used) bool { return u.name == p.Name })
		if i < 0 {
			i, all = len(all), append(all, used{name: p.Name})
		}
		all[i].cores, all[i].n = all[i].cores+p.Cores, all[i].n+1
	}
	if all == nil {
		return ""
	}
	slices.SortStableFunc(all, func(a, b used) int { return cmp.Compare(b.cores, a.cores) })
	const most = 3
	var names []string
	for _, u := range all[:min(most, len(all))] {
		s := fmt.Sprintf("%s %.2f", u.name, u.cores)
		if u.n > 1 {
			s += fmt.Sprintf(" (%d processes)", u.n)
		}
		names = append(names, s)
	}
	if more := len(all) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return "other processes used the CPUs, in cores: " + strings.Join(names, ", ")
}

func duration(sec float64) string {
	switch {
	case sec < 1e-3:
		return fmt.Sprintf("%.0f µs", sec*1e6)
	case sec < 1:
		return fmt.Sprintf("%.3g ms", sec*1e3)
	}
	return fmt.Sprintf("%.3g s", sec)
}
