// Package loop is the engine of the models that wait for all connections at once: event loops, by gnet. Package eventloop
// serves with one of them, package multiloop with one for each core.
//
// What a loop must take care of, and where:
//   - a slow reader: while answers cannot be sent, its connection is not read (pause), so that what is pending stays below
//     what one read can ask for, and nobody else waits for it
//   - closing: gnet drops what is pending when it closes, so the loop waits until it has been sent, half-closes, and discards
//     what comes, or a reset could overtake the last answer (finish)
//   - timeouts: gnet has none; the loop looks at its connections now and then (tick)
//   - answers that have to be waited for: gnet's Schedule is not implemented, so the loop has a heap of what is due, and one
//     timer that wakes it (wait); meanwhile the connection is not read, so that all that a client can make the loop keep is
//     what one read has brought, and a client that closes its sending side still gets its answer
//   - blocking calls: they stall the loop, unless they are given to a pool of threads (offload)
//   - descriptors: gnet ends when accept fails for want of one, so connections are refused before (admit)
package loop

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
	"github.com/tierbench/tierbench/servers/app"
	"github.com/tierbench/tierbench/servers/listen"
	"github.com/tierbench/tierbench/servers/wire"
)

const (
	// maxPending is what a connection may have pending where its reading cannot be paused, beyond one largest answer.
	maxPending = 1 << 20

	tickEvery  = 100 * time.Millisecond
	drainEvery = 20 * time.Millisecond
)

// A loop is gnet's event handler. What has no atomic type is touched only by the event loop's own goroutine.
type loop struct {
	gnet.BuiltinEventEngine
	cfg     servers.Config
	wire    *wire.Server
	limiter *admit.Limiter
	accepts bool         // connections come to the loop itself, and not from Many
	load    atomic.Int32 // connections that Many has given to it and that have not ended
	pool    *pool        // for blocking calls; nil: they block the loop
	begin   time.Time

	engine  gnet.Engine
	booted  atomic.Bool
	ev      atomic.Pointer[gnet.EventLoop] // known from the first connection on
	ticking atomic.Bool                    // a tick is queued
	poll    poller

	now       time.Time // of the last tick
	nowStamp  stamp     // of the last tick, or of a connection since
	swept     time.Time
	drainFrom stamp // 0: not draining
	stamps    stamps
	active    []*active
	out       []byte

	waiting dues        // whose answers are due at some time
	alarm   *time.Timer // wakes the loop for the first of them; nil: never was one
	alarmAt time.Duration
}

// newLoop makes a loop beside first, if that is not nil, in one process.
func newLoop(cfg servers.Config, limiter *admit.Limiter, pool *pool, first *loop) *loop {
	var beside *wire.Server
	if first != nil {
		beside = first.wire
	}
	return &loop{
		cfg:     cfg,
		wire:    wire.NewLoop(cfg, beside),
		limiter: limiter,
		pool:    pool,
		begin:   time.Now(),
		poll:    poller{fd: -1},
		alarmAt: never,
	}
}

// active is what is kept of a connection that is not idle: a request has begun to arrive, or an answer is pending, or
// the connection is being closed. An idle connection has none.
type active struct {
	conn  gnet.Conn
	index int // in loop.active
	wire  wire.Conn

	current uint32    // wire.Started() of the request that has begun to arrive
	readBy  time.Time // its deadline

	pending int // output that could not be sent yet
	writeBy time.Time

	phase     phase
	offloaded bool // the pool does something for it
	gone      bool // the connection has ended: what was done for it in the pool is for nobody
	closeBy   time.Time

	due   time.Duration // since loop.begin, while an answer is waited for
	place int           // in loop.waiting; -1: not there
}

type phase uint8

const (
	open      phase = iota
	finishing       // the last answer is being sent; nothing is read
	lingering       // half-closed; what comes is discarded
)

