// Package loop is the engine of the models that wait for all connections at once: event loops, by
// gnet. Package eventloop serves with one loop, package multiloop with one for each core.
//
// A loop must handle these cases:
//   - a slow reader: while its answers cannot be sent, its connection is not read (pause). So
//     the pending output stays below the answers to one read, and no other client waits for it
//   - closing: gnet drops pending output when it closes. So the loop waits until the output has
//     been sent, half-closes and discards the input: otherwise a reset could overtake the last
//     answer (finish)
//   - timeouts: gnet has none. The loop checks its connections now and then (tick)
//   - delayed answers: gnet's Schedule is not implemented. So the loop has a heap of them,
//     ordered by time, and one timer that wakes it (wait). Meanwhile the connection is not read:
//     the loop keeps no more input than one read has brought, and a client that closes its
//     sending side gets its answer
//   - blocking calls: they stall the loop, unless a pool of threads makes them (offload)
//   - descriptors: gnet ends when accept fails without one. So connections are refused before
//     (admit)
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
	// maxPending is how much output may be pending besides one largest answer, where reading cannot
	// be paused.
	maxPending = 1 << 20

	tickEvery  = 100 * time.Millisecond
	drainEvery = 20 * time.Millisecond
)

// A loop is gnet's event handler. Only the goroutine of the event loop uses the fields that are not
// atomic.
type loop struct {
	gnet.BuiltinEventEngine
	cfg     servers.Config
	wire    *wire.Server
	limiter *admit.Limiter
	accepts bool         // the loop accepts its connections, instead of Many
	load    atomic.Int32 // open connections that Many has given to it
	pool    *pool        // for blocking calls; nil: they block the loop
	begin   time.Time

	engine  gnet.Engine
	booted  atomic.Bool
	ev      atomic.Pointer[gnet.EventLoop] // set by the first connection
	ticking atomic.Bool                    // a tick is queued
	poll    poller

	now       time.Time // of the last tick
	nowStamp  stamp     // of the last tick, or of a connection since
	swept     time.Time
	drainFrom stamp // 0: not draining
	stamps    stamps
	active    []*active
	out       []byte

	waiting dues        // connections with delayed answers
	alarm   *time.Timer // wakes the loop for the first of them; nil: it was never needed
	alarmAt time.Duration
}

// newLoop returns a loop. first is another loop of this process, or nil.
func newLoop(cfg servers.Config, limiter *admit.Limiter, pool *pool, first *loop) *loop {
	var other *wire.Server
	if first != nil {
		other = first.wire
	}
	return &loop{
		cfg:     cfg,
		wire:    wire.NewLoop(cfg, other),
		limiter: limiter,
		pool:    pool,
		begin:   time.Now(),
		poll:    poller{fd: -1},
		alarmAt: never,
	}
}

// active is the state of a connection that is not idle: a request has begun to arrive, or an answer
// is pending or delayed, or the connection is being closed. An idle connection has none.
type active struct {
	conn  gnet.Conn
	index int // in loop.active
	wire  wire.Conn

	current uint32    // wire.Started() of the request that has begun to arrive
	readBy  time.Time // its deadline

	pending int // bytes of output that could not be sent yet
	writeBy time.Time

	phase     phase
	offloaded bool // the pool makes a blocking call for it
	gone      bool // the connection has ended: the result of the pool is dropped
	closeBy   time.Time

	due   time.Duration // of the delayed answer, since loop.begin
	place int           // in loop.waiting; -1: not there
}

type phase uint8

const (
	open      phase = iota
	finishing       // the last answer is being sent; nothing is read
	lingering       // half-closed; input is discarded
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
		_ = c.SetLinger(0) // a reset, which the client sees at once
		return nil, gnet.Close
	}
	if l.ev.Load() == nil {
		ev := c.EventLoop()
		l.ev.Store(&ev)
		if err := l.poll.find(c.Fd()); err != nil {
			l.cfg.Log.Warn().Err(err).Msg("cannot pause reading: connections with too much pending output are cut off")
		}
	}
	// The time of the last tick may be old here: without connections there are no ticks.
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
	// Take everything: then gnet never copies input into a buffer of its own.
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

// answer sends reply. Without a pool it also makes the blocking calls of conn, while all other
// connections wait, and sends the answers. It returns how much could not be sent yet. ok is false
// if gnet has closed c.
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

// keep records what remains to be done for a connection after its input has been answered.
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

