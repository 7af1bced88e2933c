// Package goroutine is the model of Go's standard library: a goroutine for each connection.
//
// How a connection is waited for: the goroutine reads from its connection as if that blocked. If
// there is nothing to read, Go's runtime parks the goroutine and gives the descriptor to its
// netpoller (epoll, kqueue), which wakes the goroutine. So the code reads like a thread for each
// connection, and below it runs an event loop with one thread per core.
//
// Who schedules: Go's runtime, in user space. A switch between goroutines costs some hundred
// nanoseconds. Each read is tried once before the goroutine is parked, so a request costs one
// failed read(2) more than on an event loop.
//
// What is shared: the process, its memory, its garbage collector and its cores. A slow handler
// delays no other client while a core is free. When all are busy, the runtime switches between them
// every 10 ms. A handler that waits parks its goroutine, which costs a timer. A handler that makes
// a blocking system call keeps its thread, and the runtime starts another thread.
//
// What it costs: a goroutine with its stack, a read buffer and the data of the netpoller, about 10
// KB for an idle connection. GOMAXPROCS stays at one per core, because a parked goroutine needs no
// thread.
//
// When to use it: nearly always, in Go. It carries tens of thousands of connections, and handlers
// may block. Each process of prefork runs one.
package goroutine

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
	"github.com/tierbench/tierbench/servers/listen"
	"github.com/tierbench/tierbench/servers/wire"
)

// Model is a goroutine for each connection.
var Model = servers.Model{
	Name:      "goroutine",
	Doc:       "one process, a goroutine per connection: Go's runtime parks it on the netpoller and spreads it over all cores",
	Processes: 1,
	Serve:     Serve,
}

const (
	readSize  = 4 << 10
	writeSize = 64 << 10 // of a piece of a reply: each piece has the whole write timeout

	// ownThreads is what Go's runtime needs besides the threads that are blocked.
	ownThreads = 256
)

// Serve listens on cfg.Addr and serves until ctx is done.
func Serve(ctx context.Context, cfg servers.Config) error {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return err
	}
	limit, err := admit.Connections(cfg.MaxConns, 0)
	if err != nil {
		return err
	}
	ln, err := listen.TCP(cfg)
	if err != nil {
		return err
	}
	s := &server{
		cfg:     cfg,
		wire:    wire.New(cfg),
		limiter: admit.Limiter{Max: limit, Log: cfg.Log},
		open:    make(map[*conn]struct{}),
		cut:     make(chan struct{}),
	}
	// A handler that blocks needs a thread. If the runtime cannot start one, it ends the process.
	blocks := limit
	if n, by := admit.Tasks(ownThreads); n < blocks {
		cfg.Log.Info().Int("threads", n).Str("limited_by", by).Msg("fewer threads than descriptors: they limit how many handlers block at a time")
		blocks = n
	}
	s.wire.Blocks = make(chan struct{}, blocks)
	admit.AllowThreads(blocks + ownThreads)
	cfg.Listening(limit)

	err = listen.Accept(ctx, ln, cfg.DrainTimeout/2, cfg.Log, s.start)
	s.drain()
	return err
}

type server struct {
	cfg     servers.Config
	wire    *wire.Server
	limiter admit.Limiter

	conns   sync.WaitGroup
	mu      sync.Mutex
	open    map[*conn]struct{}
	drainBy time.Time // the end of idle connections; set with mu held, before wire.Drain

	cut chan struct{} // closed when the drain timeout is over
}

var _ wire.Blocker = (*conn)(nil)

type conn struct {
	*net.TCPConn
	s       *server
	state   wire.Conn
	current uint32    // state.Started() of the request that has begun to arrive
	readBy  time.Time // the deadlines that are set
	writeBy time.Time
	drained bool // it has ended at drainBy
}

func (s *server) start(tc *net.TCPConn) {
	if !s.limiter.TryAcquire() {
		listen.Refuse(tc)
		return
	}
	c := &conn{TCPConn: tc, s: s}
	s.mu.Lock()
	s.open[c] = struct{}{}
	s.mu.Unlock()
	s.conns.Go(func() {
		s.serve(c)
		s.wire.Release(&c.state)
		s.mu.Lock()
		delete(s.open, c)
		s.mu.Unlock()
		_ = c.Close()
		s.limiter.Release()
	})
}