func (l *loop) OnBoot(engine gnet.Engine) gnet.Action {
	l.engine = engine
	l.now = time.Now()
	l.nowStamp = 1
	l.booted.Store(true)
	if l.accepts {
		l.cfg.Listening(l.limiter.Max)
	}
	return gnet.None
}

func (l *loop) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	if l.accepts && !l.limiter.TryAcquire() {
		_ = c.SetLinger(0) // a reset, which the peer sees at once
		return nil, gnet.Close
	}
	if l.ev.Load() == nil {
		ev := c.EventLoop()
		l.ev.Store(&ev)
		if err := l.poll.find(c.Fd()); err != nil {
			l.cfg.Log.Warn().Err(err).Msg("cannot pause reading: connections with too much output pending are cut off")
		}
	}
	// The clock of the last tick may be old here: without connections there are none.
	l.nowStamp = stampAt(time.Since(l.begin))
	l.stamps.set(c.Fd(), l.nowStamp)
	return nil, gnet.None
}

func (l *loop) OnClose(c gnet.Conn, _ error) gnet.Action {
	if l.stamps.get(c.Fd()) == 0 {
		return gnet.None // it was refused
	}
	l.stamps.set(c.Fd(), 0)
	if a, ok := c.Context().(*active); ok {
		a.gone = true
		l.wire.Release(&a.wire)
		l.forget(a)
		if a.place >= 0 {
			heap.Remove(&l.waiting, a.place)
		}
	}
	l.load.Add(-1)
	l.limiter.Release()
	return gnet.None
}

func (l *loop) OnTraffic(c gnet.Conn) gnet.Action {
	// Always everything: gnet then never copies it into a buffer of its own.
	in, _ := c.Next(-1)
	fd := c.Fd()
	if l.stamps.get(fd)&halfClosed != 0 || len(in) == 0 {
		return gnet.None
	}
	a, _ := c.Context().(*active)
	var fresh wire.Conn
	conn := &fresh
	if a == nil {
		l.stamps.set(fd, l.nowStamp)
	} else {
		if a.phase != open {
			return gnet.None
		}
		conn = &a.wire
	}
	reply, next := l.wire.Feed(conn, in, l.out)
	pending, next, ok := l.answer(c, conn, reply, next)
	switch {
	case !ok:
		if a == nil {
			l.wire.Release(conn)
		}
		return gnet.None
	case a == nil && pending == 0 && next == wire.Keep && !conn.Partial():
		return gnet.None // idle again: the usual end
	}
	return l.keep(c, a, conn, pending, next)
}

// answer sends reply, and what comes of conn meanwhile: a blocking call that is not given to the pool is made here, and
// all other connections wait for its end. It returns how much could not be sent yet; ok is false when gnet has closed c.
func (l *loop) answer(c gnet.Conn, conn *wire.Conn, reply []byte, next wire.Next) (pending int, _ wire.Next, ok bool) {
	for {
		l.out = l.wire.Reuse(reply)
		if len(reply) > 0 {
			if c.OutboundBuffered() == 0 {
				reply = reply[writeNow(c.Fd(), reply):]
			}
			if len(reply) > 0 {
				if _, err := c.Write(reply); err != nil {
					return 0, next, false
				}
				pending = c.OutboundBuffered()
			}
		}
		if next != wire.Later || l.pool != nil || conn.Delay().Kind != app.Block {
			return pending, next, true
		}
		app.BlockThread(conn.Delay().Time)
		reply, next = l.wire.Resume(conn, l.out)
	}
}

