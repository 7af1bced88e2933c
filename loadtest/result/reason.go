package result

import (
	"encoding/json"
	"regexp"
)

// A Gate names a check that a repeat must pass to count. The names are in records, so they
// never change.
type Gate string

// The gates, in the order of the checks.
const (
	GateFinished       Gate = "finished"
	GateEstablished    Gate = "established"
	GateErrors         Gate = "errors"
	GateWindow         Gate = "window"
	GateLittlesLaw     Gate = "littles-law"
	GateRate           Gate = "rate"
	GateSendLag        Gate = "send-lag"
	GateGeneratorBound Gate = "generator-bound"
	GateUnanswered     Gate = "unanswered"
	GateListenQueue    Gate = "listen-queue"
	GateRetransmits    Gate = "retransmits"
	GateEvenService    Gate = "even-service"
	GateSteady         Gate = "steady"
	GateStalls         Gate = "stalls"
	GateStolenTime     Gate = "stolen-time"
	GateThrottled      Gate = "throttled"
	GateOtherProcesses Gate = "other-processes"
	// GateOther is that of a text in an old record that no gate is known to have written.
	GateOther Gate = "other"
)

// A Reason is why a repeat is not valid.
type Reason struct {
	Gate Gate   `json:"gate"`
	Text string `json:"text"` // what was found, with the numbers, for people
}

// oldTexts recognizes the gate that wrote a reason of a record in which a reason is only text.
var oldTexts = []struct {
	gate Gate
	text *regexp.Regexp
}{
	{GateEstablished, regexp.MustCompile(`^(established connections:|only \d+ of the \d+ idle connections) `)},
	{GateErrors, regexp.MustCompile(`^errors: `)},
	{GateWindow, regexp.MustCompile(`^measured \S+ s of the \S+ s asked$`)},
	{GateLittlesLaw, regexp.MustCompile(`^(Little's law: |no request was answered$)`)},
	{GateRate, regexp.MustCompile(`^(answered \S+ of the \S+ requests/s asked for|\S+ requests/s were answered of the \S+ asked) `)},
	{GateSendLag, regexp.MustCompile(`^send lag: `)},
	{GateGeneratorBound, regexp.MustCompile(`^generator-bound: `)},
	{GateListenQueue, regexp.MustCompile(`^in the window: \d+ (accept queue overflows|connections dropped)`)},
	{GateRetransmits, regexp.MustCompile(`^in the window: \d+ SYN retransmits`)},
	{GateEvenService, regexp.MustCompile(`^uneven service: `)},
	{GateSteady, regexp.MustCompile(`^not steady: `)},
	{GateStolenTime, regexp.MustCompile(`^the hypervisor took `)},
	{GateThrottled, regexp.MustCompile(`^the harness's own control group had used up its CPU quota: `)},
	{GateOtherProcesses, regexp.MustCompile(`^other processes used the CPUs, `)},
}

// UnmarshalJSON decodes an object, or the text of an old record.
func (r *Reason) UnmarshalJSON(b []byte) error {
	text, ok, err := quoted(b)
	if !ok {
		type object Reason
		return json.Unmarshal(b, (*object)(r))
	}
	*r = Reason{GateOther, text}
	for _, old := range oldTexts {
		if old.text.MatchString(text) {
			r.Gate = old.gate
			break
		}
	}
	return err
}

// UnmarshalJSON decodes a repeat. In an old record the reason of a repeat that ended early is
// only the text of the failure.
func (r *Repeat) UnmarshalJSON(b []byte) error {
	type object Repeat
	if err := json.Unmarshal(b, (*object)(r)); err != nil {
		return err
	}
	for i := range r.Gates.Reasons {
		if reason := &r.Gates.Reasons[i]; reason.Gate == GateOther && reason.Text == r.Failure {
			reason.Gate = GateFinished
		}
	}
	return nil
}

// Texts returns what the reasons say.
func (g *Gates) Texts() []string {
	var out []string
	for _, r := range g.Reasons {
		out = append(out, r.Text)
	}
	return out
}
