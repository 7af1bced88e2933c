package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/search"
	"github.com/tierbench/tierbench/loadtest/stats"
)

type searchCmd struct {
	serverFlag
	Command []string `arg:"" optional:"" help:"A server of your own, behind --, as in a config; {addr}, {host}, {port}, {protocol} and {cpus} are filled in."`
	Model   string   `help:"A model that is built in; or what to call the server of your own." placeholder:"NAME"`

	Find     string        `help:"What to find the most of: clients (closed loop) or rate (open loop)." enum:"clients,rate" default:"clients"`
	Protocol string        `help:"http or echo." default:"http"`
	Workload string        `help:"What is asked, as in a config; by default plaintext or, over the protocol echo, echo." placeholder:"NAME"`
	Time     time.Duration `help:"Of the workloads wait, block and cpu." placeholder:"50ms"`
	Payload  int           `help:"Bytes, of the workload echo." placeholder:"64"`
	Clients  int           `help:"How many clients share the rate (--find rate)." placeholder:"100"`

	P50    time.Duration `name:"p50" help:"Most that the median latency may be." placeholder:"TIME"`
	P90    time.Duration `name:"p90" help:"Most that the 90th percentile may be." placeholder:"TIME"`
	P99    time.Duration `name:"p99" help:"Most that the 99th percentile may be." placeholder:"TIME"`
	P999   time.Duration `name:"p999" help:"Most that the 99.9th percentile may be." placeholder:"TIME"`
	Max    time.Duration `help:"Most that the longest may be." placeholder:"TIME"`
	Errors string        `help:"Most of the requests that may fail, such as 0 or 0.1%." default:"0" placeholder:"0"`

	From     float64       `help:"Where to start: clients, or requests a second. By default 1 client, or 100/s." placeholder:"N"`
	To       float64       `help:"Where to stop. By default what this host and the model can hold, or 1000000/s." placeholder:"N"`
	Within   string        `help:"How close the two ends come." default:"5%" placeholder:"5%"`
	Repeats  int           `help:"How many measurements confirm each end; an odd number." default:"3" placeholder:"3"`
	Most     int           `help:"After how many measurements to give up." default:"80" placeholder:"80"`
	Warmup   time.Duration `help:"Before each measurement." default:"500ms" placeholder:"500ms"`
	Duration time.Duration `help:"Of each measurement." default:"2s" placeholder:"2s"`
	Results  string        `help:"The folder in which the run's own is made." default:"results" type:"path"`
}

// Help is an example for --help.
func (c *searchCmd) Help() string {
	return "Doubles the load until the promise is broken, bisects, and repeats both ends. Every measurement is kept and reported as those of a run are. " +
		"Latencies are service times for clients, response times for a rate.\n\n" +
		"Examples:\n\n" +
		"    tierbench search --model eventloop --p99 50ms\n\n" +
		"    tierbench search --find rate --clients 200 --p99 5ms --errors 0.1% --workload wait --time 2ms --model thread\n\n" +
		"    tierbench search --p99 50ms -- ./my-server --listen={addr}"
}

// errSearch says that a search has found no load that keeps the promise.
type errSearch string

func (e errSearch) Error() string { return string(e) }

func (c *searchCmd) Run(e *env) error {
	slo, bounds, err := c.promise()
	if err != nil {
		return mistake{err}
	}
	if err := prepare(); err != nil {
		return err
	}
	// Without a server of the user's own, the model is one that is built in.
	var server string
	var builtin []result.Info
	if len(c.Command) == 0 {
		if server, builtin, err = c.builtin(e.ctx); err != nil {
			return err
		}
	}
	limit := hostLimit()
	if bounds.To == 0 {
		bounds.To = float64(c.most(builtin, limit))
	}
	if m := bounds.Mistake(); m != "" {
		return mistake{errors.New(m)}
	}
	h := &hunt{cmd: c, env: e, slo: slo, bounds: bounds, builtin: builtin, limit: limit}
	// Both ends of the range are planned before anything starts, for their mistakes.
	p, err := h.plan([]level{{bounds.From, 1}})
	if err == nil {
		_, err = h.plan([]level{{bounds.To, 1}})
	}
	if err != nil {
		return err
	}
	if err := h.open(server, p); err != nil {
		return err
	}
	defer h.session.writer.Close()
	defer h.session.rig.workers.close()
	return h.run()
}