// keep records what is left to do for a connection after its bytes have been answered.
func (l *loop) keep(c gnet.Conn, a *active, conn *wire.Conn, pending int, next wire.Next) gnet.Action {
	if a == nil {
		a = &active{conn: c, wire: *conn, index: len(l.active), place: -1}
		l.active = append(l.active, a)
		c.SetContext(a)
		l.stamps.set(c.Fd(), l.nowStamp|isActive)
	}
	if a.wire.Partial() && a.current != a.wire.Started() {
		a.current = a.wire.Started()
		a.readBy = time.Now().Add(l.cfg.ReadTimeout)
	}
	if pending > 0 {
		if a.pending == 0 {
			a.writeBy = time.Now().Add(l.cfg.WriteTimeout)
		}
		a.pending = pending
		if !l.pause(c) && pending > maxPending+l.cfg.Limits.BodyBytes {
			return gnet.Close
		}
	}
	switch next {
	case wire.Close:
		return l.finish(a)
	case wire.Later:
		return l.wait(a)
	}
	return l.settle(a)
}

// wait sees to it that resume is called when the answer of a is due.
func (l *loop) wait(a *active) gnet.Action {
	// What comes meanwhile stays in the socket; where pending output had gnet start to read again, wire keeps it.
	if a.conn.OutboundBuffered() == 0 && !l.poll.silence(a.conn.Fd()) && a.wire.Kept() > maxPending {
		return gnet.Close
	}
	if a.place >= 0 || a.offloaded {
		return gnet.None // it waits already
	}
	d := a.wire.Delay()
	if d.Kind == app.Block && l.pool != nil {
		a.offloaded = true
		l.pool.do(d.Time, func() { l.execute(func() { l.resume(a) }) })
		return gnet.None
	}
	a.due = time.Since(l.begin) + d.Time
	heap.Push(&l.waiting, a)
	l.setAlarm()
	return gnet.None
}

// setAlarm has the loop woken when the first answer is due. An alarm that comes too early does no harm.
func (l *loop) setAlarm() {
	if len(l.waiting) == 0 || l.waiting[0].due >= l.alarmAt {
		return
	}
	l.alarmAt = l.waiting[0].due
	d := l.alarmAt - time.Since(l.begin)
	if l.alarm == nil {
		l.alarm = time.AfterFunc(d, func() { l.execute(l.ring) })
		return
	}
	l.alarm.Reset(d)
}

// ring gives the answers that are due.
func (l *loop) ring() {
	l.alarmAt = never
	now := time.Since(l.begin)
	for len(l.waiting) > 0 && l.waiting[0].due <= now {
		l.resume(heap.Pop(&l.waiting).(*active))
	}
	l.setAlarm()
}

// resume gives the answer that a has waited for, and goes on with what was read after it.
func (l *loop) resume(a *active) {
	a.offloaded = false
	if a.gone {
		return
	}
	reply, next := l.wire.Resume(&a.wire, l.out)
	pending, next, ok := l.answer(a.conn, &a.wire, reply, next)
	if !ok {
		return
	}
	if a.conn.OutboundBuffered() == 0 && next != wire.Later {
		l.poll.listen(a.conn.Fd())
	}
	if l.keep(a.conn, a, &a.wire, pending, next) == gnet.Close {
		_ = (*l.ev.Load()).Close(a.conn)
	}
}

// never is later than any time of a loop.
const never = time.Duration(1<<63 - 1)

// dues is a heap of what is waited for: the first is due first.
type dues []*active

func (d dues) Len() int           { return len(d) }
func (d dues) Less(i, j int) bool { return d[i].due < d[j].due }
func (d dues) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

func (d *dues) Push(x any) {
	a := x.(*active)
	a.place = len(*d)
	*d = append(*d, a)
}

func (d *dues) Pop() any {
	last := len(*d) - 1
	a := (*d)[last]
	a.place = -1
	(*d)[last] = nil
	*d = (*d)[:last]
	return a
}

// settle forgets a connection that has become idle.
func (l *loop) settle(a *active) gnet.Action {
	if a.phase == open && !a.wire.Partial() && !a.wire.Waiting() && a.conn.OutboundBuffered() == 0 {
		a.conn.SetContext(nil)
		l.forget(a)
		l.stamps.set(a.conn.Fd(), l.nowStamp)
	}
	return gnet.None
}

