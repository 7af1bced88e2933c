package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/live"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Run is an open run, new or resumed. The caller must close it.
type Run struct {
	Record result.Run // the content of run.json

	harness *Harness
	plan    *plan.Plan
	writer  *result.Writer
	// What was measured before the run was resumed.
	repeats []result.Repeat
	trials  []result.Trial
}

// New creates the folder of a run, and points results/latest to it. Absent are the
// servers, generators and trials that are left out, each with the reason.
func (h *Harness) New(p *plan.Plan, absent map[string]string) (*Run, error) {
	r, err := h.create(p, absent)
	if err != nil {
		return nil, err
	}
	return r, r.PointLatest()
}

func (h *Harness) create(p *plan.Plan, absent map[string]string) (*Run, error) {
	if err := h.use(p); err != nil {
		return nil, err
	}
	now := h.now()
	r := &Run{harness: h, Record: result.Run{
		Schema: result.Schema, ID: now.Format("20060102T150405Z") + "-" + p.Config.Name, Name: p.Config.Name,
		Started: now.Truncate(time.Second), Host: host.Describe(procRoot), Build: h.Build, ClaimRules: h.ClaimRules,
	}}
	r.use(p, absent)
	var err error
	r.writer, err = result.Create(filepath.Join(h.Results, r.Record.ID), &r.Record)
	return r, err
}

// Recorded returns the config of a run from its record, because the file may have changed
// since.
func Recorded(set *result.Set) (*plan.Config, error) {
	return plan.Parse(set.Run.ConfigFile, []byte(set.Run.ConfigText))
}

// Resume opens the run of a set again, to measure the missing repeats. The config must
// come from Recorded; its number of repeats may be raised. Servers, generators and trials
// that the run left out are left out again.
func (h *Harness) Resume(set *result.Set, cfg *plan.Config) (*Run, error) {
	p, err := plan.Make(cfg, h.Models, Limit())
	if err != nil {
		return nil, err
	}
	p.Without(set.Run.Absent)
	return h.reopen(set, p, set.Run.Absent)
}

// Extend opens the run of a set again with a config that contains everything that the run
// contains, and more.
func (h *Harness) Extend(set *result.Set, cfg *plan.Config) (*Run, error) {
	p, absent, err := h.Plan(cfg)
	if err != nil {
		return nil, err
	}
	if err := h.onlyMore(set, p, absent); err != nil {
		return nil, UsageError{cfg.Errorf("%w; a config that extends the run %s must contain everything that the run contains", err, set.Run.ID)}
	}
	return h.reopen(set, p, absent)
}

