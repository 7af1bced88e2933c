package live

import (
	_ "embed"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/trial"
)

// EventSchema is the JSON Schema (2020-12) of a line. go test -update generates it from
// the types of this package.
//
//go:embed event.schema.json
var EventSchema []byte

// EventVersion is the version of the format. It is incremented when a reader of the
// previous version would misunderstand a field, not when a field or a kind of event is
// added.
const EventVersion = 1

// An Event is one line. Kind says which of the other fields are set. Units are seconds
// and requests a second.
type Event struct {
	Kind string    `json:"event"` // "begin", "step", "second", "warning", "repeat", "trial" or "end"
	Time time.Time `json:"time"`

	Begin *Begin `json:"begin,omitempty"` // of "begin"
	// Step is the current repeat. Only "begin", "trial" and "end" do not have it.
	Step    *Step    `json:"step,omitempty"`
	Second  *Second  `json:"second,omitempty"`  // of "second"
	Warning string   `json:"warning,omitempty"` // of "warning"
	Outcome *Outcome `json:"outcome,omitempty"` // of "repeat"
	Trial   *Trial   `json:"trial,omitempty"`   // of "trial"
	End     *End     `json:"end,omitempty"`     // of "end"
}

// Begin describes a run that is about to be measured.
type Begin struct {
	Version int      `json:"version"` // EventVersion
	Run     string   `json:"run"`
	Dir     string   `json:"dir"`
	Steps   int      `json:"steps"`          // number of repeats
	Done    int      `json:"done,omitempty"` // how many were measured before the run was resumed
	Notes   []string `json:"notes,omitempty"`
}

// Step is one repeat of one cell.
type Step struct {
	N       int           `json:"n"` // from 1
	Steps   int           `json:"steps"`
	LeftSec float64       `json:"left_sec"` // estimated time to the end of the run
	Cell    result.Labels `json:"cell"`
	Repeat  int           `json:"repeat"` // from 1
}

// Second is what the generator counted in one second of a window; the last one of
// a window may be shorter.
type Second struct {
	N        int     `json:"n"` // from 0
	Requests int64   `json:"requests"`
	Errored  int64   `json:"errored"`
	P99Sec   float64 `json:"p99_sec"` // service time
	// ResponseP99Sec is from the scheduled send; open loop only.
	ResponseP99Sec float64 `json:"response_p99_sec,omitempty"`
}

// Outcome summarizes a repeat. The record contains the rest.
type Outcome struct {
	Verdict          result.Verdict `json:"verdict"`
	Reasons          []string       `json:"reasons,omitempty"`
	Requests         int64          `json:"requests"`
	Errored          int64          `json:"errored"`
	ThroughputRPS    float64        `json:"throughput_rps"`
	P99Sec           float64        `json:"p99_sec"`                    // service time
	ResponseP99Sec   float64        `json:"response_p99_sec,omitempty"` // open loop
	CPUPerRequestSec float64        `json:"cpu_per_request_sec"`        // of the server
}

// Trial is the outcome of a trial: a measurement without clients. Trials follow the
// repeats.
type Trial struct {
	N       int                `json:"n"` // from 1
	Trials  int                `json:"trials"`
	LeftSec float64            `json:"left_sec"` // estimated time to the end of the trials
	Name    string             `json:"name"`
	Variant string             `json:"variant"`
	Repeat  int                `json:"repeat"`           // from 1
	Values  map[string]float64 `json:"values,omitempty"` // the names contain the units
	Failure string             `json:"failure,omitempty"`
}

// End is how the run ended.
type End struct {
	Complete bool   `json:"complete"`
	Error    string `json:"error,omitempty"`
}

// JSON is a watcher that writes each event as one line.
type JSON struct {
	now func() time.Time
	mu  sync.Mutex
	enc *json.Encoder
}

var _ Watcher = (*JSON)(nil)

// NewJSON returns a watcher that writes to w. It ignores errors of w, because the record
// contains everything.
func NewJSON(w io.Writer) *JSON { return newJSON(w, time.Now) }

func newJSON(w io.Writer, now func() time.Time) *JSON {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &JSON{now: now, enc: enc}
}

func (j *JSON) write(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Time = j.now().UTC()
	_ = j.enc.Encode(&e)
}

// Begin writes the first line.
func (j *JSON) Begin(s Start) {
	j.write(Event{Kind: "begin", Begin: &Begin{Version: EventVersion, Run: s.Run.ID, Dir: s.Dir, Steps: s.Steps, Done: s.Done, Notes: s.Notes}})
}

// Event writes a line.
func (j *JSON) Event(ev loadtest.Event) {
	e := Event{Kind: "step", Step: &Step{
		N: ev.N, Steps: ev.Total, LeftSec: ev.Left.Seconds(), Cell: ev.Step.Key.Labels(), Repeat: ev.Step.Repeat,
	}}
	switch {
	case ev.Warning != "":
		e.Kind, e.Warning = "warning", ev.Warning
	case ev.Second != nil:
		e.Kind, e.Second = "second", &Second{N: ev.Second.N, Requests: ev.Second.Requests, Errored: ev.Second.Errored, P99Sec: ev.Second.P99Sec, ResponseP99Sec: ev.Second.ResponseP99Sec}
	case ev.Repeat != nil:
		r := ev.Repeat
		e.Kind, e.Outcome = "repeat", &Outcome{
			Verdict: r.Gates.Verdict, Reasons: r.Gates.Texts(), Requests: r.Requests, Errored: r.Errored(),
			ThroughputRPS: r.ThroughputRPS, P99Sec: r.Service.P99, CPUPerRequestSec: r.CPUPerRequestSec(),
		}
		if r.Response != nil {
			e.Outcome.ResponseP99Sec = r.Response.P99
		}
	}
	j.write(e)
}

// Trial writes a line.
func (j *JSON) Trial(ev trial.Event) {
	t := ev.Trial
	j.write(Event{Kind: "trial", Trial: &Trial{
		N: ev.N, Trials: ev.Total, LeftSec: ev.Left.Seconds(), Name: t.Name, Variant: t.Variant, Repeat: t.Repeat,
		Values: t.Values, Failure: t.Failure,
	}})
}

// End writes the last line.
func (j *JSON) End(err error) {
	e := &End{Complete: err == nil}
	if err != nil {
		e.Error = err.Error()
	}
	j.write(Event{Kind: "end", End: e})
}