func (l *loop) forget(a *active) {
	last := len(l.active) - 1
	l.active[a.index] = l.active[last]
	l.active[a.index].index = a.index
	l.active[last] = nil
	l.active = l.active[:last]
}

// pause stops reading from c until its pending output has been sent; then gnet itself starts it again. All that was
// read has been answered, so nothing waits, and what is pending never exceeds the answers to one read.
func (l *loop) pause(c gnet.Conn) bool { return l.poll.writeOnly(c.Fd()) }

// finish closes a connection without losing the answer that is still on its way: see servers.LingerTimeout.
func (l *loop) finish(a *active) gnet.Action {
	if a.conn.OutboundBuffered() > 0 {
		a.phase = finishing
		return gnet.None
	}
	a.phase = lingering
	a.closeBy = time.Now().Add(servers.LingerTimeout)
	if unix.Shutdown(a.conn.Fd(), unix.SHUT_WR) != nil {
		return gnet.Close
	}
	return gnet.None
}

// OnTick runs on a goroutine of its own, so it asks the loop.
func (l *loop) OnTick() (time.Duration, gnet.Action) {
	l.requestTick()
	return tickEvery, gnet.None
}

func (l *loop) requestTick() {
	if l.ev.Load() != nil && l.limiter.Open() > 0 && l.ticking.CompareAndSwap(false, true) {
		l.execute(l.tick)
	}
}

// execute runs f on the loop. There must have been a connection.
func (l *loop) execute(f func()) {
	// It fails only when the engine has stopped, and then there is nothing to run it for.
	_ = (*l.ev.Load()).Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
		f()
		return nil
	}))
}

// tick looks after timeouts. It runs on the loop.
func (l *loop) tick() {
	l.ticking.Store(false)
	l.now = time.Now()
	l.nowStamp = stampAt(l.now.Sub(l.begin))

	// From the end, because closing moves the last one into the gap.
	for i := len(l.active) - 1; i >= 0; i-- {
		if i < len(l.active) && l.expired(l.active[i]) {
			_ = (*l.ev.Load()).Close(l.active[i].conn)
		}
	}
	draining := l.wire.Draining()
	if draining && l.drainFrom == 0 {
		l.drainFrom = l.nowStamp
	}
	if draining || l.now.Sub(l.swept) >= time.Second || l.now.Sub(l.swept) >= l.cfg.IdleTimeout/4 {
		l.swept = l.now
		l.stamps.each(l.sweep)
	}
}

// expired moves a on, and reports whether it has to be cut off.
func (l *loop) expired(a *active) bool {
	buffered := a.conn.OutboundBuffered()
	switch {
	case buffered == 0:
		a.pending = 0
	case buffered != a.pending:
		a.pending = buffered
		a.writeBy = l.now.Add(l.cfg.WriteTimeout)
	case l.now.After(a.writeBy):
		return true
	}
	switch a.phase {
	case finishing:
		return l.finish(a) == gnet.Close
	case lingering:
		return l.now.After(a.closeBy)
	}
	if a.wire.Waiting() {
		return false
	}
	if a.wire.Partial() {
		// While output is pending, nothing is read: the peer cannot send the rest.
		return buffered == 0 && l.now.After(a.readBy)
	}
	l.settle(a)
	return false
}

// sweep looks at the age of a connection's stamp. All it has is the descriptor, which is enough to end it: gnet sees the end
// of the stream and closes.
func (l *loop) sweep(fd int, st stamp) {
	age := st.age(l.nowStamp)
	switch {
	case st&halfClosed != 0:
		if age >= servers.LingerTimeout {
			_ = unix.Shutdown(fd, unix.SHUT_RDWR)
		}
	case st&isActive != 0:
	case l.drainFrom != 0:
		if age >= servers.DrainGrace && l.drainFrom.age(l.nowStamp) >= servers.DrainGrace {
			l.stamps.set(fd, l.nowStamp|halfClosed)
			_ = unix.Shutdown(fd, unix.SHUT_WR)
		}
	case age >= l.cfg.IdleTimeout:
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
	}
}

