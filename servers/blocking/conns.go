// Package blocking is for models whose threads wait in the kernel: a listening socket and
// connections that are blocking descriptors, used with accept(2), read(2) and write(2), without
// Go's netpoller.
//
// The model decides which thread of which process serves a connection, and for how long.
package blocking

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/app"
	"github.com/tierbench/tierbench/servers/wire"
)

const (
	readSize  = 512
	drainTick = 20 * time.Millisecond
)

// Conns are the connections of a process, each with a thread of its own. Make them with NewConns.
type Conns struct {
	cfg  servers.Config
	wire *wire.Server

	mu   sync.Mutex
	open map[*Conn]struct{}
}

// NewConns returns an empty set. cfg has its defaults.
func NewConns(cfg servers.Config) *Conns {
	return &Conns{cfg: cfg, wire: wire.New(cfg), open: make(map[*Conn]struct{})}
}

// A Conn belongs to the thread that serves it. Other threads only end it, and only with Conns.mu
// held and while it is in Conns.open: afterwards another connection may have its descriptor.
type Conn struct {
	set   *Conns
	fd    int
	state atomic.Uint32
	since atomic.Int64 // while draining: when it became idle or was half-closed, in Unix ns

	wire    wire.Conn
	current uint32    // wire.Started() of the request that has begun to arrive
	readBy  time.Time // its deadline
	short   bool      // SO_RCVTIMEO differs from the idle timeout
}

// The states of a Conn.
const (
	busy   uint32 = iota // its thread answers, or waits for the rest of a request
	idle                 // its thread waits for a request
	closed               // half-closed while it was idle: input is discarded
)

// Add adds a connection, which must be passed to Serve. fd is a blocking descriptor that a Listener
// has accepted; the Conn owns it.
func (s *Conns) Add(fd int) *Conn {
	c := &Conn{set: s, fd: fd}
	s.mu.Lock()
	s.open[c] = struct{}{}
	s.mu.Unlock()
	return c
}

// Serve serves c until it ends, and closes it. It blocks the calling thread.
func (s *Conns) Serve(c *Conn) {
	s.serve(c)
	s.wire.Release(&c.wire)
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
	_ = unix.Close(c.fd)
}

// Open returns the number of connections that have been added and have not ended.
func (s *Conns) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (s *Conns) serve(c *Conn) {
	buf := make([]byte, readSize)
	switch {
	case s.wire.Serve(&c.wire, c, buf):
		if unix.Shutdown(c.fd, unix.SHUT_WR) == nil {
			s.discard(c, buf)
		}
	case c.state.Load() == closed:
		s.discard(c, buf)
	}
}

var _ wire.Blocker = (*Conn)(nil)

// Receive waits for bytes no longer than the timeout that applies.
func (c *Conn) Receive(buf []byte) int {
	s := c.set
	for {
		if c.wire.Partial() {
			if !s.setReadTimeout(c) {
				return 0
			}
		} else {
			if c.short {
				c.short = false
				_ = SetTimeout(c.fd, unix.SO_RCVTIMEO, s.cfg.IdleTimeout)
			}
			if s.wire.Draining() {
				c.since.Store(time.Now().UnixNano())
			}
			c.state.Store(idle)
		}
		n, err := unix.Read(c.fd, buf)
		if !c.wire.Partial() && !c.state.CompareAndSwap(idle, busy) {
			return 0 // Drain has half-closed it meanwhile
		}
		switch {
		case n > 0:
			return n
		case err == unix.EINTR:
		case err == unix.EAGAIN && c.wire.Partial():
			// The kernel counts in ticks: a little of the time may be left.
		default:
			return 0
		}
	}
}

// setReadTimeout lets the kernel wait for the rest of the time for one request. Slow bytes do not
// extend it.
func (s *Conns) setReadTimeout(c *Conn) bool {
	now := time.Now()
	if c.current != c.wire.Started() {
		c.current = c.wire.Started()
		c.readBy = now.Add(s.cfg.ReadTimeout)
	}
	left := c.readBy.Sub(now)
	if left <= 0 {
		return false
	}
	c.short = true
	return SetTimeout(c.fd, unix.SO_RCVTIMEO, left) == nil
}

// Wait blocks the thread in the kernel, as in a C program. time.Sleep would only park the goroutine
// and leave its thread to Go's scheduler.
func (c *Conn) Wait(d time.Duration) { app.BlockThread(d) }

// Send writes all of out: see Write.
func (c *Conn) Send(out []byte) bool { return Write(c.fd, out) }

// Write writes all of out. It returns false if the client takes nothing for the write timeout
// (SO_SNDTIMEO).
func Write(fd int, out []byte) bool {
	for len(out) > 0 {
		n, err := unix.Write(fd, out)
		if n > 0 {
			out = out[n:]
		}
		if err != nil && err != unix.EINTR {
			return false
		}
	}
	return true
}

// discard reads until the client closes, or LingerTimeout is over.
func (s *Conns) discard(c *Conn, buf []byte) {
	by := time.Now().Add(servers.LingerTimeout)
	for {
		left := time.Until(by)
		if left <= 0 || SetTimeout(c.fd, unix.SO_RCVTIMEO, left) != nil {
			return
		}
		n, err := unix.Read(c.fd, buf)
		if n == 0 || n < 0 && err != unix.EINTR && err != unix.EAGAIN {
			return
		}
	}
}

// Drain ends each connection with its next answer, or while it waits for a request. It returns when
// the last one has ended, or when the drain timeout is over.
func (s *Conns) Drain() {
	s.wire.Drain()
	begin := time.Now()
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for now := begin; s.Open() > 0; now = <-tick.C {
		if now.Sub(begin) >= s.cfg.DrainTimeout {
			break
		}
		s.closeIdle(begin, now)
	}
	if s.Open() == 0 {
		return
	}
	s.mu.Lock()
	s.cfg.Log.Warn().Int("open", len(s.open)).Msg("drain timeout: closing connections")
	for c := range s.open {
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR) // wakes its thread
	}
	s.mu.Unlock()
	for cut := time.Now(); s.Open() > 0 && time.Since(cut) < servers.CutTimeout; {
		<-tick.C
	}
}

// closeIdle half-closes the connections that have waited for a request for DrainGrace, and ends
// those whose clients do not close in turn. A thread that is blocked in read does not see a timeout
// that is set now, but it sees a shutdown.
func (s *Conns) closeIdle(begin, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		since := begin
		if t := c.since.Load(); t > 0 {
			since = time.Unix(0, t)
		}
		switch {
		case now.Sub(since) >= servers.DrainGrace && c.state.CompareAndSwap(idle, closed):
			c.since.Store(now.UnixNano())
			_ = unix.Shutdown(c.fd, unix.SHUT_WR)
		case c.state.Load() == closed && now.Sub(since) >= servers.LingerTimeout:
			_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
		}
	}
}
