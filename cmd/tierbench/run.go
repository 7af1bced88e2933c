package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/tierbench/tierbench/loadtest/claims"
	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

type runCmd struct {
	serverFlag
	boxFlag
	generatorFlags
	liveFlags
	Config  string `arg:"" optional:"" help:"The config file, such as configs/quick.yaml."`
	Results string `help:"The folder in which the run's folder is created." default:"results" type:"path"`
	Resume  string `help:"Resume the run in this folder: measure the missing repeats of its config, or of a given config that contains more." placeholder:"DIR" type:"path"`
	Repeats int    `help:"Measure each cell at least this often, even if the config asks for less; this does not apply to cells with a hold. With --resume, existing repeats count." placeholder:"N"`
	Raw     string `help:"Save every request in a format of vegeta (gob, csv, json), under raw/ in the run's folder." enum:",gob,csv,json" default:"" placeholder:"FORMAT"`
}

// Help is an example for --help.
func (c *runCmd) Help() string {
	return "Examples:\n\n" +
		"    tierbench run configs/quick.yaml\n\n" +
		"    tierbench run --box 64MiB,1 configs/quick.yaml\n\n" +
		"    tierbench run --resume results/RUN\n\n" +
		"    tierbench run --resume results/RUN --repeats 10"
}

func (c *runCmd) Run(e *env) error {
	if c.Config == "" && c.Resume == "" {
		return usageError(errors.New("name a config file or, with --resume, a run to resume"))
	}
	if c.Box.Limits != (result.Limits{}) && c.Config == "" {
		return usageError(errors.New("--box is for a config file; a run that is resumed keeps the boxes that it has"))
	}
	if c.Repeats < 0 {
		return usageError(fmt.Errorf("--repeats: %d is not allowed; allowed: 1 or more, or 0 for the number in the config", c.Repeats))
	}
	if err := harness.Prepare(); err != nil {
		return err
	}
	view, stop, err := c.watcher(e)
	if err != nil {
		return err
	}
	defer stop()
	h, err := newHarness(c.Results)
	if err != nil {
		return err
	}
	if h.Server, h.Models, err = c.builtin(e.ctx); err != nil {
		return err
	}
	h.ClaimRules, h.Raw = claims.RulesVersion, c.Raw
	h.GeneratorProcesses, h.Link = c.GeneratorProcesses, c.link()
	if err := h.Check(); err != nil {
		return err
	}
	r, err := c.open(h)
	if err != nil {
		return err
	}
	defer r.Close()
	err = r.Measure(e.ctx, view)
	interrupted := errors.Is(err, harness.ErrInterrupted)
	if interrupted {
		err = fmt.Errorf("%w; resume it with: %s run --resume %s", err, os.Args[0], harness.Relative(r.Dir()))
	}
	set, rerr := result.Load(r.Dir())
	if rerr == nil {
		rerr = writeReport(c.tables(e), set)
	}
	var missing errCells
	var missed errSLO
	switch {
	case interrupted && errors.As(rerr, &missing):
		rerr = nil // the table shows what is not measured yet
	case err != nil && errors.As(rerr, &missed):
		rerr = nil // the exit code must be that of a failed run, not of a missed objective
	}
	return errors.Join(err, rerr)
}

// open opens a new run, or resumes one.
func (c *runCmd) open(h *harness.Harness) (*harness.Run, error) {
	var set *result.Set
	var err error
	if c.Resume != "" {
		if set, err = result.Load(c.Resume); err != nil {
			return nil, usageError(err)
		}
	}
	read := func() (*plan.Config, error) { return plan.Read(c.Config) }
	if c.Config == "" {
		read = func() (*plan.Config, error) { return harness.Recorded(set) }
	}
	cfg, err := read()
	if err != nil {
		return nil, usageError(err)
	}
	if c.Box.Limits != (result.Limits{}) {
		if cfg, err = cfg.WithBox(c.Box.Limits); err != nil {
			return nil, usageError(fmt.Errorf("--box: %w", err))
		}
	}
	if err := cfg.AtLeast(c.Repeats); err != nil {
		return nil, usageError(fmt.Errorf("--repeats: %w", err))
	}
	switch {
	case c.Config == "":
		return h.Resume(set, cfg)
	case set != nil:
		return h.Extend(set, cfg)
	}
	p, absent, err := h.Plan(cfg)
	if err != nil {
		return nil, err
	}
	return h.New(p, absent)
}
