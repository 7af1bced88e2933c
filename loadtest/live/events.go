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

// EventSchema describes a line of JSON, in JSON Schema 2020-12. It is made from
// the types of this package by go test -update.
//
//go:embed event.schema.json
var EventSchema []byte

// EventVersion is that of the lines. It goes up when a reader of the previous one
// would misunderstand a field, not when a field or a kind of event is added.
const EventVersion = 1

// An Event is one line: what happened. Kind says which of the other fields are
// there. Units are seconds and requests a second.
type Event struct {
	Kind string    `json:"event"` // "begin", "step", "second", "warning", "repeat", "trial" or "end"
	Time time.Time `json:"time"`

	Begin *Begin `json:"begin,omitempty"` // of "begin"
	// Step is of all but "begin", "trial" and "end": the repeat under way.
	Step    *Step    `json:"step,omitempty"`
	Second  *Second  `json:"second,omitempty"`  // of "second"
	Warning string   `json:"warning,omitempty"` // of "warning"
	Outcome *Outcome `json:"outcome,omitempty"` // of "repeat"
	Trial   *Trial   `json:"trial,omitempty"`   // of "trial"
	End     *End     `json:"end,omitempty"`     // of "end"
}

// Begin is a run that is about to be measured.
type Begin struct {
	Version int      `json:"version"` // of these lines
	Run     string   `json:"run"`
	Dir     string   `json:"dir"`
	Steps   int      `json:"steps"`          // repeats in all
	Done    int      `json:"done,omitempty"` // of them, by an earlier part of the run
	Notes   []string `json:"notes,omitempty"`
}

// Step is one repeat of one cell.
type Step struct {
	N       int           `json:"n"` // from 1
	Steps   int           `json:"steps"`
	LeftSec float64       `json:"left_sec"` // estimated, to the end of the run
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
}

// Outcome is what came of a repeat. The record has the rest.
type Outcome struct {
	Verdict          result.Verdict `json:"verdict"`
	Reasons          []string       `json:"reasons,omitempty"`
	Requests         int64          `json:"requests"`
	Errored          int64          `json:"errored"`
	ThroughputRPS    float64        `json:"throughput_rps"`
	P99Sec           float64        `json:"p99_sec"`                    // service time
	ResponseP99Sec   float64        `json:"response_p99_sec,omitempty"` // open loop
	CPUPerRequestSec float64        `json:"cpu_per_request_sec"`        // the server's
}

// Trial is something that was tried without clients, behind the repeats.
type Trial struct {
	N       int                `json:"n"` // from 1
	Trials  int                `json:"trials"`
	LeftSec float64            `json:"left_sec"` // estimated
	Name    string             `json:"name"`
	Variant string             `json:"variant"`
	Repeat  int                `json:"repeat"`           // from 1
	Values  map[string]float64 `json:"values,omitempty"` // units in the names
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

// NewJSON writes to w. What cannot be written is lost: the record has it.
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
		e.Kind, e.Second = "second", &Second{N: ev.Second.N, Requests: ev.Second.Requests, Errored: ev.Second.Errored, P99Sec: ev.Second.P99Sec}
	case ev.Repeat != nil:
		r := ev.Repeat
		e.Kind, e.Outcome = "repeat", &Outcome{
			Verdict: r.Gates.Verdict, Reasons: r.Gates.Reasons, Requests: r.Requests, Errored: r.Errored(),
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
