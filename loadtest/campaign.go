// Package loadtest is the campaign: it takes a plan, and for each step starts
// a fresh server, opens its clients, measures, judges and saves. What starts a
// server and what makes the load it knows only by small interfaces.
package loadtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/tierbench/tierbench/loadtest/fault"
	"github.com/tierbench/tierbench/loadtest/gate"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Server was started for one repeat and is ready.
type Server interface {
	// CPU is the time its processes have used, in seconds, and when it was read:
	// on a busy machine that is not when it returns.
	CPU() (user, sys float64, at time.Time, err error)
	Usage() (result.Usage, error)
	CtxSwitches() (int64, error)
	Connections() (Connections, error)
	// Exited is closed when the server has ended.
	Exited() <-chan struct{}
	// Stop ends it by the contract, Kill at once, from any goroutine and more
	// than once. An error of Stop says how it broke the contract. Neither leaves
	// anything of it.
	Stop() error
	Kill() error
	fault.Target
}

// Connections are the established ones on a server's side.
type Connections struct {
	Established int
	PerProcess  []int // that each process of the server holds, largest first
	SocketBytes int64 // the kernel's, for these and for those that listen
}

// Clients are connections to a server.
type Clients interface {
	// Run is called once.
	Run(context.Context, load.Work, load.Hooks) (*load.Window, error)
	Established() int
	Shards() int
	// CPU is the time that their processes have used, in seconds.
	CPU() (float64, error)
	Close() error
}

// Counters are what a machine has counted since it started.
type Counters struct {
	Trouble   result.Trouble
	TimeWait  int64        // now
	StolenSec float64      // of all cores
	Processes []ProcessCPU // but for those of the benchmark
}

// ProcessCPU is the CPU time of a process since it started.
type ProcessCPU struct {
	PID  int
	Name string
	Sec  float64
}

// A Campaign measures the steps of a plan, one after the other.
type Campaign struct {
	RunID    string
	Plan     *plan.Plan
	Counters func() (Counters, error)
	// CPUs are those that a step's server and generator are bound to.
	CPUs func(plan.Step) (result.CPUs, error)
	// Start starts the server of a step.
	Start func(context.Context, plan.Step) (Server, error)
	// Connect opens a step's clients. What is known of the connecting is returned
	// in any case.
	Connect func(context.Context, plan.Step, load.Target) (Clients, *load.Connected, error)
	// Ceiling is the most that the step's generator can do, in requests a second;
	// 0 if that cannot be told. Nil is: it is not asked.
	Ceiling func(context.Context, plan.Step) (float64, error)
	// Save keeps a repeat. It is called for each, whatever its verdict.
	Save func(*result.Repeat, []result.Second, *load.Window, Clients) error
	// Earlier are the repeats that an earlier part of the run measured. They are
	// not measured again.
	Earlier []result.Repeat
	// Watch is told what happens. Nil is: nobody.
	Watch func(Event)

	throughput map[result.Key][]float64 // of repeats that are not invalid
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
	Second  *Progress      // what happened in a second of a step that goes on
}

// Progress is what the generator counted in a second of a window.
type Progress struct {
	N        int // from 0
	Requests int64
	Errored  int64
	P99Sec   float64 // service time
}

// seriesThreads is up to how many threads the context switches are read each
// second. A reading costs about 10 µs a thread, on the cores under test.
const seriesThreads = 1000

// othersFrom is from how much of a core on a process is noted that ran beside
// the benchmark.
const othersFrom = 0.01

// Run measures until the plan is done or ctx is. It returns the error of ctx
// then, after the repeat under way was saved as interrupted.
func (c *Campaign) Run(ctx context.Context) error {
	type id struct {
		result.Key
		repeat int
	}
	done := map[id]bool{}
	c.throughput = map[result.Key][]float64{}
	for i := range c.Earlier {
		r := &c.Earlier[i]
		if r.Failure != Interrupted {
			done[id{r.Key, r.Repeat}] = true
			c.learn(r)
		}
	}
	var steps []plan.Step
	all := c.Plan.Steps()
	for _, s := range all {
		if !done[id{s.Key, s.Repeat}] {
			steps = append(steps, s)
		}
	}
	begin := time.Now()
	for i, step := range steps {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		ev := Event{Step: step, N: len(all) - len(steps) + i + 1, Total: len(all), Left: left(begin, steps, i)}
		c.tell(ev)
		r, err := c.measure(ctx, step, ev)
		if err != nil {
			return fmt.Errorf("save repeat: %w", err)
		}
		c.learn(r)
		ev.Repeat, ev.Left = r, left(begin, steps, i+1)
		c.tell(ev)
	}
	return context.Cause(ctx)
}

