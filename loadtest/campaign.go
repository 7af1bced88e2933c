// Package loadtest is the campaign: it takes a plan, and for each step starts
// a fresh server, opens its clients, measures, judges and saves. What starts a
// server and what makes the load it knows only by small interfaces.
package loadtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tierbench/tierbench/loadtest/gate"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Server was started for one repeat and is ready.
type Server interface {
	Addr() string
	// CPU is the time its processes have used, in seconds.
	CPU() (user, sys float64, err error)
	Usage() (result.Usage, error)
	CtxSwitches() (int64, error)
	// Connections counts the established ones on its side: in all, and held by
	// each of its processes.
	Connections() (established int, perProcess []int, err error)
	// Exited is closed when the server has ended.
	Exited() <-chan struct{}
	// Stop ends it by the contract, Kill at once, from any goroutine and more
	// than once. An error of Stop says how it broke the contract. Neither leaves
	// anything of it.
	Stop() error
	Kill() error
}

// Clients are connections to a server.
type Clients interface {
	Run(ctx context.Context, warmup, length time.Duration, m load.Marks) (*load.Window, error)
	// Hold only keeps the connections, and asks each once at the end.
	Hold(ctx context.Context, length time.Duration, m load.Marks) (*load.Window, error)
	Established() int
	Attackers() int
	Close() error
}

// A Campaign measures the steps of a plan, one after the other.
type Campaign struct {
	RunID     string
	Plan      *plan.Plan
	Generator string
	// Start starts the server of a step.
	Start func(context.Context, plan.Step) (Server, error)
	// Connect opens clients.
	Connect func(ctx context.Context, t load.Target, clients int) (Clients, result.Connect, error)
	// GeneratorCPU is the CPU time the generator has used, in seconds.
	GeneratorCPU func() (float64, error)
	// Save keeps a repeat. It is called for each, whatever its verdict.
	Save func(*result.Repeat, []result.Second, *load.Window) error
	// Done tells whether a repeat was measured before, by an earlier part of
	// the run. Nil is: none was.
	Done func(result.Key, int) bool
	// Watch is told what happens. Nil is: nobody.
	Watch func(Event)
}

// Interrupted is the failure of a repeat that was cut off. It is measured
// again when the run is resumed.
const Interrupted = "interrupted"

// An Event is something that happened in a campaign.
type Event struct {
	Step    plan.Step
	N       int            // which of the steps, from 1
	Total   int            // steps in all
	Left    time.Duration  // estimated, to the end of the campaign
	Repeat  *result.Repeat // when the step ended, else nil
	Warning string         // something to know, about a step that goes on
}

// seriesThreads is up to how many threads the context switches are read each
// second. A reading costs about 10 µs a thread, on the cores under test.
const seriesThreads = 1000

// Run measures until the plan is done or ctx is. It returns the error of ctx
// then, after the repeat under way was saved as interrupted.
func (c *Campaign) Run(ctx context.Context) error {
	var steps []plan.Step
	all := c.Plan.Steps()
	for _, s := range all {
		if c.Done == nil || !c.Done(s.Key, s.Repeat) {
			steps = append(steps, s)
		}
	}
	begin := time.Now()
	for i, step := range steps {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		ev := Event{Step: step, N: len(all) - len(steps) + i + 1, Total: len(all), Left: c.left(begin, i, len(steps))}
		c.tell(ev)
		r, series, w := c.measure(ctx, step, func(warning string) {
			ev := ev
			ev.Warning = warning
			c.tell(ev)
		})
		if ctx.Err() != nil {
			r.Failure = Interrupted
		}
		r.Gates = gate.Judge(r)
		if err := c.Save(r, series, w); err != nil {
			return fmt.Errorf("save repeat: %w", err)
		}
		ev.Repeat, ev.Left = r, c.left(begin, i+1, len(steps))
		c.tell(ev)
	}
	return context.Cause(ctx)
}

func (c *Campaign) tell(ev Event) {
	if c.Watch != nil {
		c.Watch(ev)
	}
}

