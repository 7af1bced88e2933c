package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/launch"
	"github.com/tierbench/tierbench/loadtest/load"
)

// A Spec describes a fleet.
type Spec struct {
	Link      Link
	Argv      []string // starts a generator process; its environment says how to connect (EnvURL, …)
	Processes int      // of the generator; at most one per client
	// Shards is the total number of shards. Each generator process has at least one.
	Shards  int
	Version string      // of the program; the generator processes must have the same
	CPUs    host.CPUSet // to run on; those of this process if empty
	// AllowRemote lets the target be another host.
	AllowRemote bool
	Timing
}

// A Fleet is the clients of many generator processes.
type Fleet struct {
	spec    Spec
	job     string
	conn    *nats.Conn
	members []*member
	clients int
	active  int
	monitor sync.WaitGroup
	asking  sync.Mutex // held while the members are asked for their usage
	showing sync.Mutex // held while progress is called

	over   chan struct{} // closed by Close
	failed chan struct{} // closed once failure is set

	mu       sync.Mutex
	failure  error
	changed  chan struct{} // closed and replaced when any of the fields below changes
	closing  bool
	asked    int64 // how often usage was asked for
	progress func(int, *load.Interval)
	shown    int              // how many intervals were passed to progress
	ran      bool             // Run has returned; later reports do not count
	sums     []*load.Interval // over all members
}

// A member is one generator process, as the coordinator knows it.
type member struct {
	name  string // in errors
	part  Part
	first int // number of active clients of the members before it
	group *launch.Group

	// Guarded by the fleet's mu.
	silent      int // heartbeats without a report
	stage       int // the last one it reported, of stages
	connected   *load.Connected
	shards      int
	sent        sums
	answers     int64
	reported    int64 // the number of its last report of usage
	established int   // connections, from that report
	cpu         float64
	window      *load.Window
	complete    bool // all its intervals have arrived
}

// defaultConnectRate is the same as that of package attack. The fleet needs it to divide
// it among the members.
const defaultConnectRate = 5000

// lead is how far in the future the start is set, so that all members know it in time.
const lead = 100 * time.Millisecond

// Connect starts the generator processes and lets each connect its part of the
// population. It describes the connects even if it fails. If it fails, no process is left.
func Connect(ctx context.Context, spec Spec, target load.Target, p load.Population) (*Fleet, *load.Connected, error) {
	spec.Timing = spec.Timing.withDefaults()
	spec.Processes = max(1, min(spec.Processes, p.Clients))
	how := &load.Connected{Histogram: load.NewHistogram()}
	conn, err := spec.Link.Dial("tierbench coordinator")
	if err != nil {
		return nil, how, err
	}
	f := &Fleet{
		spec: spec, job: nuid.Next(), conn: conn, clients: p.Clients, active: p.Active,
		over: make(chan struct{}), failed: make(chan struct{}), changed: make(chan struct{}),
	}
	if f.active == 0 {
		f.active = p.Clients
	}
	err = f.connect(ctx, target, p)
	f.mu.Lock()
	for _, m := range f.members {
		how.Add(m.connected)
	}
	f.mu.Unlock()
	if err != nil {
		f.fail(err) // so that Close does not wait for the processes to end
		return nil, how, errors.Join(err, f.Close())
	}
	return f, how, nil
}

func (f *Fleet) connect(ctx context.Context, target load.Target, p load.Population) error {
	f.share(target, p) // before the subscription, because receive reads the members
	if _, err := f.conn.Subscribe(reports(f.job), f.receive); err != nil {
		return fmt.Errorf("listen to the generator processes: %w", err)
	}
	if err := f.conn.Flush(); err != nil {
		return fmt.Errorf("listen to the generator processes: %w", err)
	}
	for i, m := range f.members {
		group, err := launch.StartGroup(f.spec.Argv, f.spec.Link.env(f.job, i+1), f.spec.CPUs, nil)
		if err != nil {
			return fmt.Errorf("start %s: %w", m.name, err)
		}
		f.mu.Lock()
		m.group = group
		m.name += fmt.Sprintf(" (pid %d)", group.Tree().PGID)
		f.mu.Unlock()
		f.monitor.Go(func() {
			select {
			case <-f.over:
			case <-group.Exited():
				f.fail(fmt.Errorf("%s exited unexpectedly: %w", m.name, group.Ended()))
			}
		})
	}
	f.monitor.Go(f.watch)
	if err := f.await(ctx, isUp, f.spec.Grace); err != nil {
		return err
	}
	for i, m := range f.members {
		if err := f.send(i, order{Kind: toConnect, Part: &m.part}); err != nil {
			return err
		}
	}
	// Wait as long as the connect rate needs, and allow for the clients' own timeout.
	ramp := time.Duration(float64(p.Clients) / rateOf(p) * float64(time.Second))
	return f.await(ctx, isConnected, ramp+f.spec.Grace)
}

func rateOf(p load.Population) float64 {
	if p.ConnectRate == 0 {
		return defaultConnectRate
	}
	return p.ConnectRate
}

