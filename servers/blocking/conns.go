// Package blocking is what those models share whose threads wait in the kernel: a listening socket and connections that
// are blocking descriptors, used with accept(2), read(2) and write(2), and no netpoller between.
//
// Which thread of which process serves a connection, and how long, is the model's affair and not this package's.
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

// Conns are the connections of a process that each have a thread while they last. Make them with NewConns.
type Conns struct {
	cfg  servers.Config
	wire *wire.Server

	mu   sync.Mutex
	open map[*Conn]struct{}
}

// NewConns returns an empty set; cfg has its defaults.
func NewConns(cfg servers.Config) *Conns {
	return &Conns{cfg: cfg, wire: wire.New(cfg), open: make(map[*Conn]struct{})}
}

// A Conn belongs to the thread that serves it. Others use it only to end it, with Conns.mu held, while it is in
// Conns.open: after that its descriptor may be another connection's.
type Conn struct {
	set   *Conns
	fd    int
	state atomic.Uint32
	since atomic.Int64 // while draining: Unix nanoseconds when it became idle, or was half-closed

	wire    wire.Conn
	current uint32    // wire.Started() of the request that has begun to arrive
	readBy  time.Time // its deadline
	short   bool      // SO_RCVTIMEO is something else than the idle timeout
}

// The states of a Conn.
const (
	busy   uint32 = iota // its thread works on what it has read, or waits for the rest of a request
	idle                 // its thread waits for a request
	closed               // half-closed while it was idle: what comes now is discarded
)

// Add takes in a connection, which is then Serve's. fd is a blocking descriptor that a Listener has accepted.
func (s *Conns) Add(fd int) *Conn {
	c := &Conn{set: s, fd: fd}
	s.mu.Lock()
	s.open[c] = struct{}{}
	s.mu.Unlock()
	return c
}

// Serve serves c to its end, and closes it. It blocks the calling thread.
func (s *Conns) Serve(c *Conn) {
	s.serve(c)
	s.wire.Release(&c.wire)
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
	_ = unix.Close(c.fd)
}

// Open is the number of connections that have been added and have not ended.
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
			return 0 // Drain was faster
		}
		switch {
		case n > 0:
			return n
		case err == unix.EINTR:
		case err == unix.EAGAIN && c.wire.Partial():
			// The kernel counts in ticks: perhaps a little is left.
		default:
			return 0
		}
	}
}

// setReadTimeout lets the kernel wait for what is left of the time for one request: bytes that drip in do not extend it.
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

// Wait blocks the thread in the kernel. time.Sleep would do something else: it parks the goroutine and leaves its thread to
// Go's scheduler, which wakes it by a timer of its own. Here the kernel does what it does for a C program.
func (c *Conn) Wait(d time.Duration) { app.BlockThread(d) }

// Send writes all of out: see Write.
func (c *Conn) Send(out []byte) bool { return Write(c.fd, out) }

// Write writes all of out. A peer that takes nothing for the write timeout (SO_SNDTIMEO) ends it.
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

// discard reads until the peer closes, or LingerTimeout is over.
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

// Drain ends each connection with its next answer, or where it waits for a request. It returns when the last one has ended,
// at the latest when the drain timeout is over.
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

// closeIdle half-closes the connections that have waited for a request long enough, and ends those whose peers do not
// close in turn. A thread blocked in read does not see a timeout that is set now, but it sees what shutdown does.
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
