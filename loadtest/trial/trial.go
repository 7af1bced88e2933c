// Package trial runs the trials of a plan: measurements that a program makes by itself,
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
	// Try runs one step and returns its values. Their names contain the units.
	Try func(context.Context, plan.TrialStep) (map[string]float64, error)
	// Save keeps a trial. It is called for every trial, including those that failed.
	Save func(*result.Trial) error
	// Earlier are the trials saved before the run was interrupted. They are not run
	// again.
	Earlier []result.Trial
	// Watch is called after each trial; nil means no one is notified.
	Watch func(Event)
}

// An Event is a trial that has ended.
type Event struct {
	Trial *result.Trial
	N     int           // number of the trial, from 1
	Total int           // number of trials
	Left  time.Duration // estimated time to the end of the trials
}

// Run runs all trials. If ctx is done first, Run returns the cause of ctx and does not
// save the current trial.
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
