package fleet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// Run drives the load, like the Run of a single generator. If a generator process fails,
// the error names it, and the window contains what was counted until then.
func (f *Fleet) Run(ctx context.Context, work load.Work, m load.Hooks) (*load.Window, error) {
	w := &load.Window{Errors: map[string]int64{}}
	f.mu.Lock()
	f.progress = m.Progress
	f.mu.Unlock()
	err := f.load(ctx, work, m, w)
	if err != nil {
		_ = f.all(order{Kind: toAbort})
	}
	// Reports that arrive from now on do not count.
	f.showing.Lock()
	defer f.showing.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ran = true
	w.Intervals = f.sums
	if err == nil {
		err = f.add(w)
	}
	return w, err
}

func (f *Fleet) load(ctx context.Context, work load.Work, m load.Hooks, w *load.Window) error {
	if work.Start.IsZero() {
		work.Start = time.Now().Add(lead)
	}
	for i := range f.members {
		own := f.workOf(f.members[i], work)
		if err := f.send(i, order{Kind: toRun, Work: &own}); err != nil {
			return err
		}
	}
	if err := f.await(ctx, isWarm, time.Until(work.Start)+work.Warmup+f.spec.Grace); err != nil {
		return err
	}
	if err := call(m.Open); err != nil {
		return err
	}
	if err := f.all(order{Kind: toOpen}); err != nil {
		return err
	}
	w.Started = time.Now()
	err := f.window(ctx, work, m)
	w.Length = time.Since(w.Started)
	if err := errors.Join(err, call(m.Close)); err != nil {
		return err
	}
	if err := f.all(order{Kind: toRest}); err != nil {
		return err
	}
	return f.await(ctx, isDone, f.spec.Grace)
}

// workOf returns a member's share of the work. Its share of the rate is its share of the
// active clients.
func (f *Fleet) workOf(m *member, work load.Work) load.Work {
	active := m.part.Population.Active
	if active < 0 {
		work.Loop = "" // it only keeps its connections open
		return work
	}
	if work.Loop == result.Open {
		whole := work.Pace.Share
		if whole == 0 {
			whole = 1
		}
		work.Pace.Share = whole * float64(active) / float64(f.active)
		work.Pace.Before += whole * float64(m.first) / float64(f.active)
	}
	return work
}

// window waits for the end of the window, and calls the Second hook every second.
func (f *Fleet) window(ctx context.Context, work load.Work, m load.Hooks) error {
	opened := time.Now()
	late := time.NewTimer(work.Length + f.spec.Grace)
	defer late.Stop()
	second := time.NewTimer(time.Second)
	defer second.Stop()
	at, ended := time.Second, false
	// readings calls the hook for each second that has passed, even if it is late.
	readings := func() error {
		for ; at < work.Length && !ended && time.Since(opened) >= at; at += time.Second {
			if m.Second == nil {
				continue
			}
			if err := m.Second(at); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		f.mu.Lock()
		open, total := -1, int64(0)
		for i, m := range f.members {
			if m.stage < stages[isClosed] {
				open = i
			}
			total += m.answers
		}
		changed, failure := f.changed, f.failure
		f.mu.Unlock()
		switch {
		case failure != nil:
			return failure
		case open < 0:
			return readings()
		case work.Requests > 0 && total >= work.Requests && !ended:
			ended = true
			if err := f.all(order{Kind: toClose}); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-f.failed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			f.fail(fmt.Errorf("%s has not closed its window after %v", f.members[open].name, work.Length+f.spec.Grace))
		case <-second.C:
			if err := readings(); err != nil {
				return err
			}
			if at < work.Length && !ended {
				second.Reset(time.Until(opened.Add(at)))
			}
		}
	}
}

// How far the length of a generator process's window may be from the mean of all: up to
// the larger of the two.
const (
	lengthShare = 0.10                   // as a fraction of the mean
	lengthLeast = 500 * time.Millisecond // because a busy machine is late
)

// add adds up the windows of the members. The caller holds mu.
func (f *Fleet) add(w *load.Window) error {
	var lengths time.Duration
	for _, m := range f.members {
		lengths += m.window.Length
	}
	// The windows of the members do not open and close at exactly the same instant. So
	// the requests of all belong to a window of the mean length.
	w.Length = lengths / time.Duration(len(f.members))
	for _, m := range f.members {
		off := m.window.Length - w.Length
		if off.Abs() > lengthLeast && math.Abs(off.Seconds()) > lengthShare*w.Length.Seconds() {
			return fmt.Errorf("the window of %s was %v long, but the mean of all generator processes is %v", m.name, m.window.Length, w.Length)
		}
		w.Add(m.window)
	}
	return nil
}

func call(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}