func (c *Campaign) tell(ev Event) {
	if c.Watch != nil {
		c.Watch(ev)
	}
}

// left estimates the time to the end from how long the steps took that were
// done, beside what was expected of them.
func left(begin time.Time, steps []plan.Step, done int) time.Duration {
	var before, after time.Duration
	for i, s := range steps {
		if i < done {
			before += s.Estimate()
		} else {
			after += s.Estimate()
		}
	}
	if before > 0 {
		after = time.Duration(float64(after) * float64(time.Since(begin)) / float64(before))
	}
	return after
}

// learn notes the throughput of a repeat, for the open loop of its cell.
func (c *Campaign) learn(r *result.Repeat) {
	if r.Gates.Verdict != result.Invalid && r.Loop == result.Closed {
		c.throughput[r.Key] = append(c.throughput[r.Key], r.ThroughputRPS)
	}
}

// capacity is the median throughput of a cell's closed loop so far.
func (c *Campaign) capacity(k result.Key) float64 {
	all := slices.Sorted(slices.Values(c.throughput[k]))
	n := len(all)
	if n == 0 {
		return 0
	}
	return (all[(n-1)/2] + all[n/2]) / 2
}

// measure makes one repeat and saves it. All that goes wrong is in the repeat,
// but for what goes wrong with saving.
func (c *Campaign) measure(ctx context.Context, step plan.Step, ev Event) (*result.Repeat, error) {
	r := &result.Repeat{
		Run: c.RunID, Key: step.Key, Repeat: step.Repeat, Started: time.Now().UTC(),
		PerRequest: step.PerRequest(), Generator: result.Generator{Name: step.Generator},
	}
	m := &measurement{campaign: c, step: step, repeat: r, event: ev}
	err := m.run(ctx)
	if err != nil {
		r.Failure = err.Error()
	}
	if ctx.Err() != nil {
		r.Failure = Interrupted
	}
	m.stop()
	r.Gates = gate.Judge(r)
	return r, c.Save(r, m.observer.series(m.window), m.window, m.clients)
}

// A measurement is a repeat under way.
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
	fell       bool // the server has ended of a fault
}

func (m *measurement) warn(warning string) {
	m.repeat.Warnings = append(m.repeat.Warnings, warning)
	ev := m.event
	ev.Warning = warning
	m.campaign.tell(ev)
}

// run starts the server, connects and measures. What it returns is the failure
// of the repeat.
func (m *measurement) run(ctx context.Context) (err error) {
	c, r, step := m.campaign, m.repeat, m.step
	m.observer = observer{ctx: ctx, counters: c.Counters, repeat: r}
	if r.CPUs, err = c.CPUs(step); err != nil {
		return err
	}
	if c.Ceiling != nil && step.Key.Loop == result.Closed && step.Key.Workload != result.Idle {
		if r.Generator.CeilingRPS, err = c.Ceiling(ctx, step); err != nil {
			m.warn(fmt.Sprintf("the generator's ceiling is not known: %v", err))
		}
	}
	capacity := c.capacity(step.Closed())
	if step.Key.Loop == result.Open && step.Experiment.Rate.Capacity > 0 && capacity == 0 {
		return fmt.Errorf("the rate is %v of the closed loop's throughput, of which nothing valid is known", step.Experiment.Rate)
	}
	work := step.Work(capacity)
	r.AskedSec, r.WarmupSec, r.AskedRequests = work.Length.Seconds(), work.Warmup.Seconds(), work.Requests
	before, err := c.Counters()
	if err != nil {
		return fmt.Errorf("read the machine's counters: %w", err)
	}
	if m.server, err = c.Start(ctx, step); err != nil {
		return err
	}
	// Whoever interrupts does not wait for a drain, nor for readings of a server
	// that keeps all cores busy. Its end also ends all that waits for an answer.
	m.cancelKill = context.AfterFunc(ctx, func() { _ = m.server.Kill() })
	if r.Server.Before, err = m.server.Usage(); err != nil {
		return fmt.Errorf("read the server's usage: %w", err)
	}
	// The memory of sockets is read with them, not each second: it takes the
	// kernel a walk through all of them.
	idle, err := m.server.Connections()
	if err != nil {
		return fmt.Errorf("count connections: %w", err)
	}
	r.Server.Before.SocketBytes = idle.SocketBytes
	target := load.Target{Addr: m.server.Addr(), Protocol: step.Key.Protocol, Requests: step.Workload.Requests, ByClients: step.Workload.ByClients()}
	clients, connected, err := c.Connect(ctx, step, target)
	fillConnect(r, connected)
	if err != nil {
		return err
	}
	m.clients = clients
	r.Generator.Shards = clients.Shards()
	if many, ok := clients.(interface{ Processes() int }); ok {
		r.Generator.Processes = many.Processes()
	}
	m.observer.server, m.observer.clients, m.observer.before = m.server, clients, before
	hooks := m.observer.hooks()
	if f := step.Experiment.Fault; f != nil {
		r.Fault = &result.Fault{Kind: f.Kind}
		in := &fault.Injector{Target: m.server, Fault: f, Record: r.Fault}
		hooks = in.Hooks(ctx, hooks, clients.Established)
	}
	hooks.Progress = m.progress
	m.window, err = clients.Run(ctx, work, hooks)
	if m.window != nil {
		fill(r, m.window, step)
		r.Count = count(m.window)
		if r.Fault != nil {
			fault.Observe(r.Fault, m.window)
		}
	}
	select {
	case <-m.server.Exited():
		if r.Fault != nil {
			m.fell = true
			return err
		}
		// What the clients saw of it are only consequences.
		return errors.New("the server ended while it was measured")
	default:
	}
	return err
}

