// Package trial measures what needs no clients: what an unguarded update loses, what an increment
// of shared state costs, and how long it takes to start something that serves a client.
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

// A Trial is one measurement, which can be done in several ways: its variants.
type Trial struct {
	Name     string
	Doc      string
	Variants []string

	increments map[string]int // the default of each variant; "" is for variants that are not in it
	run        func(context.Context, Options) (map[string]float64, error)
	// help is what a helper process does that run has started; nil: run starts none.
	help func(o Options, in io.Reader, out io.Writer) error
}

// Options are the parameters of a trial.
type Options struct {
	Variant    string // empty: the first
	Increments int    // of each participant, or repetitions; 0: enough for a measurement
	// Participants is the number of threads or helper processes; 0: one per core. A trial with a
	// fixed number ignores it.
	Participants int
	Dir          string // for files; empty: where the system keeps temporary files

	// Command starts a helper process: this program, with arguments that make it call Trial.Help
	// with the same Options.
	Command []string
}

// A Result is the outcome of a trial.
type Result struct {
	Name    string `json:"name"`
	Variant string `json:"variant"`
	// Values have their unit in their name.
	Values map[string]float64 `json:"values"`
}

// Trials lists all trials.
var Trials = []Trial{lostUpdate, increment, start}

// Bounds of Options.
const (
	MaxIncrements   = 1_000_000_000
	MaxParticipants = 1000
)

// Find returns the trial called name, and o with its defaults. The error lists everything that is
// wrong with them, named like the flags of cmd/server.
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
	if o.Participants == 0 {
		o.Participants = runtime.NumCPU()
	}
	if !slices.Contains(t.Variants, o.Variant) {
		errs = append(errs, fmt.Errorf("variant %s: must be one of %s", o.Variant, strings.Join(t.Variants, ", ")))
	}
	if o.Increments < 1 || o.Increments > MaxIncrements {
		errs = append(errs, fmt.Errorf("increments %d: must be 1 to %d", o.Increments, MaxIncrements))
	}
	if o.Participants < 1 || o.Participants > MaxParticipants {
		errs = append(errs, fmt.Errorf("workers %d: must be 1 to %d", o.Participants, MaxParticipants))
	}
	return t, o, errors.Join(errs...)
}

// Run does the trial.
func (t Trial) Run(ctx context.Context, o Options) (Result, error) {
	values, err := t.run(ctx, o)
	if err != nil {
		return Result{}, fmt.Errorf("trial %s, %s: %w", t.Name, o.Variant, err)
	}
	return Result{t.Name, o.Variant, values}, nil
}

// helperEnv marks a helper process.
const helperEnv = "TIERBENCH_TRIAL_HELPER"

// IsHelper reports whether this process is the helper of a trial. If so, it must call Trial.Help.
func IsHelper() bool { return os.Getenv(helperEnv) != "" }

// Help does the part of a helper process. It talks to the process that has started it by in and
// out.
func (t Trial) Help(o Options, in io.Reader, out io.Writer) error {
	if t.help == nil {
		return fmt.Errorf("trial %s has no helper processes", t.Name)
	}
	return t.help(o, in, out)
}