// most is how many clients this host and the model can hold: a model of one
// process has fewer than the host.
func (c *searchCmd) most(builtin []result.Info, limit plan.Limit) int64 {
	most := limit.Clients
	for _, m := range builtin {
		if m.Name == c.Model {
			of, _ := limit.Of(m, &plan.Experiment{Generators: []string{plan.Vegeta}})
			most = min(most, of)
		}
	}
	return most
}

// promise reads what is asked for of the flags.
func (c *searchCmd) promise() (search.SLO, search.Range, error) {
	slo := search.SLO{P50: c.P50.Seconds(), P90: c.P90.Seconds(), P99: c.P99.Seconds(), P999: c.P999.Seconds(), Max: c.Max.Seconds()}
	bounds := search.Range{From: c.From, To: c.To, Whole: c.Find == "clients", Confirm: c.Repeats, Most: c.Most}
	for _, b := range []struct {
		flag string
		d    time.Duration
	}{{"p50", c.P50}, {"p90", c.P90}, {"p99", c.P99}, {"p999", c.P999}, {"max", c.Max}} {
		if b.d < 0 {
			return slo, bounds, fmt.Errorf("--%s: %v is no bound of a latency; allowed: above 0", b.flag, b.d)
		}
	}
	var err error
	if slo.Errors, err = part(c.Errors); err != nil {
		return slo, bounds, fmt.Errorf("--errors: %w", err)
	}
	if bounds.Within, err = part(c.Within); err != nil {
		return slo, bounds, fmt.Errorf("--within: %w", err)
	}
	switch {
	case c.Model == "" && len(c.Command) == 0:
		return slo, bounds, errors.New("name a --model, or a server of your own behind --")
	case c.Workload == result.Idle:
		return slo, bounds, errors.New("--workload: idle clients ask for nothing, so there is no promise to keep")
	case c.Find == "clients" && c.Clients != 0:
		return slo, bounds, errors.New("--clients is what is looked for; it goes with --find rate")
	}
	if c.Find == "rate" {
		bounds.From, bounds.To = or(bounds.From, 100), or(bounds.To, 1e6)
		if c.Clients == 0 {
			c.Clients = 100
		}
	}
	bounds.From = or(bounds.From, 1)
	if c.Model == "" {
		c.Model = strings.TrimSuffix(filepath.Base(c.Command[0]), filepath.Ext(c.Command[0]))
	}
	return slo, bounds, nil
}

func or(v, instead float64) float64 {
	if v == 0 {
		return instead
	}
	return v
}

// part reads "0.1%" or 0 as a part of one.
func part(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v >= 0 && v <= 100) || !percent && v != 0 {
		return 0, fmt.Errorf("%q is no part; allowed: 0 to 100%%, such as 0.1%%", s)
	}
	return v / 100, nil
}

// A level is a load that is measured, and how often.
type level struct {
	load    float64
	repeats int
}

// A hunt is a search under way. Its run is one of a config that grows by a
// repeat at a time, so its record is as any other, and can be gone on with.
type hunt struct {
	cmd     *searchCmd
	env     *env
	slo     search.SLO
	bounds  search.Range
	builtin []result.Info
	limit   plan.Limit

	session *session
	levels  []level // as they came
}

// unit is what a load is of.
func (h *hunt) unit(load float64) string {
	switch {
	case h.cmd.Find == "rate":
		return stats.PerSecond.Format(load)
	case load == 1:
		return "1 client"
	}
	return stats.Group(int(load)) + " clients"
}

// title says what is looked for.
func (h *hunt) title() string {
	what := "clients"
	if h.cmd.Find == "rate" {
		what = fmt.Sprintf("requests a second from %s clients", stats.Group(h.cmd.Clients))
	}
	return fmt.Sprintf("The most %s that %s carries with %v", what, h.cmd.Model, h.slo)
}