// stopListening closes the port, unless there are connections in its queue: those are accepted first. It does not run on
// the loop, but what it does must, where no event of the listener is under way: gnet ends when accept fails. For a loop that
// a system call blocks it waits until by, and no longer.
func (l *loop) stopListening(by time.Time) (done bool) {
	result := make(chan bool, 1)
	l.execute(func() {
		more, err := l.poll.stopListening(l.engine)
		if err != nil {
			l.cfg.Log.Debug().Err(err).Msg("cannot stop listening: new connections are served until the end")
		}
		result <- !more
	})
	select {
	case done := <-result:
		return done
	case <-time.After(time.Until(by)):
		return true
	}
}

// drain ends the loop when the last connection has ended, at the latest when the drain timeout is over. It does not run on
// the loop.
func (l *loop) drain() {
	begin := time.Now()
	for !l.booted.Load() && time.Since(begin) < l.cfg.DrainTimeout {
		time.Sleep(time.Millisecond)
	}
	l.wire.Drain()
	// The loop accepts; here it is only seen that nobody comes any more.
	if fd, err := l.engine.Dup(); err == nil {
		leaving := listen.Emptying{Limit: l.cfg.DrainTimeout / 2}
		for leaving.More(fd) {
			time.Sleep(time.Millisecond)
		}
		_ = unix.Close(fd)
	}
	if l.ev.Load() != nil { // else there never was a connection
		for !l.stopListening(begin.Add(l.cfg.DrainTimeout)) && time.Since(begin) < l.cfg.DrainTimeout/2 {
			time.Sleep(time.Millisecond)
		}
	}
	awaitEnd(begin, l.cfg, l.limiter, l)
	l.stop()
}

// awaitEnd waits until the last connection of loops has ended, at most until the drain timeout is over, which began with
// begin.
func awaitEnd(begin time.Time, cfg servers.Config, limiter *admit.Limiter, loops ...*loop) {
	for limiter.Open() > 0 {
		if time.Since(begin) > cfg.DrainTimeout {
			cfg.Log.Warn().Int("open", limiter.Open()).Msg("drain timeout: closing connections")
			return
		}
		for _, l := range loops {
			l.requestTick()
		}
		time.Sleep(drainEvery)
	}
}

// stop has gnet end the loop, and does not wait for it.
func (l *loop) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.engine.Stop(ctx)
}

// libraryLog writes gnet's messages: those on its start are details here.
type libraryLog struct {
	zerolog.Logger
	first atomic.Pointer[string] // error
	ended func()                 // called when gnet says that a loop has ended by one, if not nil
}

func (l *libraryLog) Debugf(format string, args ...any) { l.Trace().Msgf(format, args...) }
func (l *libraryLog) Infof(format string, args ...any)  { l.Debug().Msgf(format, args...) }
func (l *libraryLog) Warnf(format string, args ...any)  { l.Warn().Msgf(format, args...) }
func (l *libraryLog) Fatalf(format string, args ...any) { l.Fatal().Msgf(format, args...) }
func (l *libraryLog) Errorf(format string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok && errors.Is(err, gneterrors.ErrEngineShutdown) {
			return
		}
	}
	msg := fmt.Sprintf(format, args...)
	l.first.CompareAndSwap(nil, &msg)
	l.Error().Msg(msg)
	if l.ended != nil && strings.Contains(format, "is exiting due to error") {
		l.ended()
	}
}

// cause is the first error: the others come of it.
func (l *libraryLog) cause() string {
	if msg := l.first.Load(); msg != nil {
		return *msg
	}
	return "gnet gave no reason"
}
