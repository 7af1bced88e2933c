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

// barWidth leaves room beside the bar in 80 columns.
const barWidth = 24

// A Terminal is a watcher for a person: two lines that change in place, one of
// the run and one of the cell under way, below the doubts that have arisen.
type Terminal struct {
	bars      *mpb.Progress
	run, cell *mpb.Bar
	now       func() time.Time

	mu   sync.Mutex // what is below is drawn by mpb's goroutine
	at   loadtest.Event
	told time.Time // when at was
	last *loadtest.Progress
	ends int            // repeats that ended
	of   map[string]int // repeats by verdict

	trial string // the last one, in a line
}

var _ Watcher = (*Terminal)(nil)

// NewTerminal draws on w, which is a terminal.
func NewTerminal(w io.Writer) *Terminal { return newTerminal(w, time.Now) }

func newTerminal(w io.Writer, now func() time.Time, options ...mpb.ContainerOption) *Terminal {
	options = append([]mpb.ContainerOption{mpb.WithOutput(w), mpb.WithWidth(barWidth)}, options...)
	return &Terminal{bars: mpb.New(options...), now: now, of: map[string]int{}}
}

// Begin says what will be measured, and begins to draw.
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

// runLine is how far the run is, and how much longer it takes.
func (t *Terminal) runLine() string {
	if t.at.Total == 0 {
		return " begins"
	}
	s := fmt.Sprintf(" %d of %d", t.at.N, t.at.Total)
	if t.ends > 0 {
		s += fmt.Sprintf(", %d valid", t.of[string(result.Valid)])
	}
	for _, v := range []result.Verdict{result.Suspect, result.Invalid} {
		if n := t.of[string(v)]; n > 0 {
			s += fmt.Sprintf(", %d %s", n, v)
		}
	}
	left := max(0, t.at.Left-t.now().Sub(t.told))
	return s + fmt.Sprintf(", %v left", left.Round(time.Second))
}

// cellLine is what is measured, and what came of it in the last second.
func (t *Terminal) cellLine() string {
	switch {
	case t.trial != "":
		return t.trial
	case t.at.Total == 0:
		return ""
	case t.at.Repeat != nil:
		return fmt.Sprintf("%v, repeat %d: done", t.at.Step.Key, t.at.Step.Repeat)
	case t.last == nil:
		return fmt.Sprintf("%v, repeat %d", t.at.Step.Key, t.at.Step.Repeat)
	}
	return fmt.Sprintf("%v, repeat %d: %s", t.at.Step.Key, t.at.Step.Repeat, second(t.last))
}

// Event redraws, and writes what is in doubt above the lines.
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
	t.at, t.told, t.last = ev, t.now(), nil
	if ev.Repeat != nil {
		t.ends++
		t.of[string(ev.Repeat.Gates.Verdict)]++
	}
	t.mu.Unlock()
	if ev.Repeat != nil {
		t.run.SetCurrent(int64(ev.N))
		if ev.Repeat.Gates.Verdict != result.Valid {
			t.println(doubt(ev.Repeat))
		}
	}
}

// Trial writes those that failed above the lines, and the last one into them.
func (t *Terminal) Trial(ev trial.Event) {
	if ev.Trial.Failure != "" {
		t.println(trialLine(ev))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trial = trialLine(ev)
}

// End leaves the line of the run as it is, and draws no more.
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

// doubt is why a repeat is not valid, in a line: the first reason, and how many
// more there are. The report has them all.
func doubt(r *result.Repeat) string {
	s := fmt.Sprintf("%v, repeat %d: %s", r.Key, r.Repeat, r.Gates.Verdict)
	if n := len(r.Gates.Reasons); n > 0 {
		s += ": " + r.Gates.Reasons[0]
		if n > 1 {
			s += fmt.Sprintf("; and %d more", n-1)
		}
	}
	return s
}
