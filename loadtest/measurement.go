package loadtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tierbench/tierbench/loadtest/fault"
	"github.com/tierbench/tierbench/loadtest/gate"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A measurement is a repeat while it is measured.
type measurement struct {
	campaign   *Campaign
	step       plan.Step
	repeat     *result.Repeat
	event      Event
	server     Server
	cancelKill func() bool
	clients    Clients
	window     *load.Window
	observer   observer
	downed     bool // the fault or its box ended the server
}

// measure measures one repeat and saves it. Failures of the measurement are recorded in
// the repeat; only a failure to save it is returned.
func (c *Campaign) measure(ctx context.Context, step plan.Step, ev Event) (*result.Repeat, error) {
	r := &result.Repeat{
		Run: c.RunID, Key: step.Key, Repeat: step.Repeat, Started: time.Now().UTC(),
		PerRequest: step.PerRequest(), Generator: result.Generator{Name: step.Generator}, Request: step.Workload.Request(),
	}
	m := &measurement{campaign: c, step: step, repeat: r, event: ev}
	m.observer = observer{ctx: ctx, counters: c.Counters, repeat: r}
	if err := m.run(ctx); err != nil {
		r.Failure = err.Error()
	}
	m.judgeMemory()
	if ctx.Err() != nil {
		r.Failure, r.FailureKind = "interrupted", result.Interrupted
	}
	m.stop()
	r.Gates = gate.Judge(r)
	return r, c.Save(r, m.observer.series(m.window), m.window, m.clients)
}

// run starts the server, connects the clients and measures. Its error becomes the
// failure of the repeat.
func (m *measurement) run(ctx context.Context) error {
	work, err := m.prepare(ctx)
	if err != nil {
		return err
	}
	if err := m.start(ctx); err != nil {
		return err
	}
	if err := m.connect(ctx); err != nil {
		return err
	}
	return m.drive(ctx, work)
}

// prepare determines what must be known before the server starts: the CPUs, the
// generator's ceiling and, for an open loop, the rate.
func (m *measurement) prepare(ctx context.Context) (work load.Work, err error) {
	c, r, step := m.campaign, m.repeat, m.step
	if r.CPUs, err = c.CPUs(step); err != nil {
		return work, err
	}
	if c.Ceiling != nil && step.Key.Loop == result.Closed && step.Key.Workload != result.Idle {
		if r.Generator.CeilingRPS, err = c.Ceiling(ctx, step); err != nil {
			m.warn(fmt.Sprintf("the generator's ceiling is not known: %v", err))
		}
	}
	capacity := c.capacity(step.Closed())
	if step.Key.Loop == result.Open && step.Experiment.Rate.Capacity > 0 && capacity == 0 {
		return work, fmt.Errorf("the rate is %v of the closed loop's throughput, but no valid repeat of the closed loop has measured it", step.Experiment.Rate)
	}
	work = step.Work(capacity)
	if work.Warmup > 0 {
		r.PhaseSec = step.Phase.Seconds()
	}
	r.AskedSec, r.WarmupSec, r.AskedRequests = work.Length.Seconds(), work.Warmup.Seconds(), work.Requests
	work.Warmup += time.Duration(r.PhaseSec * float64(time.Second))
	return work, nil
}

// start starts the server and reads what it uses while nobody is connected.
func (m *measurement) start(ctx context.Context) (err error) {
	r := m.repeat
	if m.observer.before, err = m.campaign.Counters(); err != nil {
		return fmt.Errorf("read the machine's counters: %w", err)
	}
	if m.server, err = m.campaign.Start(ctx, m.step); err != nil {
		var inBox *StartError
		if errors.As(err, &inBox) {
			r.Box = inBox.Box
		}
		return err
	}
	// An interrupt does not wait until the server has drained, nor for readings of a
	// server that keeps all cores busy. Killing the server also ends every wait for an
	// answer.
	m.cancelKill = context.AfterFunc(ctx, func() { _ = m.server.Kill() })
	if r.Server.Before, err = m.server.Usage(); err != nil {
		return fmt.Errorf("read the server's usage: %w", err)
	}
	// The memory of sockets is read here and at the end, not every second: the
	// kernel has to walk through all sockets for it.
	idle, err := m.server.Connections()
	if err != nil {
		return fmt.Errorf("count connections: %w", err)
	}
	r.Server.Before.SocketBytes = idle.SocketBytes
	m.observer.server = m.server
	return m.observer.box(r.Server.Before)
}

