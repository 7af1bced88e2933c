// Package eventloop is the model of one thread that waits for all connections at once: an event loop, by gnet.
//
// How a connection is waited for: the loop asks the kernel (epoll, kqueue) which of its connections have something to
// read, and reads, answers and writes one after the other, without ever blocking. An idle connection is an entry in a
// table.
//
// Who schedules: nobody; the loop takes turns. There is no switch between threads from one request to the next, and under
// load one call of epoll_wait brings many of them. But a handler that takes long holds up everybody, and one loop uses one
// core: more cores need more loops.
//
// What is shared: nothing, and nothing needs a lock: connections are accepted, read, answered and closed by the loop alone.
// GOMAXPROCS is 1, for there is one thing to do: with more, each time the loop yields, Go wakes another thread that looks for
// work, finds the loop, and carries it to another core.
//
// What it costs: about 600 bytes for an idle connection besides the kernel's socket, nearly all of them gnet's. This package
// adds four (see stamps): all it has to remember is when the connection last sent something.
//
// When to use it: for very many connections with little to do for each.
//
// What a loop must take care of, and where:
//   - a slow reader: while answers cannot be sent, its connection is not read (pause), so that what is pending stays below
//     what one read can ask for, and nobody else waits for it
//   - closing: gnet drops what is pending when it closes, so the loop waits until it has been sent, half-closes, and discards
//     what comes, or a reset could overtake the last answer (finish)
//   - timeouts: gnet has none; the loop looks at its connections now and then (tick)
//   - descriptors: gnet ends when accept fails for want of one, so connections are refused before (admit)
//
// gnet accepts on the loop itself only with SO_REUSEPORT; otherwise a second thread accepts, ahead of the loop by as many
// connections as it likes, and no limit could be kept. So the option is set, and listen.Exclusive sees to it that the port is ours.
package eventloop

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
	"github.com/tierbench/tierbench/servers/listen"
	"github.com/tierbench/tierbench/servers/wire"
)

// Model is one event loop.
var Model = servers.Model{
	Name:      "eventloop",
	Processes: 1,
	Doc:       "one process, one thread that waits for all connections with epoll and serves them in turn, by gnet",
	Serve:     Serve,
}

const (
	// reserve is what a process needs besides its connections: standard streams, listener, epoll, the one that is being
	// refused, and some to spare.
	reserve = 64

	// maxPending is what a connection may have pending where its reading cannot be paused, beyond one largest answer.
	maxPending = 1 << 20

	keepReply = 256 << 10 // a larger reply buffer is not kept

	tickEvery  = 100 * time.Millisecond
	drainEvery = 20 * time.Millisecond
)

// Serve listens on cfg.Addr and serves until ctx is done.
func Serve(ctx context.Context, cfg servers.Config) error {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return err
	}
	limit, err := admit.Limit(cfg.MaxConns, reserve)
	if err != nil {
		return err
	}
	if !cfg.SharePort {
		if err := listen.Exclusive(cfg.Addr); err != nil {
			return err
		}
	}
	l := &loop{
		cfg:   cfg,
		http:  cfg.Protocol == servers.HTTP,
		wire:  wire.New(cfg),
		gate:  admit.Gate{Max: limit, Log: cfg.Log},
		begin: time.Now(),
		poll:  poller{fd: -1},
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // see the package comment
	log := &libraryLog{Logger: cfg.Log}
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		l.drain()
		close(drained)
	})
	err = gnet.Run(l, "tcp://"+cfg.Addr,
		gnet.WithNumEventLoop(1),
		gnet.WithTicker(true),
		gnet.WithTCPNoDelay(gnet.TCPNoDelay),
		gnet.WithReusePort(true), // see the package comment
		gnet.WithReuseAddr(true), // a port in TIME_WAIT is free again, as Go's own listeners have it
		gnet.WithLogger(log),
	)
	if !stop() {
		<-drained
	}
	switch {
	case err != nil:
		return fmt.Errorf("listen on %s: %w", cfg.Addr, err)
	case ctx.Err() == nil:
		// gnet logs what ended it, and returns nil.
		return fmt.Errorf("event loop ended: %s", log.lastError())
	}
	return nil
}

// A loop is gnet's event handler. What has no atomic type is touched only by the event loop's own goroutine.
type loop struct {
	gnet.BuiltinEventEngine
	cfg   servers.Config
	http  bool
	wire  *wire.Server
	gate  admit.Gate
	begin time.Time

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

	phase   phase
	closeBy time.Time
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
	l.cfg.Listening(l.gate.Max)
	return gnet.None
}

func (l *loop) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	if !l.gate.Enter() {
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
		l.wire.Release(&a.wire)
		l.forget(a)
	}
	l.gate.Leave()
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
	reply, next := l.wire.Feed(conn, in, l.out[:0])
	if l.http {
		if l.out = reply; cap(reply) > keepReply {
			l.out = nil
		}
	}
	pending := 0
	if len(reply) > 0 {
		if c.OutboundBuffered() == 0 {
			reply = reply[writeNow(fd, reply):]
		}
		if len(reply) > 0 {
			if _, err := c.Write(reply); err != nil {
				return gnet.None // gnet has closed it
			}
			pending = c.OutboundBuffered()
		}
	}
	if a == nil && pending == 0 && next == wire.Keep && !conn.Partial() {
		return gnet.None // idle again: the usual end
	}
	return l.keep(c, a, conn, pending, next)
}

// keep records what is left to do for a connection after its bytes have been answered.
func (l *loop) keep(c gnet.Conn, a *active, conn *wire.Conn, pending int, next wire.Next) gnet.Action {
	if a == nil {
		a = &active{conn: c, wire: *conn, index: len(l.active)}
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
	if next == wire.Close {
		return l.finish(a)
	}
	return l.settle(a)
}

// settle forgets a connection that has become idle.
func (l *loop) settle(a *active) gnet.Action {
	if a.phase == open && !a.wire.Partial() && a.conn.OutboundBuffered() == 0 {
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
	if l.ev.Load() != nil && l.gate.Open() > 0 && l.ticking.CompareAndSwap(false, true) {
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
// the loop, but what it does must, where no event of the listener is under way: gnet ends when accept fails.
func (l *loop) stopListening() (done bool) {
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
	case <-time.After(l.cfg.DrainTimeout):
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
		for !l.stopListening() && time.Since(begin) < l.cfg.DrainTimeout/2 {
			time.Sleep(time.Millisecond)
		}
	}
	for l.gate.Open() > 0 {
		if time.Since(begin) > l.cfg.DrainTimeout {
			l.cfg.Log.Warn().Int("open", l.gate.Open()).Msg("drain timeout: closing connections")
			break
		}
		l.requestTick()
		time.Sleep(drainEvery)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // Run returns when it has stopped: no need to wait here too
	_ = l.engine.Stop(ctx)
}

// libraryLog writes gnet's messages: those on its start are details here.
type libraryLog struct {
	zerolog.Logger
	last atomic.Pointer[string]
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
	l.last.CompareAndSwap(nil, &msg) // the first one is the cause
	l.Error().Msg(msg)
}

func (l *libraryLog) lastError() string {
	if msg := l.last.Load(); msg != nil {
		return *msg
	}
	return "gnet gave no reason"
}