// wait has resume called when the answer of a is due.
func (l *loop) wait(a *active) gnet.Action {
	// Input stays in the socket meanwhile. Where gnet reads again because of pending output, wire
	// keeps it.
	if a.conn.OutboundBuffered() == 0 && !l.poll.silence(a.conn.Fd()) && a.wire.Kept() > maxPending {
		return gnet.Close
	}
	if a.place >= 0 || a.offloaded {
		return gnet.None // it is already waiting
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

// setAlarm has the loop woken when the first answer is due. An alarm that is too early does no
// harm.
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

// ring sends the answers that are due.
func (l *loop) ring() {
	l.alarmAt = never
	now := time.Since(l.begin)
	for len(l.waiting) > 0 && l.waiting[0].due <= now {
		l.resume(heap.Pop(&l.waiting).(*active))
	}
	l.setAlarm()
}

// resume sends the delayed answer of a, and continues with the input after that request.
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

// dues is a heap of connections with delayed answers: the first answer is due first.
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

// settle drops the state of a connection that has become idle.
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

// pause stops reading from c until its pending output has been sent. Then gnet itself starts to
// read again. All input has been answered, so the pending output never exceeds the answers to one
// read.
func (l *loop) pause(c gnet.Conn) bool { return l.poll.writeOnly(c.Fd()) }

// finish closes a connection without losing the last answer: see servers.LingerTimeout.
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

// OnTick runs on another goroutine, so it only asks the loop for a tick.
func (l *loop) OnTick() (time.Duration, gnet.Action) {
	l.requestTick()
	return tickEvery, gnet.None
}

func (l *loop) requestTick() {
	if l.ev.Load() != nil && l.limiter.Open() > 0 && l.ticking.CompareAndSwap(false, true) {
		l.execute(l.tick)
	}
}

// execute runs f on the loop, which must have had a connection.
func (l *loop) execute(f func()) {
	// It fails only if the engine has stopped, and then f is not needed.
	_ = (*l.ev.Load()).Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
		f()
		return nil
	}))
}

// tick checks the timeouts. It runs on the loop.
func (l *loop) tick() {
	l.ticking.Store(false)
	l.now = time.Now()
	l.nowStamp = stampAt(l.now.Sub(l.begin))

	// Backwards, because closing a connection moves the last one into its place.
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

// expired updates a, and reports whether it must be cut off.
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
		// While output is pending, nothing is read: the client cannot send the rest.
		return buffered == 0 && l.now.After(a.readBy)
	}
	l.settle(a)
	return false
}

// sweep checks the age of a connection's stamp. It has only the descriptor, which is enough to end
// the connection: gnet sees the end of the stream and closes it.
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

// stopListening closes the port, unless connections are in its queue: they are accepted first. It
// is called from another goroutine, but closes on the loop, where no event of the listener is being
// handled: gnet ends when accept fails. It waits for the loop until by at most, because a system
// call may block the loop.
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

// drain ends the loop when the last connection has ended, at the latest when the drain timeout is
// over. It does not run on the loop.
func (l *loop) drain() {
	begin := time.Now()
	for !l.booted.Load() && time.Since(begin) < l.cfg.DrainTimeout {
		time.Sleep(time.Millisecond)
	}
	l.wire.Drain()
	// The loop accepts. This only waits until no more connections arrive.
	if fd, err := l.engine.Dup(); err == nil {
		leaving := listen.Emptying{Limit: l.cfg.DrainTimeout / 2}
		for leaving.More(fd) {
			time.Sleep(time.Millisecond)
		}
		_ = unix.Close(fd)
	}
	if l.ev.Load() != nil { // else there was never a connection
		for !l.stopListening(begin.Add(l.cfg.DrainTimeout)) && time.Since(begin) < l.cfg.DrainTimeout/2 {
			time.Sleep(time.Millisecond)
		}
	}
	awaitEnd(begin, l.cfg, l.limiter, l)
	l.stop()
}

// awaitEnd waits until the last connection of loops has ended, or the drain timeout since begin is
// over.
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

// stop makes gnet end the loop. It does not wait for it.
func (l *loop) stop() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.engine.Stop(ctx)
}

// libraryLog writes gnet's messages, at lower levels: what is Info to gnet is a detail here.
type libraryLog struct {
	zerolog.Logger
	first atomic.Pointer[string] // the first error
	ended func()                 // if not nil, called when gnet logs that a loop has failed
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

// cause returns the first error, which the others follow from.
func (l *libraryLog) cause() string {
	if msg := l.first.Load(); msg != nil {
		return *msg
	}
	return "gnet gave no reason"
}
