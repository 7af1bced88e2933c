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

// A Spec says what a fleet is made of.
type Spec struct {
	Link      Link
	Argv      []string // starts a generator process, which finds in its environment where it belongs (EnvURL, …)
	Processes int      // of the generator; at most as many as there are clients
	// Shards share the clients in all. Each generator process has one at least.
	Shards  int
	Version string      // of the program, which the generator processes must have too
	CPUs    host.CPUSet // to run on; those of this process when empty
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
	asking  sync.Mutex // by one at a time, what the members use
	showing sync.Mutex // held while progress is called

	over   chan struct{} // closed with the fleet
	failed chan struct{} // closed once failure is set

	mu       sync.Mutex
	failure  error
	changed  chan struct{} // closed, and made anew, when anything below changes
	closing  bool
	told     int64 // usage, the last time it was asked for
	progress func(int, *load.Interval)
	shown    int              // intervals that progress was told
	ran      bool             // Run has returned what there was
	sums     []*load.Interval // over all members
}

// A member is one generator process as the fleet sees it.
type member struct {
	name  string // in errors
	part  Part
	first int // active clients before its own
	group *launch.Group

	// Under the fleet's lock.
	silent    int // heartbeats
	stage     int // of stages
	connected *load.Connected
	shards    int
	sent      sums
	answers   int64
	told      int64 // which time it told its usage
	held      int   // connections, as it told
	cpu       float64
	window    *load.Window
	complete  bool // all its intervals are there
}

// defaultConnectRate is what attack's is: it is shared out here.
const defaultConnectRate = 5000

// lead is how far ahead the beginning is set, for all to hear of it.
const lead = 100 * time.Millisecond

// Connect starts the generator processes and has them connect, each with its part of the
// population. What is known of the connecting is returned in any case. On
// failure nothing is left.
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
		f.fail(err) // nobody is waited for
		return nil, how, errors.Join(err, f.Close())
	}
	return f, how, nil
}

func (f *Fleet) connect(ctx context.Context, target load.Target, p load.Population) error {
	f.share(target, p) // before anybody is heard: hear reads the members
	if _, err := f.conn.Subscribe(reports(f.job), f.hear); err != nil {
		return fmt.Errorf("listen to the generator processes: %w", err)
	}
	if err := f.conn.Flush(); err != nil {
		return fmt.Errorf("listen to the generator processes: %w", err)
	}
	for i, m := range f.members {
		group, err := launch.StartGroup(f.spec.Argv, f.spec.Link.env(f.job, i+1), f.spec.CPUs)
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
				f.fail(fmt.Errorf("%s is gone: %w", m.name, group.Ended()))
			}
		})
	}
	f.monitor.Go(f.watch)
	if err := f.await(ctx, isUp, f.spec.Grace); err != nil {
		return err
	}
	for i, m := range f.members {
		if err := f.tell(i, order{What: toConnect, Part: &m.part}); err != nil {
			return err
		}
	}
	// As long as the slowest connect rate needs, and whatever the clients' own
	// bound on it is.
	ramp := time.Duration(float64(p.Clients) / rateOf(p) * float64(time.Second))
	return f.await(ctx, isConnected, ramp+f.spec.Grace)
}

func rateOf(p load.Population) float64 {
	if p.ConnectRate == 0 {
		return defaultConnectRate
	}
	return p.ConnectRate
}

// share gives each member its part. The parts follow each other, and so do the
// active clients of each: number i of n is active as in one generator.
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
			part.Active = -1 // 0 is all
		}
		shards := f.spec.Shards / n
		if i < f.spec.Shards%n {
			shards++
		}
		// Requests that have clients of their own are shared out as well.
		own := target.Part(m.first, max(part.Active, 0), f.active)
		m.part = Part{Target: own, Population: part, Shards: max(1, shards), AllowRemote: f.spec.AllowRemote}
		f.members = append(f.members, m)
		first += clients
	}
}

// tell gives an order to one member, or to all if i is negative.
func (f *Fleet) tell(i int, o order) error {
	subject := orders(f.job)
	if i >= 0 {
		subject = ordersOf(f.job, i+1)
	}
	if err := publish(f.conn, subject, &o); err != nil {
		err = fmt.Errorf("tell the generator processes to %s: %w", o.What, err)
		f.fail(err)
		return err
	}
	return nil
}

func (f *Fleet) all(o order) error { return f.tell(-1, o) }

// fail notes the first thing that goes wrong.
func (f *Fleet) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure == nil && !f.closing {
		f.failure = err
		close(f.failed)
	}
}