// left estimates the time to the end from the steps that were done, or before
// the first from what was asked.
func (c *Campaign) left(begin time.Time, done, total int) time.Duration {
	each := c.Plan.Config.Warmup + c.Plan.Config.Duration + 500*time.Millisecond
	if done > 0 {
		each = time.Since(begin) / time.Duration(done)
	}
	return each * time.Duration(total-done)
}

// measure makes one repeat. All that goes wrong is in the repeat.
func (c *Campaign) measure(ctx context.Context, step plan.Step, warn func(string)) (*result.Repeat, []result.Second, *load.Window) {
	cfg := c.Plan.Config
	r := &result.Repeat{
		Run: c.RunID, Key: step.Key, Repeat: step.Repeat, Started: time.Now().UTC(),
		AskedSec: cfg.Duration.Seconds(), WarmupSec: cfg.Warmup.Seconds(),
		Generator: result.Generator{Name: c.Generator},
	}
	srv, err := c.Start(ctx, step)
	if err != nil {
		r.Failure = err.Error()
		return r, nil, nil
	}
	// Whoever interrupts does not wait for a drain, nor for readings of a server
	// that keeps all cores busy. Its end also ends all that waits for an answer.
	cancelKill := context.AfterFunc(ctx, func() { _ = srv.Kill() })
	defer func() {
		stop := srv.Stop
		if !cancelKill() {
			stop = srv.Kill // again, to wait for its end
		}
		if err := stop(); err != nil {
			r.Warnings = append(r.Warnings, err.Error())
			warn(err.Error())
		}
	}()
	if r.Server.Before, err = srv.Usage(); err != nil {
		r.Failure = fmt.Sprintf("read the server's usage: %v", err)
		return r, nil, nil
	}
	target := load.Target{
		Addr: srv.Addr(), Protocol: step.Protocol, Workload: step.Key.Workload,
		PayloadBytes: step.Workload.PayloadBytes,
	}
	clients, connect, err := c.Connect(ctx, target, step.Clients)
	r.Connect = connect
	if err != nil {
		r.Failure = err.Error()
		return r, nil, nil
	}
	defer clients.Close()
	r.Generator.Workers = clients.Attackers()

	o := &observer{ctx: ctx, srv: srv, clients: clients, generatorCPU: c.GeneratorCPU, repeat: r}
	var w *load.Window
	if step.Key.Workload == result.Idle {
		w, err = clients.Hold(ctx, cfg.Duration, o.marks())
	} else {
		w, err = clients.Run(ctx, cfg.Warmup, cfg.Duration, o.marks())
	}
	if err != nil {
		r.Failure = err.Error()
	}
	select {
	case <-srv.Exited():
		// What the clients saw of it are only consequences.
		r.Failure = "the server ended while it was measured"
	default:
	}
	if w == nil {
		return r, nil, nil
	}
	fill(r, w)
	return r, o.series(w), w
}

// fill copies a window into a repeat.
func fill(r *result.Repeat, w *load.Window) {
	r.Started, r.DurationSec = w.Started.UTC(), w.Length.Seconds()
	r.Requests, r.Errors, r.BytesIn, r.BytesOut = w.Requests, w.Errors, w.BytesIn, w.BytesOut
	if r.Workload == result.Idle || w.Length <= 0 {
		return
	}
	r.ThroughputRPS = float64(w.Requests) / w.Length.Seconds()
	if h := w.Service; h.TotalCount() > 0 {
		const sec = float64(time.Second)
		at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / sec }
		r.Service = result.Latency{
			Mean: h.Mean() / sec, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / sec,
		}
	}
}

// An observer reads the server at the marks of a window.
type observer struct {
	ctx          context.Context // of the campaign
	srv          Server
	clients      Clients
	generatorCPU func() (float64, error)
	repeat       *result.Repeat

	user, sys, generator float64 // CPU at the opening
	switches             int64
	samples              []sample
}

// A sample is one reading of a series.
type sample struct {
	at        time.Duration // 0 for the one at the close
	user, sys float64
	usage     result.Usage
	switches  int64 // -1: not read
	took      time.Duration
}

func (o *observer) marks() load.Marks {
	return load.Marks{Open: o.open, Second: o.second, Close: o.close}
}

