// Package trial runs the trials of a plan: what a program measures by itself,
// without clients.
package trial

import (
	"context"
	"fmt"
	"time"

	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Runner runs the trials of one plan.
type Runner struct {
	RunID string
	Plan  *plan.Plan
	// Try runs one step and returns its values, which have their units in their
	// names.
	Try func(context.Context, plan.TrialStep) (map[string]float64, error)
	// Save keeps a trial. It is called for every trial, those that failed included.
	Save func(*result.Trial) error
	// Earlier are the trials that an earlier part of the run has saved. They are
	// not run again.
	Earlier []result.Trial
	// Watch is called after each trial, if it is not nil.
	Watch func(Event)
}

// An Event is a trial that has ended.
type Event struct {
	Trial *result.Trial
	N     int           // number of the trial, from 1
	Total int           // trials in all
	Left  time.Duration // estimated, to the end of the trials
}

// Run runs the trials until all are done or ctx is. It returns the cause of ctx
// then; a trial that was cut off is not saved.
func (r *Runner) Run(ctx context.Context) error {
	type id struct {
		name, variant string
		repeat        int
	}
	done := map[id]bool{}
	for _, e := range r.Earlier {
		done[id{e.Name, e.Variant, e.Repeat}] = true
	}
	all := r.Plan.TrialSteps()
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
		trial := &result.Trial{Run: r.RunID, Name: s.Name, Variant: s.Variant, Repeat: s.Repeat, Started: time.Now().UTC()}
		values, err := r.Try(ctx, s)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if trial.Values = values; err != nil {
			trial.Values, trial.Failure = nil, err.Error()
		}
		if err := r.Save(trial); err != nil {
			return fmt.Errorf("save trial: %w", err)
		}
		if r.Watch != nil {
			left := time.Since(begin) / time.Duration(i+1) * time.Duration(len(steps)-i-1)
			r.Watch(Event{Trial: trial, N: len(all) - len(steps) + i + 1, Total: len(all), Left: left})
		}
	}
	return nil
}
