package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/claims"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/live"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/slo"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// generatorGC lets the generator's heap grow to five times what is live before
// it is collected: vegeta makes about 2 KB of garbage a request, and there is
// memory enough. It changes how much load there can be, not what is measured.
const generatorGC = 400

const procRoot = "/proc"

type runCmd struct {
	serverFlag
	workersFlag
	liveFlags
	Config  string `arg:"" optional:"" help:"The config file, such as configs/quick.yaml."`
	Results string `help:"The folder in which the run's own is made." default:"results" type:"path"`
	Resume  string `help:"Go on with the run in this folder: measure what it lacks, of its own config or of one that is named and asks for more." placeholder:"DIR" type:"path"`
	Repeats int    `help:"Measure each cell at least this often, even if the config asks for less; but not those that hold connections. With --resume, what is measured stays, and counts." placeholder:"N"`
	Raw     string `help:"Keep every request, as vegeta's results (gob, csv, json), under raw/ in the run's folder." enum:",gob,csv,json" default:"" placeholder:"FORMAT"`
}

// Help is an example for --help.
func (c *runCmd) Help() string {
	return "Examples:\n\n" +
		"    tierbench run configs/quick.yaml\n\n" +
		"    tierbench run --resume results/RUN\n\n" +
		"    tierbench run --resume results/RUN --repeats 10"
}

func (c *runCmd) Run(e *env) error {
	if c.Config == "" && c.Resume == "" {
		return mistake{errors.New("name a config file or, with --resume, a run to go on with")}
	}
	if c.Repeats < 0 {
		return mistake{fmt.Errorf("--repeats: %d is not allowed; it is 1 or more, or 0 for what the config asks for", c.Repeats)}
	}
	if err := prepare(); err != nil {
		return err
	}
	view, stop, err := c.watcher(e)
	if err != nil {
		return err
	}
	defer stop()
	if err := c.check(c.Raw); err != nil {
		return err
	}
	server, builtin, err := c.builtin(e.ctx)
	if err != nil {
		return err
	}
	s, err := c.session(server, builtin)
	if err != nil {
		return err
	}
	defer s.writer.Close()
	defer s.rig.workers.close()
	s.raw = c.Raw
	return s.measure(e, view, c.tables(e))
}

// prepare makes a generator of this process.
func prepare() error {
	if _, err := host.SocketsOn(1); err != nil {
		return fmt.Errorf("measuring needs Linux, whose /proc and sock_diag say what a server uses: %w", err)
	}
	if _, err := host.RaiseNoFile(); err != nil {
		return fmt.Errorf("raise the limit on descriptors: %w", err)
	}
	debug.SetGCPercent(generatorGC)
	return nil
}

// A session is a run that is open: new, or gone on with.
type session struct {
	run    result.Run
	plan   *plan.Plan
	rig    *rig
	writer *result.Writer
	raw    string // format of the requests that are kept
	// earlier are the repeats that are there already.
	earlier []result.Repeat
	tried   []result.Trial
}

func (c *runCmd) session(server string, builtin []result.Info) (*session, error) {
	limit := hostLimit()
	if c.Resume != "" {
		return c.resume(server, builtin, limit)
	}
	cfg, err := plan.Read(c.Config)
	if err != nil {
		return nil, mistake{err}
	}
	if err := cfg.AtLeast(c.Repeats); err != nil {
		return nil, mistake{fmt.Errorf("--repeats: %w", err)}
	}
	p, err := plan.Make(cfg, builtin, limit)
	if err != nil {
		return nil, err
	}
	absent, err := absences(p)
	if err != nil {
		return nil, err
	}
	return newSession(p, server, c.Results, absent, c.generation())
}

func (c *runCmd) generation() generation {
	return generation{workersFlag: c.workersFlag, raw: c.Raw != ""}
}