// open reads what takes long first and the CPU last: the window begins when
// open returns.
func (o *observer) open() (err error) {
	e := &o.repeat.Established
	if e.Server.Start, _, err = o.srv.Connections(); err != nil {
		return fmt.Errorf("count connections: %w", err)
	}
	e.Generator.Start = o.clients.Established()
	if o.switches, err = o.srv.CtxSwitches(); err != nil {
		return fmt.Errorf("read context switches: %w", err)
	}
	if o.generator, err = o.generatorCPU(); err != nil {
		return fmt.Errorf("read the generator's CPU time: %w", err)
	}
	if o.user, o.sys, err = o.srv.CPU(); err != nil {
		return fmt.Errorf("read the server's CPU time: %w", err)
	}
	return nil
}

// second takes one reading for the series.
func (o *observer) second(at time.Duration) (err error) {
	begin := time.Now()
	s := sample{at: at, switches: -1}
	if s.user, s.sys, err = o.srv.CPU(); err != nil {
		return fmt.Errorf("read the server's CPU time: %w", err)
	}
	if s.usage, err = o.srv.Usage(); err != nil {
		return fmt.Errorf("read the server's usage: %w", err)
	}
	if s.usage.Threads <= seriesThreads {
		if s.switches, err = o.srv.CtxSwitches(); err != nil {
			return fmt.Errorf("read context switches: %w", err)
		}
	}
	s.took = time.Since(begin)
	o.samples = append(o.samples, s)
	return nil
}

// close reads the CPU first: the window has just ended. The connections are
// still open and the load goes on.
func (o *observer) close() error {
	if o.ctx.Err() != nil {
		return nil // interrupted: the server is being killed
	}
	begin := time.Now()
	srv, e := &o.repeat.Server, &o.repeat.Established
	user, sys, err1 := o.srv.CPU()
	generator, err2 := o.generatorCPU()
	switches, err3 := o.srv.CtxSwitches()
	usage, err4 := o.srv.Usage()
	established, perProcess, err5 := o.srv.Connections()
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return fmt.Errorf("read the server at the end of the window: %w", err)
	}
	srv.CPUUserSec, srv.CPUSysSec = user-o.user, sys-o.sys
	o.repeat.Generator.CPUSec = generator - o.generator
	srv.CtxSwitches = switches - o.switches
	srv.PSSBytes, srv.KernelStackBytes = usage.PSSBytes, usage.KernelStackBytes
	srv.Threads, srv.Processes, srv.FDs = usage.Threads, usage.Processes, usage.FDs
	srv.ConnsPerProcess = perProcess
	e.Server.End, e.Generator.End = established, o.clients.Established()
	o.samples = append(o.samples, sample{user: user, sys: sys, usage: usage, switches: switches, took: time.Since(begin)})
	return nil
}

// series joins the readings with what the generator counted in each second.
func (o *observer) series(w *load.Window) []result.Second {
	var out []result.Second
	user, sys, switches, from := o.user, o.sys, o.switches, time.Duration(0)
	for i, s := range o.samples {
		to := s.at
		if to == 0 {
			to = w.Length
		}
		line := result.Second{
			Run: o.repeat.Run, Key: o.repeat.Key, Repeat: o.repeat.Repeat,
			AtSec: to.Seconds(), IntervalSec: (to - from).Seconds(),
			CPUUserSec: s.user - user, CPUSysSec: s.sys - sys,
			Usage: s.usage, CtxSwitches: -1, SampleSec: s.took.Seconds(),
		}
		if s.switches >= 0 && switches >= 0 {
			line.CtxSwitches = s.switches - switches
		}
		if i < len(w.Seconds) {
			h := w.Seconds[i].Service
			line.Requests, line.Errored = h.TotalCount(), w.Seconds[i].Errored
			line.P50Sec = float64(h.ValueAtQuantile(50)) / float64(time.Second)
			line.P99Sec = float64(h.ValueAtQuantile(99)) / float64(time.Second)
		}
		out = append(out, line)
		user, sys, switches, from = s.user, s.sys, s.switches, to
	}
	return out
}
