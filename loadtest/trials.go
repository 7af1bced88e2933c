package loadtest

import (
	"context"
	"fmt"
	"time"

	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// Trials are the part of a run that needs no clients.
type Trials struct {
	RunID string
	Plan  *plan.Plan
	// Try tries a step, and returns what came of it, units in the names.
	Try func(context.Context, plan.TrialStep) (map[string]float64, error)
	// Save keeps a trial. It is called for each, also for those that failed.
	Save func(*result.Trial) error
	// Earlier are those that an earlier part of the run has tried. They are not
	// tried again.
	Earlier []result.Trial
	// Watch is told of each trial when it has ended. Nil is: nobody.
	Watch func(TrialEvent)
}

// A TrialEvent is a trial that has ended.
type TrialEvent struct {
	Trial *result.Trial
	N     int           // which of the trials, from 1
	Total int           // trials in all
	Left  time.Duration // estimated, to the end of the trials
}

// Run tries until the plan is done or ctx is. It returns the error of ctx then;
// a trial that was cut off is not saved.
func (t *Trials) Run(ctx context.Context) error {
	type id struct {
		name, variant string
		repeat        int
	}
	done := map[id]bool{}
	for _, e := range t.Earlier {
		done[id{e.Name, e.Variant, e.Repeat}] = true
	}
	all := t.Plan.TrialSteps()
	var steps []plan.TrialStep
	for _, s := range all {
		if !done[id{s.Name, s.Variant, s.Repeat}] {
			steps = append(steps, s)
		}
	}
	begin := time.Now()
	for i, s := range steps {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		r := &result.Trial{Run: t.RunID, Name: s.Name, Variant: s.Variant, Repeat: s.Repeat, Started: time.Now().UTC()}
		values, err := t.Try(ctx, s)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.Values = values; err != nil {
			r.Values, r.Failure = nil, err.Error()
		}
		if err := t.Save(r); err != nil {
			return fmt.Errorf("save trial: %w", err)
		}
		if t.Watch != nil {
			left := time.Since(begin) / time.Duration(i+1) * time.Duration(len(steps)-i-1)
			t.Watch(TrialEvent{Trial: r, N: len(all) - len(steps) + i + 1, Total: len(all), Left: left})
		}
	}
	return nil
}
