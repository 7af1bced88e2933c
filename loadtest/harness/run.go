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

// A Run is a run that is open, new or resumed. It is closed by its owner.
type Run struct {
	Record result.Run // what run.json says

	harness *Harness
	plan    *plan.Plan
	writer  *result.Writer
	// What an earlier part of the run measured.
	repeats []result.Repeat
	trials  []result.Trial
}

// New makes the folder of a run, and points results/latest to it. Absent are the
// servers, generators and trials that are left out, and why.
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
	r.ask(p, absent)
	var err error
	r.writer, err = result.Create(filepath.Join(h.Results, r.Record.ID), &r.Record)
	return r, err
}

// Recorded is the config of a run, from its own record: the file may have changed
// since.
func Recorded(set *result.Set) (*plan.Config, error) {
	return plan.Parse(set.Run.ConfigFile, []byte(set.Run.ConfigText))
}

// Resume opens the run of a set again, to measure what it lacks. The config is
// Recorded; it may ask for more repeats. What the run left out it leaves out again.
func (h *Harness) Resume(set *result.Set, cfg *plan.Config) (*Run, error) {
	p, err := plan.Make(cfg, h.Models, Limit())
	if err != nil {
		return nil, err
	}
	p.Without(set.Run.Absent)
	return h.reopen(set, p, set.Run.Absent)
}

// Extend opens the run of a set again with a config that asks for all that the run
// has, and for more.
func (h *Harness) Extend(set *result.Set, cfg *plan.Config) (*Run, error) {
	p, absent, err := h.Plan(cfg)
	if err != nil {
		return nil, err
	}
	if err := h.onlyMore(set, p, absent); err != nil {
		return nil, Mistake{cfg.Errorf("%w; the run %s can only be given more", err, set.Run.ID)}
	}
	return h.reopen(set, p, absent)
}

func (h *Harness) reopen(set *result.Set, p *plan.Plan, absent map[string]string) (*Run, error) {
	if err := h.use(p); err != nil {
		return nil, err
	}
	h.recall(p, set.Repeats)
	r := &Run{Record: set.Run, harness: h, repeats: set.Repeats, trials: set.Trials}
	r.ask(p, absent)
	r.Record.Repeats = max(r.Record.Repeats, set.Run.Repeats)
	r.Record.Ended, r.Record.Interrupted = time.Time{}, false
	r.Record.Resumed = append(r.Record.Resumed, result.Resumption{At: h.now().Truncate(time.Second), Build: h.Build})
	var err error
	if r.writer, err = result.Reopen(set.Dir); errors.Is(err, result.ErrInUse) {
		return nil, Mistake{err}
	} else if err != nil {
		return nil, err
	}
	// Before anything is measured: whatever ends it, who measured is in the record.
	if err := r.write(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// onlyMore is an error if a plan does not have all cells of a run, or measures
// them in another way than it did.
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
			return fmt.Errorf("the cell %s cannot be measured any more: %s", k, why)
		case now == nil:
			return fmt.Errorf("it does not ask for the cell %s", k)
		case before != nil && now.Difference(before) != "":
			return fmt.Errorf("it asks for the cell %s with another %s", k, now.Difference(before))
		}
	}
	return nil
}

// ask makes a plan the run's, and writes down what it asks for.
func (r *Run) ask(p *plan.Plan, absent map[string]string) {
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

// Dir is the run's folder.
func (r *Run) Dir() string { return r.writer.Dir() }

// Close closes the record, and ends what the steps shared.
func (r *Run) Close() error {
	r.harness.close()
	return r.writer.Close()
}

// Measure measures what the run lacks, and writes down how it ended. It is
// ErrInterrupted if ctx is done before.
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

// end notes how the measuring ended: with err, or because ctx was done.
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

// campaign is the one that measures what the run lacks.
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
			rep.Warnings = append(rep.Warnings, "not all requests are in the raw file: there were too many to keep")
		}
	}
	var measured []result.Interval
	if w != nil && rep.Requests > 0 {
		measured = intervals(w)
	}
	return r.writer.Append(rep, series, measured)
}

// intervals are those of a window, as the record has them.
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

// start is the run as those who watch it are told of it.
func (r *Run) start() live.Start {
	start := live.Start{Run: &r.Record, Dir: Relative(r.Dir()), Steps: len(r.plan.Steps())}
	// A run may have more repeats of a cell than it is asked for now.
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
		start.Notes = append(start.Notes, fmt.Sprintf("the load average of the last minute is %.1f on %d cores: if that is not from a run before this one, others use the machine; expect wide intervals and invalid repeats", h.Load1, h.Cores))
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

// Relative shortens a path for a reader who stands in the working directory.
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
