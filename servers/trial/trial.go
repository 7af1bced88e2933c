// Package trial tries things that need no clients: what an unguarded update loses, what an increment of shared state
// costs, and what it takes to start something that serves a client.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// A Trial is one thing that can be tried, in one of several ways.
type Trial struct {
	Name     string
	Doc      string
	Variants []string

	increments map[string]int // by variant, if 0 is asked; "" holds for those not named
	run        func(context.Context, Options) (map[string]float64, error)
	// work is what a worker process does that run has started; nil: none is.
	work func(o Options, in io.Reader, out io.Writer) error
}

// Options is what a trial is told.
type Options struct {
	Variant    string // empty: the first
	Increments int    // of each worker, or how often something is done; 0: what takes long enough to be measured
	Workers    int    // threads or processes, 0: one per core; where a trial has a fixed number, it does not count
	Dir        string // for files; empty: where the system keeps temporary files

	// Command starts a worker process: this program, with arguments that make it call Trial.Work with the same Options.
	Command []string
}

// A Result is what came of a trial.
type Result struct {
	Name    string `json:"name"`
	Variant string `json:"variant"`
	// Values have their unit in their name.
	Values map[string]float64 `json:"values"`
}

// Trials lists all that can be tried.
var Trials = []Trial{lostUpdate, increment, start}

// Bounds of Options.
const (
	MaxIncrements = 1_000_000_000
	MaxWorkers    = 1000
)

// Find returns the trial called name and o with its defaults, or says what is wrong with them.
func Find(name string, o Options) (Trial, Options, error) {
	n := slices.IndexFunc(Trials, func(t Trial) bool { return t.Name == name })
	if n < 0 {
		var names []string
		for _, t := range Trials {
			names = append(names, t.Name)
		}
		return Trial{}, o, fmt.Errorf("trial %s: must be list, or one of %s", name, strings.Join(names, ", "))
	}
	t := Trials[n]
	var errs []error
	if o.Variant == "" {
		o.Variant = t.Variants[0]
	}
	if o.Increments == 0 {
		if o.Increments = t.increments[o.Variant]; o.Increments == 0 {
			o.Increments = t.increments[""]
		}
	}
	if o.Workers == 0 {
		o.Workers = runtime.NumCPU()
	}
	if !slices.Contains(t.Variants, o.Variant) {
		errs = append(errs, fmt.Errorf("variant %s: must be one of %s", o.Variant, strings.Join(t.Variants, ", ")))
	}
	if o.Increments < 1 || o.Increments > MaxIncrements {
		errs = append(errs, fmt.Errorf("increments %d: must be 1 to %d", o.Increments, MaxIncrements))
	}
	if o.Workers < 1 || o.Workers > MaxWorkers {
		errs = append(errs, fmt.Errorf("workers %d: must be 1 to %d", o.Workers, MaxWorkers))
	}
	return t, o, errors.Join(errs...)
}

// Run tries t.
func (t Trial) Run(ctx context.Context, o Options) (Result, error) {
	values, err := t.run(ctx, o)
	if err != nil {
		return Result{}, fmt.Errorf("trial %s, %s: %w", t.Name, o.Variant, err)
	}
	return Result{t.Name, o.Variant, values}, nil
}

// workerEnv marks a worker process.
const workerEnv = "TIERBENCH_TRIAL_WORKER"

// IsWorker reports whether this process is a worker of a trial: then it must call Trial.Work.
func IsWorker() bool { return os.Getenv(workerEnv) != "" }

// Work does the part of a worker process, which hears and answers its master by in and out.
func (t Trial) Work(o Options, in io.Reader, out io.Writer) error {
	if t.work == nil {
		return fmt.Errorf("trial %s has no worker processes", t.Name)
	}
	return t.work(o, in, out)
}