// newSession makes the folder of a run.
func newSession(p *plan.Plan, server, results string, absent map[string]string, how generation) (*session, error) {
	cfg := p.Config
	rig, err := newRig(server, p, how)
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	s := &session{plan: p, rig: rig, run: result.Run{
		Schema: result.Schema, ID: now.Format("20060102T150405Z") + "-" + cfg.Name,
		Name: cfg.Name, Started: now.Truncate(time.Second),
		Host: host.Describe(procRoot), Build: describeBuild(), ClaimRules: claims.RulesVersion,
	}}
	s.asks(absent)
	dir := filepath.Join(results, s.run.ID)
	if s.writer, err = result.Create(dir, &s.run); err != nil {
		return nil, err
	}
	return s, point(filepath.Join(results, "latest"), s.run.ID)
}

// asks writes down what the plan asks for.
func (s *session) asks(absent map[string]string) {
	cfg, r := s.plan.Config, &s.run
	r.Title, r.ConfigFile, r.ConfigText = cfg.Title, relative(cfg.File), cfg.Text
	r.Generator, r.Seed, r.Repeats = strings.Join(s.plan.Generators(), ", "), cfg.Seed, mostRepeats(cfg)
	r.Cells, r.Models, r.Ratios, r.SLOs, r.Absent = s.plan.Keys(), s.plan.Models, cfg.Ratios, cfg.SLOs, absent
}

func mostRepeats(cfg *plan.Config) (n int) {
	for _, e := range cfg.Experiments {
		n = max(n, e.Repeats)
	}
	return n
}

// point makes the symbolic link name point to target.
func point(name, target string) error {
	tmp := name + ".tmp"
	if err := errors.Join(ignore(os.Remove(tmp), os.ErrNotExist), os.Symlink(target, tmp), os.Rename(tmp, name)); err != nil {
		return fmt.Errorf("point %s to the run: %w", name, err)
	}
	return nil
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// resume opens a run again. It is planned from its own record, not from the
// config file, which may have changed since; but from one that is named, if that
// asks for all that the run does.
func (c *runCmd) resume(server string, builtin []result.Info, limit plan.Limit) (*session, error) {
	set, err := result.Load(c.Resume)
	if err != nil {
		return nil, mistake{err}
	}
	cfg, err := plan.Parse(set.Run.ConfigFile, []byte(set.Run.ConfigText))
	if c.Config != "" {
		cfg, err = plan.Read(c.Config)
	}
	if err != nil {
		return nil, mistake{err}
	}
	if err := cfg.AtLeast(c.Repeats); err != nil {
		return nil, mistake{fmt.Errorf("--repeats: %w", err)}
	}
	p, err := plan.Make(cfg, builtin, limit)
	if err != nil {
		return nil, err
	}
	absent := set.Run.Absent
	if c.Config == "" {
		p.Without(absent)
	} else {
		if absent, err = absences(p); err != nil {
			return nil, err
		}
		if err := onlyMore(set, p, absent, builtin, limit); err != nil {
			return nil, mistake{fmt.Errorf("%s: %w; the run %s can only be given more", cfg.File, err, set.Run.ID)}
		}
	}
	s := &session{run: set.Run, plan: p, earlier: set.Repeats, tried: set.Trials}
	if s.rig, err = newRig(server, p, c.generation()); err != nil {
		return nil, err
	}
	s.rig.recall(p, s.earlier)
	repeats := s.run.Repeats
	s.asks(absent)
	s.run.Repeats = max(s.run.Repeats, repeats)
	s.run.Ended, s.run.Interrupted = time.Time{}, false
	s.run.Resumed = append(s.run.Resumed, result.Resumption{At: time.Now().UTC().Truncate(time.Second), Build: describeBuild()})
	if s.writer, err = result.Reopen(c.Resume); errors.Is(err, result.ErrInUse) {
		return nil, mistake{err}
	} else if err != nil {
		return nil, err
	}
	// Before anything is measured: whatever ends it, who measured is in the record.
	if err := result.WriteRun(s.writer.Dir(), &s.run); err != nil {
		return nil, errors.Join(err, s.writer.Close())
	}
	return s, nil
}

// onlyMore is an error if a plan does not have all cells of a run, or measures
// them in another way than it did.
func onlyMore(set *result.Set, p *plan.Plan, absent map[string]string, builtin []result.Info, limit plan.Limit) error {
	recorded, err := plan.Parse(set.Run.ConfigFile, []byte(set.Run.ConfigText))
	if err != nil {
		return fmt.Errorf("the config in the record: %w", err)
	}
	was, err := plan.Make(recorded, builtin, limit)
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
		case before != nil && now.Unlike(before) != "":
			return fmt.Errorf("it asks for the cell %s with another %s", k, now.Unlike(before))
		}
	}
	return nil
}

