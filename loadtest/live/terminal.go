package live

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/trial"
)

// barWidth leaves room for text next to the bar in 80 columns.
const barWidth = 24

// A Terminal is a watcher for a person. It redraws two lines, one about the run and one
// about the current cell. Warnings and repeats that are not valid scroll above them.
type Terminal struct {
	bars      *mpb.Progress
	run, cell *mpb.Bar
	now       func() time.Time

	mu      sync.Mutex // guards the fields below, which mpb's goroutine draws
	event   loadtest.Event
	eventAt time.Time
	last    *loadtest.Progress
	ended   int            // number of repeats that have ended
	by      map[string]int // number of repeats by verdict

	trial string // the last trial, as a line
}

var _ Watcher = (*Terminal)(nil)

// NewTerminal returns a watcher that draws on w, which must be a terminal.
func NewTerminal(w io.Writer) *Terminal { return newTerminal(w, time.Now) }

func newTerminal(w io.Writer, now func() time.Time, options ...mpb.ContainerOption) *Terminal {
	options = append([]mpb.ContainerOption{mpb.WithOutput(w), mpb.WithWidth(barWidth)}, options...)
	return &Terminal{bars: mpb.New(options...), now: now, by: map[string]int{}}
}

// Begin writes what will be measured, and starts to draw.
func (t *Terminal) Begin(s Start) {
	for _, l := range opening(s) {
		t.println(l)
	}
	t.run = t.bars.New(int64(s.Steps), mpb.BarStyle().Rbound("|"), mpb.AppendDecorators(t.decorator(t.runLine)))
	t.run.SetCurrent(int64(s.Done))
	t.cell = t.bars.New(1, mpb.NopStyle(), mpb.PrependDecorators(t.decorator(t.cellLine)))
}

func (t *Terminal) println(line string) { fmt.Fprintln(t.bars, line) }

func (t *Terminal) decorator(text func() string) decor.Decorator {
	return decor.Any(func(decor.Statistics) string {
		t.mu.Lock()
		defer t.mu.Unlock()
		return text()
	})
}

// runLine returns the progress of the run and the time left.
func (t *Terminal) runLine() string {
	if t.event.Total == 0 {
		return " begins"
	}
	s := fmt.Sprintf(" %d of %d", t.event.N, t.event.Total)
	if t.ended > 0 {
		s += fmt.Sprintf(", %d valid", t.by[string(result.Valid)])
	}
	for _, v := range []result.Verdict{result.Suspect, result.Invalid} {
		if n := t.by[string(v)]; n > 0 {
			s += fmt.Sprintf(", %d %s", n, v)
		}
	}
	left := max(0, t.event.Left-t.now().Sub(t.eventAt))
	return s + fmt.Sprintf(", %v left", left.Round(time.Second))
}

// cellLine returns the current cell and a summary of the last second.
func (t *Terminal) cellLine() string {
	switch {
	case t.trial != "":
		return t.trial
	case t.event.Total == 0:
		return ""
	case t.event.Repeat != nil:
		return fmt.Sprintf("%v, repeat %d: done", t.event.Step.Key, t.event.Step.Repeat)
	case t.last == nil:
		return fmt.Sprintf("%v, repeat %d", t.event.Step.Key, t.event.Step.Repeat)
	}
	return fmt.Sprintf("%v, repeat %d: %s", t.event.Step.Key, t.event.Step.Repeat, second(t.last))
}

// Event redraws the lines. It writes warnings, and repeats that are not valid, above them.
func (t *Terminal) Event(ev loadtest.Event) {
	switch {
	case ev.Warning != "":
		t.println(warning(ev))
		return
	case ev.Second != nil:
		t.mu.Lock()
		t.last = ev.Second
		t.mu.Unlock()
		return
	}
	t.mu.Lock()
	t.event, t.eventAt, t.last = ev, t.now(), nil
	if ev.Repeat != nil {
		t.ended++
		t.by[string(ev.Repeat.Gates.Verdict)]++
	}
	t.mu.Unlock()
	if ev.Repeat != nil {
		t.run.SetCurrent(int64(ev.N))
		if ev.Repeat.Gates.Verdict != result.Valid {
			t.println(doubt(ev.Repeat))
		}
	}
}

// Trial shows the trial in the second line. It also writes a failed trial above the lines.
func (t *Terminal) Trial(ev trial.Event) {
	if ev.Trial.Failure != "" {
		t.println(trialLine(ev))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trial = trialLine(ev)
}

// End stops drawing and leaves the line about the run on the screen.
func (t *Terminal) End(error) {
	if t.run == nil {
		return
	}
	t.cell.Abort(true)
	if !t.run.Completed() {
		t.run.Abort(false)
	}
	t.bars.Wait()
}

// doubt says in one line why a repeat is not valid: the first reason, and the number of the
// others. The report contains all of them.
func doubt(r *result.Repeat) string {
	s := fmt.Sprintf("%v, repeat %d: %s", r.Key, r.Repeat, r.Gates.Verdict)
	if n := len(r.Gates.Reasons); n > 0 {
		s += ": " + r.Gates.Reasons[0].Text
		if n > 1 {
			s += fmt.Sprintf("; and %d more", n-1)
		}
	}
	return s
}