func (m *measurement) progress(n int, s *load.Interval) {
	ev := m.event
	ev.Second = &Progress{
		N: n, Requests: s.Service.TotalCount(), Errored: s.Errored,
		P99Sec: float64(s.Service.ValueAtQuantile(99)) / float64(time.Second),
	}
	m.campaign.tell(ev)
}

// stop closes the clients' connections and ends the server.
func (m *measurement) stop() {
	if m.server == nil {
		return
	}
	if m.clients != nil {
		if err := m.clients.Close(); err != nil { // processes that are left would take CPU from what comes next
			m.warn("close the clients: " + err.Error())
		}
	}
	stop := m.server.Stop
	if !m.cancelKill() {
		stop = m.server.Kill // again, to wait for its end
	}
	// How it ended when it was made to is no breach of the contract.
	if err := stop(); err != nil && !m.fell {
		m.warn(err.Error())
	}
}

func fillConnect(r *result.Repeat, c *load.Connected) {
	if c == nil {
		return
	}
	r.Connect.Sec, r.Connect.Refused = c.Sec, c.Refused
	if c.Histogram != nil {
		l := load.Latency(c.Histogram)
		r.Connect.P50Sec, r.Connect.P99Sec, r.Connect.MaxSec = l.P50, l.P99, l.Max
	}
}

// fill copies a window into a repeat.
func fill(r *result.Repeat, w *load.Window, step plan.Step) {
	all := w.Whole()
	r.Started, r.DurationSec = w.Started.UTC(), w.Length.Seconds()
	r.Requests, r.Errors, r.BytesIn, r.BytesOut = all.Service.TotalCount(), w.Errors, w.BytesIn, w.BytesOut
	r.Answered, r.Unsent = w.Answered, w.Unsent
	if r.Workload == result.Idle {
		r.Idle = r.Clients
		return
	}
	r.Idle = r.Clients - step.Population().Active
	if w.Length <= 0 {
		return
	}
	r.ThroughputRPS = float64(r.Requests) / w.Length.Seconds()
	r.Service = load.Latency(all.Service)
	r.CarriedSec = w.Carried.Seconds()
	if all.Response != nil {
		response := load.Latency(all.Response)
		r.Response = &response
		r.RateRPS = float64(w.Due) / w.Length.Seconds()
		r.Generator.SendLagP99Sec = load.Latency(all.Lag).P99
	}
	for _, k := range w.Mix {
		kind := result.MixPart{Workload: k.Name, Clients: k.Clients, Requests: k.Service.TotalCount(), Service: load.Latency(k.Service)}
		if k.Response != nil {
			response := load.Latency(k.Response)
			kind.Response = &response
		}
		r.Mix = append(r.Mix, kind)
	}
	if w.Connect != nil {
		connects := load.Latency(w.Connect)
		r.Connect.Window = &connects
	}
	r.Fairness = fairness(w)
	r.Drift = drift(w.Slices)
}