// absences finds the servers and trials of the config that have no program here,
// and takes them out of the plan. A generator that is missing is a mistake: there
// would be nothing to measure with.
func absences(p *plan.Plan) (map[string]string, error) {
	absent := map[string]string{}
	find := func(name string, command []string) {
		if len(command) == 0 {
			return // it is the server program
		}
		if _, err := exec.LookPath(command[0]); err != nil {
			why := "not found (a path is looked up from the working directory)"
			if errors.Is(err, os.ErrPermission) {
				why = "not executable"
			}
			absent[name] = command[0] + ": " + why
		}
	}
	for _, m := range p.Models {
		find(m.Name, m.Command)
	}
	for _, t := range p.Config.Trials {
		find(result.AbsentTrial(t.Name), t.Run)
	}
	maps.Copy(absent, absentGenerators(p))
	p.Without(absent)
	var all []string
	for _, name := range slices.Sorted(maps.Keys(absent)) {
		all = append(all, name+" ("+absent[name]+")")
	}
	if len(p.Cells) == 0 {
		return nil, mistake{fmt.Errorf("%s: there is nothing to measure: %s", p.Config.File, strings.Join(all, ", "))}
	}
	// An objective that nothing is measured of would be met by nothing.
	for i := range p.Config.SLOs {
		if s := &p.Config.SLOs[i]; !slices.ContainsFunc(p.Cells, func(c plan.Cell) bool { return s.Of(&c.Key) }) {
			return nil, mistake{fmt.Errorf("%s: slo[%d]: nothing that it is of can be measured here: %s", p.Config.File, i, strings.Join(all, ", "))}
		}
	}
	return absent, nil
}

// measure runs the campaign, and reports whatever it measured to out.
func (s *session) measure(e *env, view live.Watcher, out *env) error {
	err := s.campaign(e, view)
	if s.run.Interrupted {
		err = fmt.Errorf("%w; go on with: %s run --resume %s", err, os.Args[0], relative(s.writer.Dir()))
	}
	rerr := s.report(out)
	var missing errCells
	var missed errSLO
	switch {
	case s.run.Interrupted && errors.As(rerr, &missing):
		rerr = nil // the table says what is not measured yet
	case err != nil && errors.As(rerr, &missed):
		rerr = nil // nobody may take a run that failed for one that missed an objective
	}
	return errors.Join(err, rerr)
}

// campaign runs it, and writes down how it ended.
func (s *session) campaign(e *env, view live.Watcher) error {
	view.Begin(s.start())
	campaign := &loadtest.Campaign{
		RunID: s.run.ID, Plan: s.plan, Counters: counters, CPUs: s.rig.bind,
		Start: s.rig.start, Connect: s.rig.connect, Ceiling: s.rig.ceiling,
		Save: s.save, Earlier: s.earlier, Watch: view.Event,
	}
	err := campaign.Run(e.ctx)
	if err == nil {
		err = s.trials(e, view.Trial)
	}
	if e.ctx.Err() != nil {
		err = errInterrupted
	}
	if err == nil {
		s.run.Ended = time.Now().UTC().Truncate(time.Second)
	}
	s.run.Interrupted = errors.Is(err, errInterrupted)
	view.End(err)
	return errors.Join(err, result.WriteRun(s.writer.Dir(), &s.run))
}