// connect opens the connections of the clients.
func (m *measurement) connect(ctx context.Context) error {
	step := m.step
	target := load.Target{
		Addr: m.server.Addr(), Protocol: step.Key.Protocol,
		Requests: step.Workload.Requests, ByClients: step.Workload.ByClients(),
	}
	clients, connected, err := m.campaign.Connect(ctx, step, target)
	fillConnect(m.repeat, connected)
	if err != nil {
		if connected != nil {
			m.repeat.FailureKind = connected.Kind
		}
		return err
	}
	m.clients = clients
	m.repeat.Generator.Shards = clients.Shards()
	if many, ok := clients.(interface{ Processes() int }); ok {
		m.repeat.Generator.Processes = many.Processes()
	}
	return nil
}

// drive runs the load, and the fault if the step has one, and records what was
// measured.
func (m *measurement) drive(ctx context.Context, work load.Work) error {
	r := m.repeat
	m.observer.clients = m.clients
	hooks := m.observer.hooks()
	if f := m.step.Experiment.Fault; f != nil {
		r.Fault = &result.Fault{Kind: f.Kind}
		in := &fault.Injector{Target: m.server, Fault: f, Record: r.Fault}
		hooks = in.Hooks(ctx, hooks, m.clients.Established)
	}
	hooks.Progress = m.progress
	var err error
	if m.window, err = m.clients.Run(ctx, work, hooks); m.window != nil {
		fill(r, m.window, m.step)
		r.Count = count(m.window)
		if r.Fault != nil {
			fault.Observe(r.Fault, m.window)
		}
	}
	select {
	case <-m.server.Exited():
		if r.Fault != nil {
			m.downed = true
			return err
		}
		// The errors of the clients are only consequences of this.
		return errors.New("the server ended while it was measured")
	default:
	}
	return err
}

// judgeMemory looks whether the memory of the server's box has ended the repeat. What the
// clients saw of it, such as refused connections, is only a consequence.
func (m *measurement) judgeMemory() {
	r := m.repeat
	if m.server != nil {
		if err := m.observer.boxAtEnd(); err != nil {
			m.warn(err.Error())
		}
	}
	if r.Box == nil || r.Fault != nil { // a fault may be meant to do this
		return
	}
	if r.Box.By == result.ByAccount {
		m.warn(fmt.Sprintf("the box %v was kept by account: %s", r.Box.Limits, r.Box.Why))
	}
	if end := r.Box.OutOfMemory(); end != "" {
		r.Failure, r.FailureKind, m.downed = end, result.OutOfMemory, true
	} else if full := r.Box.Full(); full != "" && r.Failure != "" {
		r.Failure += "; " + full
		r.FailureKind = cmp.Or(r.FailureKind, result.OutOfMemory)
	}
}

// progress reports a second of the window.
func (m *measurement) progress(n int, s *load.Interval) {
	ev := m.event
	ev.Second = &Progress{
		N: n, Requests: s.Service.TotalCount(), Errored: s.Errored,
		P99Sec: float64(s.Service.ValueAtQuantile(99)) / float64(time.Second),
	}
	if s.Response != nil {
		ev.Second.ResponseP99Sec = float64(s.Response.ValueAtQuantile(99)) / float64(time.Second)
	}
	m.campaign.notify(ev)
}

// warn records a warning and reports it.
func (m *measurement) warn(warning string) {
	m.repeat.Warnings = append(m.repeat.Warnings, warning)
	ev := m.event
	ev.Warning = warning
	m.campaign.notify(ev)
}

// stop closes the clients' connections and ends the server.
func (m *measurement) stop() {
	if m.server == nil {
		return
	}
	if m.clients != nil {
		if err := m.clients.Close(); err != nil { // a process left behind would take CPU time from the next repeat
			m.warn("close the clients: " + err.Error())
		}
	}
	stop := m.server.Stop
	if !m.cancelKill() {
		stop = m.server.Kill // again, to wait for the server's end
	}
	// A server that was ended in the window has not broken the contract.
	if err := stop(); err != nil && !m.downed {
		m.warn(err.Error())
	}
}