func (h *Harness) reopen(set *result.Set, p *plan.Plan, absent map[string]string) (*Run, error) {
	if err := h.use(p); err != nil {
		return nil, err
	}
	h.recall(p, set.Repeats)
	r := &Run{Record: set.Run, harness: h, repeats: set.Repeats, trials: set.Trials}
	r.use(p, absent)
	r.Record.Repeats = max(r.Record.Repeats, set.Run.Repeats)
	r.Record.Ended, r.Record.Interrupted = time.Time{}, false
	r.Record.Resumed = append(r.Record.Resumed, result.Resumption{At: h.now().Truncate(time.Second), Build: h.Build})
	var err error
	if r.writer, err = result.Reopen(set.Dir); errors.Is(err, result.ErrInUse) {
		return nil, UsageError{err}
	} else if err != nil {
		return nil, err
	}
	// Write this first: the record must say which build measured, however the run ends.
	if err := r.write(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// onlyMore fails if a plan lacks cells of a run, or measures them differently.
func (h *Harness) onlyMore(set *result.Set, p *plan.Plan, absent map[string]string) error {
	cfg, err := Recorded(set)
	if err != nil {
		return fmt.Errorf("the config in the record: %w", err)
	}
	was, err := plan.Make(cfg, h.Models, Limit())
	if err != nil {
		return fmt.Errorf("the config in the record: %w", err)
	}
	find := func(p *plan.Plan, k result.Key) *plan.Cell {
		if i := slices.IndexFunc(p.Cells, func(c plan.Cell) bool { return c.Key == k }); i >= 0 {
			return &p.Cells[i]
		}
		return nil
	}
	for _, k := range set.Run.Cells {
		now, before := find(p, k), find(was, k)
		why, gone := absent[k.Model]
		switch {
		case now == nil && gone:
			return fmt.Errorf("the cell %s can no longer be measured: %s", k, why)
		case now == nil:
			return fmt.Errorf("it does not contain the cell %s", k)
		case before != nil && now.Difference(before) != "":
			return fmt.Errorf("it changes the %[2]s of the cell %[1]s", k, now.Difference(before))
		}
	}
	return nil
}

// use makes a plan the plan of the run, and records what it contains.
func (r *Run) use(p *plan.Plan, absent map[string]string) {
	r.plan = p
	cfg, rec := p.Config, &r.Record
	rec.Title, rec.ConfigFile, rec.ConfigText = cfg.Title, Relative(cfg.File), cfg.Text
	rec.Generator, rec.Seed = strings.Join(p.Generators(), ", "), cfg.Seed
	rec.Repeats = 0
	for _, e := range cfg.Experiments {
		rec.Repeats = max(rec.Repeats, e.Repeats)
	}
	rec.Cells, rec.Models, rec.Ratios, rec.SLOs, rec.Absent = p.Keys(), p.Models, cfg.Ratios, cfg.SLOs, absent
}

// Dir returns the run's folder.
func (r *Run) Dir() string { return r.writer.Dir() }

// Close closes the record, and stops what the steps share.
func (r *Run) Close() error {
	return errors.Join(r.harness.close(), r.writer.Close())
}

// Measure measures the missing repeats and trials, and records how the run ended. It
// returns ErrInterrupted if ctx is done first.
func (r *Run) Measure(ctx context.Context, view live.Watcher) error {
	view.Begin(r.start())
	c := r.campaign()
	c.Watch = view.Event
	err := c.Run(ctx)
	if err == nil {
		err = r.try(ctx, view.Trial)
	}
	err = r.end(ctx, err)
	view.End(err)
	return errors.Join(err, r.write())
}

// end records how the run ended: with err, or because ctx was done.
func (r *Run) end(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ErrInterrupted
	}
	if err == nil {
		r.Record.Ended = r.harness.now().Truncate(time.Second)
	}
	r.Record.Interrupted = errors.Is(err, ErrInterrupted)
	return err
}

func (r *Run) write() error { return result.WriteRun(r.Dir(), &r.Record) }

// campaign returns the campaign that measures the missing repeats.
func (r *Run) campaign() *loadtest.Campaign {
	h := r.harness
	return &loadtest.Campaign{
		RunID: r.Record.ID, Plan: r.plan, Earlier: r.repeats, Save: r.save, Counters: counters,
		CPUs: h.bind, Start: h.start, Connect: h.connect, Ceiling: h.ceiling,
	}
}

// save keeps a repeat.
func (r *Run) save(rep *result.Repeat, series []result.Second, w *load.Window, c loadtest.Clients) error {
	if clients, ok := c.(*attack.Clients); ok && r.harness.Raw != "" && w != nil {
		whole, err := writeRaw(filepath.Join(r.Dir(), result.RawDir), r.harness.Raw, rep, clients)
		if err != nil {
			return err
		}
		if !whole {
			rep.Warnings = append(rep.Warnings, "the raw file does not contain all requests, because there were too many")
		}
	}
	var measured []result.Interval
	if w != nil && rep.Requests > 0 {
		measured = intervals(w)
	}
	return r.writer.Append(rep, series, measured)
}

// intervals converts the intervals of a window to those of the record.
func intervals(w *load.Window) []result.Interval {
	var out []result.Interval
	for i, s := range w.Intervals {
		from := time.Duration(i) * time.Second
		out = append(out, result.Interval{
			Start: w.Started.Add(from), End: w.Started.Add(min(from+time.Second, w.Length)),
			Service: s.Service, Response: s.Response,
		})
	}
	return out
}

// start describes the run for its watchers.
func (r *Run) start() live.Start {
	start := live.Start{Run: &r.Record, Dir: Relative(r.Dir()), Steps: len(r.plan.Steps())}
	// A run may already have more repeats of a cell than the plan.
	type id struct {
		result.Key
		repeat int
	}
	done := map[id]bool{}
	for i := range r.repeats {
		if rep := &r.repeats[i]; rep.FailureKind != result.Interrupted {
			done[id{rep.Key, rep.Repeat}] = true
		}
	}
	for _, step := range r.plan.Steps() {
		if done[id{step.Key, step.Repeat}] {
			start.Done++
		}
	}
	if h := r.Record.Host; h.Load1 > 1.5*float64(h.Cores) {
		start.Notes = append(start.Notes, fmt.Sprintf("the load average of the last minute is %.1f on %d cores; unless a previous run caused it, other processes use this machine: expect wide intervals and invalid repeats", h.Load1, h.Cores))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Record.Absent)) {
		start.Notes = append(start.Notes, fmt.Sprintf("%s is left out: %s", name, r.Record.Absent[name]))
	}
	return start
}

// PointLatest makes results/latest a symbolic link to the run.
func (r *Run) PointLatest() error {
	name := filepath.Join(r.harness.Results, "latest")
	tmp := name + ".tmp"
	err := os.Remove(tmp)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, os.Symlink(r.Record.ID, tmp), os.Rename(tmp, name)); err != nil {
		return fmt.Errorf("point %s to the run: %w", name, err)
	}
	return nil
}

// Relative makes a path relative to the working directory, if it is below it.
func Relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}