// share divides the population among the members. The parts are consecutive. The same
// clients are active as in a single generator.
func (f *Fleet) share(target load.Target, p load.Population) {
	n, first := f.spec.Processes, 0
	for i := range n {
		m := &member{name: fmt.Sprintf("generator process %d of %d", i+1, n)}
		clients := p.Clients / n
		if i < p.Clients%n {
			clients++
		}
		before := func(k int) int { return k * f.active / p.Clients }
		part := p
		part.Clients, part.First = clients, p.First+first
		part.ConnectRate = rateOf(p) * float64(clients) / float64(p.Clients)
		m.first = before(first)
		if part.Active = before(first+clients) - m.first; part.Active <= 0 {
			part.Active = -1 // 0 would mean all
		}
		shards := f.spec.Shards / n
		if i < f.spec.Shards%n {
			shards++
		}
		// Requests that have clients of their own are divided as well.
		own := target.Part(m.first, max(part.Active, 0), f.active)
		m.part = Part{Target: own, Population: part, Shards: max(1, shards), AllowRemote: f.spec.AllowRemote}
		f.members = append(f.members, m)
		first += clients
	}
}

// send sends an order to one member, or to all if i is negative.
func (f *Fleet) send(i int, o order) error {
	subject := orders(f.job)
	if i >= 0 {
		subject = ordersOf(f.job, i+1)
	}
	if err := publish(f.conn, subject, &o); err != nil {
		err = fmt.Errorf("send the generator processes the order %s: %w", o.Kind, err)
		f.fail(err)
		return err
	}
	return nil
}

func (f *Fleet) all(o order) error { return f.send(-1, o) }

// fail records the first failure.
func (f *Fleet) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure == nil && !f.closing {
		f.failure = err
		close(f.failed)
	}
}

// change wakes all that wait for a change. The caller holds mu.
func (f *Fleet) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// watch sends heartbeats, and fails the fleet if a member sends none.
func (f *Fleet) watch() {
	beat := time.NewTicker(f.spec.Heartbeat)
	defer beat.Stop()
	lost := f.conn.StatusChanged(nats.CLOSED)
	for {
		select {
		case <-f.over:
			return
		case <-lost:
			f.fail(errors.New("the connection to NATS is lost"))
			return
		case <-beat.C:
		}
		if f.all(order{Kind: alive}) != nil {
			return
		}
		var dead string
		f.mu.Lock()
		for _, m := range f.members {
			// The wait for a process to start has its own timeout.
			if m.stage > 0 {
				m.silent++
			}
			if m.silent > f.spec.beats() && dead == "" {
				dead = m.name
			}
		}
		f.mu.Unlock()
		if dead != "" {
			f.fail(fmt.Errorf("%s has been silent for %v", dead, f.spec.DeadAfter))
			return
		}
	}
}

// receive handles a report. NATS calls it for one report at a time.
func (f *Fleet) receive(msg *nats.Msg) {
	var r report
	if err := decode(msg.Data, &r); err != nil {
		f.fail(fmt.Errorf("read a generator process's report: %w", err))
		return
	}
	if r.Number < 1 || r.Number > len(f.members) {
		f.fail(fmt.Errorf("a report came from generator process number %d, but there are only %d", r.Number, len(f.members)))
		return
	}
	m := f.members[r.Number-1]
	f.mu.Lock()
	m.silent = 0
	err := f.take(m, &r)
	if err != nil {
		err = fmt.Errorf("%s %w", m.name, err)
	}
	f.mu.Unlock()
	if err != nil {
		f.fail(err)
		return
	}
	f.show()
	if stage := stages[r.Kind]; stage > 0 {
		f.mu.Lock()
		m.stage = stage
		f.change()
		f.mu.Unlock()
	}
}

// take records the content of a report. The error says what is wrong with the member.
func (f *Fleet) take(m *member, r *report) error {
	if stage := stages[r.Kind]; stage > 0 && r.Err == "" && stage != m.stage+1 {
		return fmt.Errorf("reported %s out of order", r.Kind)
	}
	switch r.Kind {
	case alive:
		return nil
	case isUp:
		switch h := r.Hello; {
		case h == nil:
			return errors.New("did not report its version")
		case h.Protocol != protocol || h.Version != f.spec.Version:
			return fmt.Errorf("has version %q, protocol %d, but its coordinator has version %q, protocol %d; use the same program on all hosts",
				h.Version, h.Protocol, f.spec.Version, protocol)
		}
	case isConnected:
		m.connected, m.shards = r.Connected, r.Shards
		if r.Err != "" {
			return errors.New("cannot connect: " + r.Err)
		}
	case counted:
		if f.ran {
			return nil
		}
		if r.Interval == nil || r.Interval.Service == nil || r.N != int64(m.sent.Intervals) {
			return fmt.Errorf("sent second %[2]d of its window after %[1]d seconds; the seconds must follow each other", m.sent.Intervals, r.N)
		}
		m.sent.add(r.Interval)
		if int(r.N) == len(f.sums) {
			f.sums = append(f.sums, &load.Interval{Service: load.NewHistogram()})
		}
		f.sums[r.N].Add(r.Interval)
	case answers:
		m.answers = r.N
		f.change()
	case usage:
		if r.Err != "" {
			return errors.New("cannot read its usage: " + r.Err)
		}
		m.reported, m.established, m.cpu = r.N, r.Established, r.CPUSec
		f.change()
	case isDone:
		if r.Err != "" {
			return errors.New("failed: " + r.Err)
		}
		// The member may also have sent an empty interval that its window does not count.
		s := r.Sums
		if r.Window == nil || s == nil || s.Intervals > m.sent.Intervals || s.Requests != m.sent.Requests || s.Errored != m.sent.Errored {
			return fmt.Errorf("sent intervals that do not add up to its window: window %+v, sent %+v", r.Sums, m.sent)
		}
		m.window, m.complete = r.Window, true
	}
	return nil
}