// config is the text of a config that measures the levels.
func (h *hunt) config(levels []level) string {
	c := h.cmd
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Made by tierbench search: the loads that it tried.")
	line("title: %s", quoted(h.title()))
	line("models: [%s]", quoted(c.Model))
	if len(c.Command) > 0 {
		line("commands: {%s: {run: %s}}", quoted(c.Model), quoted(c.Command))
	}
	asked := c.Workload
	if asked == "" {
		asked = map[string]string{"http": "plaintext"}[c.Protocol]
		if asked == "" {
			asked = "echo"
		}
	}
	extra := ""
	if c.Time != 0 {
		extra += fmt.Sprintf(", time: %v", c.Time)
	}
	if c.Payload != 0 {
		extra += fmt.Sprintf(", payload_bytes: %d", c.Payload)
	}
	line("workloads: [{protocol: %s, workload: %s%s}]", quoted(c.Protocol), quoted(asked), extra)
	line("warmup: %v\nduration: %v", c.Warmup, c.Duration)
	if c.Find == "rate" {
		line("loop: open\nclients: [%d]", c.Clients)
	} else {
		line("loop: closed")
	}
	line("experiments:")
	for _, l := range levels {
		load := fmt.Sprintf("clients: [%.0f]", l.load)
		if c.Find == "rate" {
			load = fmt.Sprintf("rate: %s/s", strconv.FormatFloat(l.load, 'f', -1, 64))
		}
		line("  - {name: %s, %s, repeats: %d}", quoted(h.unit(l.load)), load, l.repeats)
	}
	return b.String()
}

// quoted is a value as YAML, of which JSON is a part.
func quoted(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings
	}
	return string(b)
}

func (h *hunt) plan(levels []level) (*plan.Plan, error) {
	cfg, err := plan.Parse("what the command line makes a config of", []byte(h.config(levels)))
	if err != nil {
		return nil, err
	}
	return plan.Make(cfg, h.builtin, h.limit)
}

// open makes the folder of the run. Nothing is measured in it yet.
func (h *hunt) open(server string, p *plan.Plan) error {
	if _, err := absences(p); err != nil {
		return err
	}
	rig, err := newRig(server, p, generation{})
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	s := &session{rig: rig, run: result.Run{
		Schema: result.Schema, ID: now.Format("20060102T150405Z") + "-search", Name: "search", Title: h.title(),
		Started: now.Truncate(time.Second), ConfigText: p.Config.Text, Generator: strings.Join(p.Generators(), ", "),
		Seed: p.Config.Seed, Models: p.Models, Host: host.Describe(procRoot), Build: describeBuild(),
	}}
	if s.writer, err = result.Create(filepath.Join(h.cmd.Results, s.run.ID), &s.run); err != nil {
		return err
	}
	h.session = s
	return nil
}

func (h *hunt) run() error {
	s := h.session
	fmt.Fprintf(h.env.errOut, "%s, into %s\n", h.title(), relative(s.writer.Dir()))
	answer, err := search.Find(h.env.ctx, h.bounds, h.measure)
	if h.env.ctx.Err() != nil {
		err = errInterrupted
	}
	s.run.Interrupted = errors.Is(err, errInterrupted)
	if err == nil {
		s.run.Ended = time.Now().UTC().Truncate(time.Second)
	}
	if werr := result.WriteRun(s.writer.Dir(), &s.run); werr != nil {
		return errors.Join(err, werr)
	}
	set, rerr := result.Load(s.writer.Dir())
	if rerr != nil {
		return errors.Join(err, rerr)
	}
	if rerr := report.Write(set.Dir, set); rerr != nil {
		return errors.Join(err, rerr)
	}
	// Only what came to its end takes the place of the newest run.
	if err == nil {
		if err := point(filepath.Join(h.cmd.Results, "latest"), s.run.ID); err != nil {
			return err
		}
	}
	h.table(answer, stats.Cells(&set.Run, set.Repeats))
	text := h.says(answer)
	defer fmt.Fprintf(h.env.out, "\nreport: %s\n", relative(filepath.Join(set.Dir, report.HTMLFile)))
	switch {
	case err != nil:
		return err
	case answer.Outcome == search.None || answer.Outcome == search.Undecided:
		return errSearch(text)
	}
	fmt.Fprintf(h.env.out, "\n%s\n", text)
	return nil
}