// count is what a counter came to; nil if nobody said so. The processes of a
// server either share one, and say the same, or have one each.
func count(w *load.Window) *result.Count {
	if len(w.Readings) == 0 {
		return nil
	}
	values := slices.Sorted(maps.Values(w.Readings))
	c := &result.Count{Increments: w.Increments, Unanswered: w.Unanswered, Value: values[len(values)-1]}
	var sum int64
	for _, v := range values {
		sum += v
	}
	// Counters of their own may have come to the same value by chance.
	same := values[0] == c.Value && (c.Value >= c.Increments || sum != c.Increments)
	if len(values) > 1 && !same {
		c.Values = values
	}
	return c
}

// fairness is Jain's index of the answers per client, of those that ask for the
// first kind: where a client has a request of its own, it gets as many answers
// as that allows.
func fairness(w *load.Window) result.Fairness {
	if w.Clients == 0 || w.Squares == 0 {
		return result.Fairness{}
	}
	n := float64(w.Clients)
	return result.Fairness{Jain: w.Sum * w.Sum / (n * w.Squares), Mean: w.Sum / n}
}

// drift fits a line through the numbers of answers in the slices of a window.
func drift(slices []int64) result.Drift {
	n := float64(len(slices))
	if n < 3 {
		return result.Drift{Slices: len(slices)}
	}
	x, y := make([]float64, len(slices)), make([]float64, len(slices))
	for i, v := range slices {
		x[i], y[i] = float64(i)-(n-1)/2, float64(v)
	}
	mean := stat.Mean(y, nil)
	if mean == 0 {
		return result.Drift{Slices: len(slices)}
	}
	intercept, slope := stat.LinearRegression(x, y, nil, false)
	var residuals, spread float64
	for i := range x {
		d := y[i] - intercept - slope*x[i]
		residuals += d * d
		spread += x[i] * x[i]
	}
	return result.Drift{
		Change: slope * n / mean, Slices: len(slices),
		StdErr: math.Sqrt(residuals/(n-2)/spread) * n / mean,
	}
}

// An observer reads the server at the hooks of a window.
type observer struct {
	ctx      context.Context // of the campaign
	server   Server
	clients  Clients
	counters func() (Counters, error)
	repeat   *result.Repeat

	at             time.Time
	before, opened Counters // when the clients began to connect, and when the window opened

	user, sys, generator float64 // CPU at the opening
	cpuAt                time.Time
	switches             int64
	samples              []sample
}

// A sample is one reading of a series.
type sample struct {
	at        time.Duration // 0 for the one at the close
	cpuAt     time.Time
	user, sys float64
	usage     result.Usage
	switches  int64 // -1: not read
	took      time.Duration
}

func (o *observer) hooks() load.Hooks {
	return load.Hooks{Open: o.open, Second: o.second, Close: o.close}
}

// open reads what takes long first and the CPU last: the window begins when
// open returns.
func (o *observer) open() (err error) {
	e := &o.repeat.Established
	connections, err := o.server.Connections()
	if err != nil {
		return fmt.Errorf("count connections: %w", err)
	}
	e.Server.Start = connections.Established
	e.Generator.Start = o.clients.Established()
	if o.switches, err = o.server.CtxSwitches(); err != nil {
		return fmt.Errorf("read context switches: %w", err)
	}
	if o.opened, err = o.counters(); err != nil {
		return fmt.Errorf("read the machine's counters: %w", err)
	}
	if o.user, o.sys, o.cpuAt, err = o.server.CPU(); err != nil {
		return fmt.Errorf("read the server's CPU time: %w", err)
	}
	if o.generator, err = o.clients.CPU(); err != nil {
		return fmt.Errorf("read the generator's CPU time: %w", err)
	}
	o.at = time.Now()
	return nil
}