// show passes the complete intervals to progress: those that no member will add to.
func (f *Fleet) show() {
	f.showing.Lock()
	defer f.showing.Unlock()
	for {
		f.mu.Lock()
		n, progress := f.shown, f.progress
		whole := !f.ran && n < len(f.sums) && !slices.ContainsFunc(f.members, func(m *member) bool {
			return !m.complete && m.sent.Intervals <= n
		})
		if whole {
			f.shown++
		}
		f.mu.Unlock()
		if !whole {
			return
		}
		if progress != nil {
			progress(n, f.sums[n])
		}
	}
}

// await waits until all members have reported a stage.
func (f *Fleet) await(ctx context.Context, until kind, atMost time.Duration) error {
	stage := stages[until]
	return f.wait(ctx, atMost, string(until), func(m *member) bool { return m.stage >= stage })
}

// wait waits until a condition is true for all members. If it is not true in time, the
// fleet fails, and the failure names a member for which it is not.
func (f *Fleet) wait(ctx context.Context, atMost time.Duration, state string, is func(*member) bool) error {
	late := time.NewTimer(atMost)
	defer late.Stop()
	for {
		f.mu.Lock()
		i := slices.IndexFunc(f.members, func(m *member) bool { return !is(m) })
		changed, failure := f.changed, f.failure
		f.mu.Unlock()
		switch {
		case failure != nil:
			return failure
		case i < 0:
			return nil
		}
		select {
		case <-changed:
		case <-f.failed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			f.fail(fmt.Errorf("%s is not %s after %v", f.members[i].name, state, atMost))
		}
	}
}

// Processes returns the number of generator processes.
func (f *Fleet) Processes() int { return len(f.members) }

// Shards returns the number of shards of all generator processes.
func (f *Fleet) Shards() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		n += m.shards
	}
	return n
}

// usage asks all members for their usage and adds it up. If the fleet has failed, which
// Run reports, it returns the last known values.
func (f *Fleet) usage() (established int, cpu float64) {
	f.asking.Lock()
	defer f.asking.Unlock()
	f.mu.Lock()
	f.asked++
	n := f.asked
	f.mu.Unlock()
	if f.all(order{Kind: toReport, N: n}) == nil {
		_ = f.wait(context.Background(), f.spec.Grace, "reporting its usage", func(m *member) bool { return m.reported >= n })
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		established += m.established
		cpu += m.cpu
	}
	return established, cpu
}

// Established returns the number of connections that have not failed.
func (f *Fleet) Established() int {
	established, _ := f.usage()
	return established
}

// CPU returns the CPU time of the generator processes and of this process, which is part
// of the generator, in seconds.
func (f *Fleet) CPU() (float64, error) {
	own, err := host.OwnCPU()
	if err != nil {
		return 0, err
	}
	_, cpu := f.usage()
	return own + cpu, nil
}

// endTimeout is how long a generator process that has not failed may take to end.
const endTimeout = 2 * time.Second

// Close ends the generator processes, and with them the clients' connections. It leaves
// no process behind.
func (f *Fleet) Close() error {
	f.mu.Lock()
	if f.closing {
		f.mu.Unlock()
		return nil
	}
	f.closing = true
	well := f.failure == nil
	f.mu.Unlock()
	close(f.over)
	f.monitor.Wait()
	patience := time.NewTimer(endTimeout)
	defer patience.Stop()
	if well && publish(f.conn, orders(f.job), &order{Kind: toEnd}) == nil && f.conn.Flush() == nil {
		for _, m := range f.members {
			select {
			case <-m.group.Exited():
				continue
			case <-patience.C:
			}
			break // the time is over for the others as well
		}
	}
	errs := make([]error, len(f.members))
	var killing sync.WaitGroup
	for i, m := range f.members {
		if m.group != nil {
			killing.Go(func() { errs[i] = m.group.Kill() })
		}
	}
	killing.Wait()
	f.conn.Close()
	return errors.Join(errs...)
}