func (s *server) serve(c *conn) {
	buf := make([]byte, readSize)
	if s.wire.Serve(&c.state, c, buf) || c.drained {
		s.linger(c, buf)
	}
}

// Receive waits for bytes, no longer than the timeout that applies.
func (c *conn) Receive(buf []byte) int {
	for {
		n, err := c.s.read(c, buf)
		if n > 0 || !c.s.wire.Draining() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n
		}
		if !c.state.Partial() || !time.Now().Before(c.readBy) {
			c.drained = true
			return 0
		}
		_ = c.SetReadDeadline(c.readBy) // drainBy does not apply to a request
	}
}

// read waits for bytes, no longer than the timeout that applies.
func (s *server) read(c *conn, in []byte) (int, error) {
	now := time.Now()
	switch {
	case c.state.Partial():
		// The deadline of a request is set once: slow bytes do not move it.
		if c.current != c.state.Started() {
			c.current = c.state.Started()
			s.setReadDeadline(c, now.Add(s.cfg.ReadTimeout))
		}
	default:
		// To move a deadline costs more than to read the clock, so it is set a little late and
		// seldom moved.
		if by, late := deadline(now, c.readBy, s.cfg.IdleTimeout); late {
			s.setReadDeadline(c, by)
		}
		// This reads the flag after it has set the deadline, and drain sets a deadline after it has
		// set the flag: one of the two sees the other.
		if s.wire.Draining() {
			s.mu.Lock()
			by := s.drainBy
			s.mu.Unlock()
			s.setReadDeadline(c, by)
		}
	}
	return c.Read(in)
}

// deadline returns a deadline for something that may take d from now, and whether it must replace
// the present deadline, set.
func deadline(now, set time.Time, d time.Duration) (by time.Time, replace bool) {
	slack := d / 8
	left := set.Sub(now)
	return now.Add(d + slack), left < d || left > d+slack
}

func (s *server) setReadDeadline(c *conn, t time.Time) {
	c.readBy = t
	_ = c.SetReadDeadline(t)
}

// Wait parks the goroutine, as time.Sleep does, until d or the drain timeout is over.
func (c *conn) Wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.s.cut:
	}
}

// Send writes all of out. It returns false if the client takes nothing for the write timeout.
func (c *conn) Send(out []byte) bool {
	for len(out) > 0 {
		if by, late := deadline(time.Now(), c.writeBy, c.s.cfg.WriteTimeout); late {
			c.writeBy = by
			_ = c.SetWriteDeadline(by)
		}
		piece := out
		if len(piece) > writeSize {
			piece = piece[:writeSize]
		}
		n, err := c.Write(piece)
		out = out[n:]
		if err != nil && !(n > 0 && errors.Is(err, os.ErrDeadlineExceeded)) {
			return false
		}
	}
	return true
}

// linger lets the client read the whole last answer before c is closed: see servers.LingerTimeout.
func (s *server) linger(c *conn, buf []byte) {
	if c.CloseWrite() != nil {
		return
	}
	by := time.Now().Add(servers.LingerTimeout)
	for time.Now().Before(by) {
		_ = c.SetReadDeadline(by) // each time, because drain may have set another
		if _, err := c.Read(buf); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// drain returns when the last connection has ended, or when the drain timeout is over.
func (s *server) drain() {
	now := time.Now()
	s.mu.Lock()
	s.drainBy = now.Add(servers.DrainGrace)
	s.mu.Unlock()
	s.wire.Drain()
	s.mu.Lock()
	for c := range s.open {
		// A connection that is in the middle of a request ignores this deadline: see Receive.
		_ = c.SetReadDeadline(s.drainBy)
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.conns.Wait()
		close(done)
	}()
	cut := time.NewTimer(s.cfg.DrainTimeout)
	defer cut.Stop()
	select {
	case <-done:
		return
	case <-cut.C:
	}
	s.mu.Lock()
	s.cfg.Log.Warn().Int("open", len(s.open)).Msg("drain timeout: closing connections")
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	close(s.cut)
	select {
	case <-done:
	case <-time.After(servers.CutTimeout):
	}
}