// measure makes one more repeat of a load.
func (h *hunt) measure(ctx context.Context, at float64) (search.Sample, error) {
	s := h.session
	i := slices.IndexFunc(h.levels, func(l level) bool { return l.load == at })
	if i < 0 {
		i = len(h.levels)
		h.levels = append(h.levels, level{load: at})
	}
	h.levels[i].repeats++
	var err error
	if s.plan, err = h.plan(h.levels); err != nil {
		return search.Sample{}, err
	}
	s.run.ConfigText, s.run.Cells = s.plan.Config.Text, s.plan.Keys()
	for _, l := range h.levels {
		s.run.Repeats = max(s.run.Repeats, l.repeats)
	}
	if err := result.WriteRun(s.writer.Dir(), &s.run); err != nil {
		return search.Sample{}, err
	}
	var last *result.Repeat
	campaign := &loadtest.Campaign{
		RunID: s.run.ID, Plan: s.plan, Counters: counters, CPUs: s.rig.bind,
		Start: s.rig.start, Connect: s.rig.connect, Ceiling: s.rig.ceiling, Earlier: s.earlier,
		Save: func(r *result.Repeat, series []result.Second, w *load.Window, c loadtest.Clients) error {
			last = r
			return s.save(r, series, w, c)
		},
	}
	if err := campaign.Run(ctx); err != nil {
		return search.Sample{}, err
	}
	if last == nil || last.Failure == loadtest.Interrupted {
		return search.Sample{}, errInterrupted
	}
	s.earlier = append(s.earlier, *last)
	sample := h.slo.Judge(last)
	fmt.Fprintf(h.env.errOut, "%s, repeat %d: %s", h.unit(at), last.Repeat, verdicts[sample.Verdict])
	if sample.Why != "" {
		fmt.Fprintf(h.env.errOut, ": %s", sample.Why)
	}
	fmt.Fprintf(h.env.errOut, " (%s, p99 %s)\n", format(stats.Throughput, last), format(stats.P99, last))
	return sample, nil
}

var verdicts = map[search.Verdict]string{search.Met: "kept", search.Missed: "missed", search.Unusable: "not usable"}

func format(m stats.Metric, r *result.Repeat) string {
	if v, ok := m.Value(r); ok {
		return m.Unit.Format(v)
	}
	return "–"
}

// table writes a line for each load, with the medians of the repeats that count.
func (h *hunt) table(a *search.Answer, cells []*stats.Cell) {
	fmt.Fprintf(h.env.out, "%s\n\n%16s %6s %7s %9s %10s %10s %10s\n", h.title(), "load", "kept", "missed", "unusable", "req/s", "p99", "CPU/req")
	for i := range a.Levels {
		l := &a.Levels[i]
		value := func(m stats.Metric) string {
			for _, c := range cells {
				if h.cmd.Find == "rate" && c.Rate != (plan.Rate{PerSecond: l.Load}).String() || h.cmd.Find != "rate" && c.Clients != int(math.Round(l.Load)) {
					continue
				}
				if s := c.Summary(m); s.N > 0 {
					return m.Unit.Format(s.Median)
				}
			}
			return "–"
		}
		fmt.Fprintf(h.env.out, "%16s %6d %7d %9d %10s %10s %10s\n", h.unit(l.Load), l.Count(search.Met), l.Count(search.Missed), l.Count(search.Unusable),
			strings.TrimSuffix(value(stats.Throughput), "/s"), value(stats.P99), value(stats.CPU))
	}
}

// says is the answer in words.
func (h *hunt) says(a *search.Answer) string {
	of := func(load float64, v search.Verdict) string {
		l := a.Level(load)
		s := fmt.Sprintf("%d of %d repeats", l.Count(v), len(l.Samples))
		if why := l.Why(v); why != "" {
			s += ": " + why
		}
		return s
	}
	m := h.cmd.Model
	switch a.Outcome {
	case search.Found:
		return fmt.Sprintf("%s: kept at %s (%s), missed at %s (%s)", m, h.unit(a.Best), of(a.Best, search.Met), h.unit(a.Next), of(a.Next, search.Missed))
	case search.Unbounded:
		return fmt.Sprintf("%s: no bound found up to %s (kept in %s)", m, h.unit(a.Best), of(a.Best, search.Met))
	case search.Blocked:
		return fmt.Sprintf("%s: no bound found up to %s (kept in %s); at %s it is not the server's alone (%s)",
			m, h.unit(a.Best), of(a.Best, search.Met), h.unit(a.Next), of(a.Next, search.Unusable))
	case search.None:
		return fmt.Sprintf("%s: missed at %s already, where the search began (%s)", m, h.unit(a.Next), of(a.Next, search.Missed))
	}
	if a.Best == 0 && a.Next > 0 {
		return fmt.Sprintf("%s: nothing can be said at %s, where the search began (%s)", m, h.unit(a.Next), of(a.Next, search.Unusable))
	}
	return fmt.Sprintf("%s: not decided after %d measurements; raise --most or --within", m, a.Samples)
}