// second takes one reading for the series.
func (o *observer) second(at time.Duration) (err error) {
	begin := time.Now()
	s := sample{at: at, switches: -1}
	if s.user, s.sys, s.cpuAt, err = o.server.CPU(); err != nil {
		return fmt.Errorf("read the server's CPU time: %w", err)
	}
	if s.usage, err = o.server.Usage(); err != nil {
		return fmt.Errorf("read the server's usage: %w", err)
	}
	if s.usage.Threads <= seriesThreads {
		if s.switches, err = o.server.CtxSwitches(); err != nil {
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
	generator, err2 := o.clients.CPU()
	user, sys, cpuAt, err1 := o.server.CPU()
	counters, err6 := o.counters()
	switches, err3 := o.server.CtxSwitches()
	usage, err4 := o.server.Usage()
	connections, err5 := o.server.Connections()
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return fmt.Errorf("read the server at the end of the window: %w", err)
	}
	// What processes and threads used that have ended is lost where nobody has
	// waited for them, so that there may be less than there was.
	// The load went on between the readings and the window's ends, which takes
	// long where the server keeps all cores busy: the window has its part of it.
	part := begin.Sub(o.at).Seconds() / cpuAt.Sub(o.cpuAt).Seconds()
	srv.CPUUserSec, srv.CPUSysSec = part*max(0, user-o.user), part*max(0, sys-o.sys)
	o.repeat.Generator.CPUSec = generator - o.generator
	srv.CtxSwitches = max(0, switches-o.switches)
	srv.Usage, srv.SocketBytes = usage, connections.SocketBytes
	srv.ConnsPerProcess = connections.PerProcess
	o.compare(counters)
	e.Server.End, e.Generator.End = connections.Established, o.clients.Established()
	o.samples = append(o.samples, sample{cpuAt: cpuAt, user: user, sys: sys, usage: usage, switches: switches, took: time.Since(begin)})
	return nil
}

// compare says what went on beside the benchmark.
func (o *observer) compare(closed Counters) {
	since := func(a, b result.Trouble) result.Trouble {
		return result.Trouble{
			ListenOverflows: b.ListenOverflows - a.ListenOverflows, ListenDrops: b.ListenDrops - a.ListenDrops,
			SynRetransmits: b.SynRetransmits - a.SynRetransmits,
		}
	}
	o.repeat.Network = result.Network{
		Connecting: since(o.before.Trouble, o.opened.Trouble), Window: since(o.opened.Trouble, closed.Trouble),
		TimeWait: o.before.TimeWait,
	}
	o.repeat.Machine.StolenSec = closed.StolenSec - o.opened.StolenSec
	earlier := map[int]ProcessCPU{}
	for _, p := range o.opened.Processes {
		earlier[p.PID] = p
	}
	length := time.Since(o.at).Seconds()
	for _, p := range closed.Processes {
		used := p.Sec
		if e, ok := earlier[p.PID]; ok && e.Name == p.Name {
			used -= e.Sec
		}
		if cores := used / length; cores > othersFrom {
			o.repeat.Machine.Others = append(o.repeat.Machine.Others, result.Process{PID: p.PID, Name: p.Name, Cores: cores})
		}
	}
	slices.SortFunc(o.repeat.Machine.Others, func(a, b result.Process) int { return cmp.Compare(b.Cores, a.Cores) })
}

// series joins the readings with what the generator counted in each second.
func (o *observer) series(w *load.Window) []result.Second {
	if w == nil {
		return nil
	}
	var out []result.Second
	user, sys, switches, from, cpuFrom := o.user, o.sys, o.switches, time.Duration(0), o.cpuAt
	for i, s := range o.samples {
		to := s.at
		if to == 0 {
			to = w.Length
		}
		part := (to - from).Seconds() / s.cpuAt.Sub(cpuFrom).Seconds()
		line := result.Second{
			Run: o.repeat.Run, Key: o.repeat.Key, Repeat: o.repeat.Repeat,
			AtSec: to.Seconds(), IntervalSec: (to - from).Seconds(),
			CPUUserSec: part * max(0, s.user-user), CPUSysSec: part * max(0, s.sys-sys),
			Usage: s.usage, CtxSwitches: -1, SampleSec: s.took.Seconds(),
		}
		if s.switches >= 0 && switches >= 0 {
			line.CtxSwitches = max(0, s.switches-switches)
		}
		if i < len(w.Intervals) {
			part := w.Intervals[i]
			line.Requests, line.Errored = part.Service.TotalCount(), part.Errored
			service := load.Latency(part.Service)
			line.P50Sec, line.P99Sec = service.P50, service.P99
			if part.Response != nil {
				line.ResponseP99Sec = load.Latency(part.Response).P99
			}
		}
		out = append(out, line)
		user, sys, switches, from, cpuFrom = s.user, s.sys, s.switches, to, s.cpuAt
	}
	return out
}