func (s *session) save(r *result.Repeat, series []result.Second, w *load.Window, c loadtest.Clients) error {
	if w != nil && r.Requests > 0 {
		if err := writeHDR(filepath.Join(s.writer.Dir(), result.HDRDir), r, w); err != nil {
			return err
		}
	}
	if clients, ok := c.(*attack.Clients); ok && s.raw != "" && w != nil {
		whole, err := writeRaw(filepath.Join(s.writer.Dir(), result.RawDir), s.raw, r, clients)
		if err != nil {
			return err
		}
		if !whole {
			r.Warnings = append(r.Warnings, "not all requests are in the raw file: there were too many to keep")
		}
	}
	return s.writer.Append(r, series)
}

// errCells says that the run is complete but not whole.
type errCells []result.Key

func (e errCells) Error() string {
	names := make([]string, len(e))
	for i, k := range e {
		names[i] = k.String()
	}
	return fmt.Sprintf("%d cells have no valid repeat:\n  %s", len(e), strings.Join(names, "\n  "))
}

// report writes the report, prints the table, and fails if there are cells
// that nothing valid is known of.
func (s *session) report(e *env) error {
	set, err := result.Load(s.writer.Dir())
	if err != nil {
		return err
	}
	return writeReport(e, set)
}

func writeReport(e *env, set *result.Set) error {
	// A run for something else may happen to have a cell of a claim.
	ledger := claims.Evaluate(set)
	var links []report.Link
	if ledger.Tells() {
		links = []report.Link{{Name: "What it says of the claims", Href: ledgerHTML}}
	}
	if err := report.WriteWithin(set.Dir, set, links); err != nil {
		return err
	}
	if err := report.Table(e.out, set); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "\nreport: %s, and %s beside it; charts, as SVG and PNG: %s\n",
		relative(filepath.Join(set.Dir, report.HTMLFile)), report.MarkdownFile, relative(filepath.Join(set.Dir, result.ChartsDir)))
	if ledger.Tells() {
		if err := writeLedger(set, ledger); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "claims: %s, or tierbench claims %s\n", relative(filepath.Join(set.Dir, ledgerHTML)), relative(set.Dir))
	}
	var err error
	if missing := report.WithoutValid(set); len(missing) > 0 {
		err = errCells(missing)
	}
	if n := len(slo.Of(slo.Judge(&set.Run, stats.Cells(&set.Run, set.Repeats)), slo.Missed)); n > 0 {
		err = errors.Join(errSLO(n), err)
	}
	return err
}

// errSLO says that objectives are missed. The table says the rest.
type errSLO int

func (e errSLO) Error() string {
	if e == 1 {
		return "1 objective is missed"
	}
	return fmt.Sprintf("%d objectives are missed", int(e))
}

type reportCmd struct {
	Run_ string `arg:"" name:"results" help:"The folder of a run, such as results/latest." type:"existingdir"`
	CSV  bool   `name:"csv" help:"Print every cell as CSV instead, and draw nothing."`
}

// Help is an example for --help.
func (c *reportCmd) Help() string {
	return "Examples:\n\n" +
		"    tierbench report results/latest\n\n" +
		"    tierbench report results/latest --csv >cells.csv"
}

func (c *reportCmd) Run(e *env) error {
	set, err := result.Load(c.Run_)
	if err != nil {
		return mistake{err}
	}
	if c.CSV {
		if err := report.CSV(e.out, set); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
		return nil
	}
	var missing errCells
	var missed errSLO
	if err := writeReport(e, set); !errors.As(err, &missing) && !errors.As(err, &missed) {
		return err
	}
	return nil // it was drawn, and says what is missing
}

// relative shortens a path for a reader who stands in the working directory.
func relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(wd, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}