// change tells those that wait that there is something to look at. The lock is
// held.
func (f *Fleet) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// watch sends heartbeats, and finds those who send none.
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
		if f.all(order{What: alive}) != nil {
			return
		}
		var dead string
		f.mu.Lock()
		for _, m := range f.members {
			// One that starts has its own bound.
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

// hear takes a report. It is called for one after the other.
func (f *Fleet) hear(msg *nats.Msg) {
	var r report
	if err := decode(msg.Data, &r); err != nil {
		f.fail(fmt.Errorf("read a generator process's report: %w", err))
		return
	}
	if r.Number < 1 || r.Number > len(f.members) {
		f.fail(fmt.Errorf("a generator process calls itself number %d of %d", r.Number, len(f.members)))
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
	if stage := stages[r.What]; stage > 0 {
		f.mu.Lock()
		m.stage = stage
		f.change()
		f.mu.Unlock()
	}
}

// take notes what a report says. An error is what is wrong with the member.
func (f *Fleet) take(m *member, r *report) error {
	if stage := stages[r.What]; stage > 0 && r.Err == "" && stage != m.stage+1 {
		return fmt.Errorf("disagrees: it says that it is %s, out of turn", r.What)
	}
	switch r.What {
	case alive:
		return nil
	case isUp:
		switch h := r.Hello; {
		case h == nil:
			return errors.New("disagrees: it does not say who it is")
		case h.Protocol != protocol || h.Version != f.spec.Version:
			return fmt.Errorf("disagrees: it is of version %q, protocol %d, and its coordinator of version %q, protocol %d",
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
			return fmt.Errorf("disagrees: after %d seconds it sends number %d", m.sent.Intervals, r.N)
		}
		m.sent.add(r.Interval)
		if int(r.N) == len(f.sums) {
			f.sums = append(f.sums, &load.Interval{Service: load.NewHistogram()})
		}
		f.sums[r.N].Add(r.Interval)
	case answers:
		m.answers = r.N
		f.change()
	case tells:
		if r.Err != "" {
			return errors.New("cannot tell what it uses: " + r.Err)
		}
		m.told, m.held, m.cpu = r.N, r.Established, r.CPUSec
		f.change()
	case isDone:
		if r.Err != "" {
			return errors.New("has failed: " + r.Err)
		}
		// A second in which nothing happened may have been sent as well.
		s := r.Sums
		if r.Window == nil || s == nil || s.Intervals > m.sent.Intervals || s.Requests != m.sent.Requests || s.Errored != m.sent.Errored {
			return fmt.Errorf("disagrees: its window has %+v, and it has sent %+v", r.Sums, m.sent)
		}
		m.window, m.complete = r.Window, true
	}
	return nil
}

// show passes on the intervals to which no member will add any more.
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

// await waits until all members have come to a stage.
func (f *Fleet) await(ctx context.Context, until what, atMost time.Duration) error {
	stage := stages[until]
	return f.wait(ctx, atMost, string(until), func(m *member) bool { return m.stage >= stage })
}

// wait waits until something is true of all members. Whoever it is not true of
// in time has failed.
func (f *Fleet) wait(ctx context.Context, atMost time.Duration, what string, is func(*member) bool) error {
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
			f.fail(fmt.Errorf("%s is not %s after %v", f.members[i].name, what, atMost))
		}
	}
}

// Processes is how many generator processes there are.
func (f *Fleet) Processes() int { return len(f.members) }

// Shards is how many shards share the clients, in all processes.
func (f *Fleet) Shards() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		n += m.shards
	}
	return n
}

// usage asks all members for theirs. Of a fleet that has failed, which Run
// says, it is the last that is known.
func (f *Fleet) usage() (held int, cpu float64) {
	f.asking.Lock()
	defer f.asking.Unlock()
	f.mu.Lock()
	f.told++
	n := f.told
	f.mu.Unlock()
	if f.all(order{What: toTell, N: n}) == nil {
		_ = f.wait(context.Background(), f.spec.Grace, "telling what it uses", func(m *member) bool { return m.told >= n })
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		held += m.held
		cpu += m.cpu
	}
	return held, cpu
}

// Established is the number of connections on which nothing has failed.
func (f *Fleet) Established() int {
	held, _ := f.usage()
	return held
}

// CPU is the time that the generator processes have used and this process, which is a part
// of the generator too, in seconds.
func (f *Fleet) CPU() (float64, error) {
	own, err := host.OwnCPU()
	if err != nil {
		return 0, err
	}
	_, cpu := f.usage()
	return own + cpu, nil
}

// endTimeout is how long a generator process that is well may take to end.
const endTimeout = 2 * time.Second

// Close ends the generator processes, and with them the connections. None is left.
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
	if well && publish(f.conn, orders(f.job), &order{What: toEnd}) == nil && f.conn.Flush() == nil {
		for _, m := range f.members {
			select {
			case <-m.group.Exited():
				continue
			case <-patience.C:
			}
			break // the others have had their time as well
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
