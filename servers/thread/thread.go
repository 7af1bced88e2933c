// Package thread is the model of a kernel thread for each connection, as pthread_create would give it.
//
// How a connection is waited for: its thread is blocked in read(2) on a blocking descriptor. There is no epoll, no
// non-blocking mode, no netpoller: the kernel wakes the thread when bytes arrive.
//
// Who schedules: the kernel. In Go a thread is had by locking a goroutine to it (runtime.LockOSThread) and never unlocking
// it, so that the thread ends with the goroutine. A goroutine in net.Conn.Read would be no thread: it is parked on the
// netpoller, which is the model of package goroutine.
//
// What is shared: the process, its memory and Go's processors, and those are the difficulty. A Go thread runs only while
// it holds a processor (a P, of which there are GOMAXPROCS). It gives it up in a system call that takes long, and has to
// get one again after. With one for each core, threads that the kernel has woken queue up in Go's scheduler, which was not
// made for it, and some starve: on two cores 256 clients got 47,000 answers a second with a p99 of 1.3 s. So GOMAXPROCS is
// raised (see processors) until a thread that wakes finds a processor free, and the kernel alone decides who runs.
//
// What it costs: a kernel stack of 16 KB and the thread's bookkeeping, Go's own two stacks for a thread, a goroutine with
// its stack and a read buffer: 21 to 24 KB of the process for an idle connection, besides what the kernel holds. A request
// costs two system calls, read and write, and one switch between threads; fewer calls than any other model. The number of
// threads ends at the kernel's limits (kernel.pid_max is 32,768 on most machines).
//
// When to use it: for up to some thousand connections whose handlers block in ways that only a thread can (C libraries,
// disk), where the kernel's fair scheduling between clients is worth its memory.
//
// Go ends the process when it cannot start a thread. So a limit well below the kernel's is kept (see threadLimit), and at
// the limit new connections are refused while the existing ones go on.
package thread

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
	"github.com/tierbench/tierbench/servers/listen"
	"github.com/tierbench/tierbench/servers/wire"
)

// Model is a kernel thread for each connection.
var Model = servers.Model{
	Name:      "thread",
	Processes: 1,
	Doc:       "one process, a kernel thread per connection, blocked in read(2): the kernel schedules",
	Serve:     Serve,
}

const (
	// processors is GOMAXPROCS while this model serves: about as many threads as are runnable at once, which is far fewer
	// than there are connections. Measured with 16, 256 and 2,000 clients on two cores, from 32 on the rate and the p99
	// stay as they are. Above 128 they get worse again: Go's monitor looks at every processor each 20 µs, which with 512
	// took an eighth of the time at 2,000 clients.
	processors = 64

	readSize  = 512
	bulkSize  = 64 << 10  // once a read fills the buffer, more is on its way
	keepReply = 256 << 10 // a larger reply buffer is not kept

	// reserve is what a process needs besides its connections: standard streams, listener, pipe, and some to spare.
	reserve = 64

	drainTick = 20 * time.Millisecond
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
	if n, by := threadLimit(processors); n < limit {
		cfg.Log.Info().Int("threads", n).Str("limited_by", by).Msg("fewer threads than descriptors")
		limit = n
	}
	ln, err := newListener(cfg)
	if err != nil {
		return err
	}
	defer ln.close()

	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	// Beside one thread a connection: Go's own, at most one for each processor and a few.
	defer debug.SetMaxThreads(debug.SetMaxThreads(limit + 2*processors + 256))

	s := &server{
		cfg:   cfg,
		wire:  wire.New(cfg),
		gate:  admit.Gate{Max: limit, Log: cfg.Log},
		conns: make(map[*conn]struct{}),
	}
	s.bulk.New = func() any { b := make([]byte, bulkSize); return &b }
	s.reply.New = func() any { b := make([]byte, 0, readSize); return &b }
	cfg.Listening(limit)

	stop := context.AfterFunc(ctx, ln.wake)
	defer stop()
	accepted := make(chan error, 1)
	go func() {
		// A thread of its own too, as in the C server this is compared with.
		runtime.LockOSThread()
		accepted <- s.accept(ctx, ln)
	}()
	err = <-accepted
	ln.close()
	s.drain()
	return err
}

type server struct {
	cfg  servers.Config
	wire *wire.Server
	gate admit.Gate

	bulk  sync.Pool // of *[]byte, bulkSize long
	reply sync.Pool // of *[]byte

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// A conn belongs to its thread. Others use it only to end it, with server.mu held, while it is in server.conns: after that
// its descriptor may be another connection's.
type conn struct {
	fd    int
	state atomic.Uint32
	since atomic.Int64 // while draining: Unix nanoseconds when it became idle, or was half-closed

	wire    wire.Conn
	current uint32    // wire.Started() of the request that has begun to arrive
	readBy  time.Time // its deadline
	short   bool      // SO_RCVTIMEO is something else than the idle timeout
}

// The states of a conn.
const (
	busy   uint32 = iota // its thread works on what it has read, or waits for the rest of a request
	idle                 // its thread waits for a request
	closed               // half-closed while it was idle: what comes now is discarded
)

// accept returns nil once ctx is done and the queue is empty.
func (s *server) accept(ctx context.Context, ln *listener) error {
	short := false
	for {
		fd, err := ln.accept(ctx)
		switch {
		case err == nil:
			short = false
			s.start(fd)
		case errors.Is(err, errStopped):
			return nil
		case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM):
			// The limit should have kept us from this; somebody else took the system's last descriptors, perhaps.
			if !short {
				short = true
				s.cfg.Log.Warn().Err(err).Int("open", s.gate.Open()).Msg("cannot accept for now")
			}
			ln.refuseOne()
		default:
			return fmt.Errorf("accept on %s: %w", s.cfg.Addr, err)
		}
	}
}

func (s *server) start(fd int) {
	if !s.gate.Enter() {
		reset(fd)
		return
	}
	c := &conn{fd: fd}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here too
		s.serve(c)
		s.wire.Release(&c.wire)
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		_ = unix.Close(fd)
		s.gate.Leave()
	}()
}

func (s *server) serve(c *conn) {
	small := make([]byte, readSize)
	in := small
	var bulk *[]byte
	defer func() {
		if bulk != nil {
			s.bulk.Put(bulk)
		}
	}()
	for {
		n, ok := s.read(c, in)
		if !ok {
			if c.state.Load() == closed {
				s.discard(c, small)
			}
			return
		}
		reply := s.reply.Get().(*[]byte)
		out, next := s.wire.Feed(&c.wire, in[:n], (*reply)[:0])
		ok = len(out) == 0 || write(c.fd, out)
		if cap(out) <= keepReply && s.cfg.Protocol == servers.HTTP {
			*reply = out[:0]
		}
		s.reply.Put(reply)
		if !ok {
			return
		}
		if next == wire.Close {
			s.linger(c, small)
			return
		}
		switch {
		case bulk == nil && n == len(in):
			bulk = s.bulk.Get().(*[]byte)
			in = *bulk
		case bulk != nil && n <= readSize:
			s.bulk.Put(bulk)
			bulk, in = nil, small
		}
	}
}

// read waits for bytes no longer than the timeout that applies. ok is false at the end of the connection.
func (s *server) read(c *conn, in []byte) (n int, ok bool) {
	for {
		if c.wire.Partial() {
			if !s.setReadTimeout(c) {
				return 0, false
			}
		} else {
			if c.short {
				c.short = false
				_ = setTimeout(c.fd, unix.SO_RCVTIMEO, s.cfg.IdleTimeout)
			}
			if s.wire.Draining() {
				c.since.Store(time.Now().UnixNano())
			}
			c.state.Store(idle)
		}
		n, err := unix.Read(c.fd, in)
		if !c.wire.Partial() && !c.state.CompareAndSwap(idle, busy) {
			return 0, false // drain was faster
		}
		switch {
		case n > 0:
			return n, true
		case err == unix.EINTR:
		case err == unix.EAGAIN && c.wire.Partial():
			// The kernel counts in ticks: perhaps a little is left.
		default:
			return 0, false
		}
	}
}

// setReadTimeout lets the kernel wait for what is left of the time for one request: bytes that drip in do not extend it.
func (s *server) setReadTimeout(c *conn) bool {
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
	return setTimeout(c.fd, unix.SO_RCVTIMEO, left) == nil
}

// write writes all of out. A peer that takes nothing for the write timeout (SO_SNDTIMEO) ends it.
func write(fd int, out []byte) bool {
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

// linger ends a connection after its last answer: see servers.LingerTimeout.
func (s *server) linger(c *conn, buf []byte) {
	if unix.Shutdown(c.fd, unix.SHUT_WR) == nil {
		s.discard(c, buf)
	}
}

// discard reads until the peer closes, or LingerTimeout is over.
func (s *server) discard(c *conn, buf []byte) {
	by := time.Now().Add(servers.LingerTimeout)
	for {
		left := time.Until(by)
		if left <= 0 || setTimeout(c.fd, unix.SO_RCVTIMEO, left) != nil {
			return
		}
		n, err := unix.Read(c.fd, buf)
		if n == 0 || n < 0 && err != unix.EINTR && err != unix.EAGAIN {
			return
		}
	}
}

// drain returns when the last connection has ended, at the latest when the drain timeout is over.
func (s *server) drain() {
	s.wire.Drain()
	begin := time.Now()
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	for now := begin; s.gate.Open() > 0; now = <-tick.C {
		if now.Sub(begin) >= s.cfg.DrainTimeout {
			break
		}
		s.closeIdle(begin, now)
	}
	if s.gate.Open() == 0 {
		return
	}
	s.mu.Lock()
	s.cfg.Log.Warn().Int("open", len(s.conns)).Msg("drain timeout: closing connections")
	for c := range s.conns {
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR) // wakes its thread
	}
	s.mu.Unlock()
	// They end at once; the process would end them in any case.
	for i := 0; i < 10 && s.gate.Open() > 0; i++ {
		<-tick.C
	}
}

// closeIdle half-closes the connections that have waited for a request long enough, and ends those whose peers do not
// close in turn. A thread blocked in read does not see a timeout that is set now, but it sees what shutdown does.
func (s *server) closeIdle(begin, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
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

// A listener is a non-blocking socket that a thread waits for with poll(2), together with a pipe that wakes it: closing a
// socket does not wake a thread that is blocked in accept(2), and shutting it down would reset what is in its queue.
type listener struct {
	file   *os.File
	fd     int
	wakeR  int
	wakeW  int
	spare  int // a descriptor to give up when there is none left
	rest   listen.Emptying
	closed sync.Once
}

var errStopped = errors.New("stopped")

func newListener(cfg servers.Config) (*listener, error) {
	nl, err := listen.TCP(cfg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = nl.Close() }() // the duplicate goes on listening, outside of Go's netpoller
	f, err := nl.File()
	if err != nil {
		return nil, err
	}
	l := &listener{file: f, fd: int(f.Fd()), rest: listen.Emptying{Limit: cfg.DrainTimeout / 2}}
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		_ = f.Close()
		return nil, os.NewSyscallError("pipe", err)
	}
	l.wakeR, l.wakeW = pipe[0], pipe[1]
	unix.CloseOnExec(l.wakeR)
	unix.CloseOnExec(l.wakeW)
	l.spare = openSpare()

	// Accepted sockets inherit these (see accept), which saves three system calls for each.
	err = errors.Join(
		os.NewSyscallError("set non-blocking", unix.SetNonblock(l.fd, true)),
		os.NewSyscallError("set TCP_NODELAY", unix.SetsockoptInt(l.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)),
		os.NewSyscallError("set SO_RCVTIMEO", setTimeout(l.fd, unix.SO_RCVTIMEO, cfg.IdleTimeout)),
		os.NewSyscallError("set SO_SNDTIMEO", setTimeout(l.fd, unix.SO_SNDTIMEO, cfg.WriteTimeout)),
	)
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// accept returns a blocking descriptor, or errStopped once ctx is done and the queue is empty.
func (l *listener) accept(ctx context.Context) (int, error) {
	for {
		fd, err := acceptBlocking(l.fd)
		switch err {
		case nil:
			return fd, nil
		case unix.EINTR, unix.ECONNABORTED:
			continue
		case unix.EAGAIN:
		default:
			return -1, os.NewSyscallError("accept", err)
		}
		if ctx.Err() != nil {
			if l.rest.More(l.fd) {
				continue
			}
			return -1, errStopped
		}
		fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}, {Fd: int32(l.wakeR), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return -1, os.NewSyscallError("poll", err)
		}
	}
}

// wake makes accept look at its context.
func (l *listener) wake() { _, _ = unix.Write(l.wakeW, []byte{0}) }

// refuseOne takes a connection with the spare descriptor and resets it, when there is no other descriptor. Left in the
// queue, it would make poll return at once for ever.
func (l *listener) refuseOne() {
	if l.spare >= 0 {
		_ = unix.Close(l.spare)
	}
	if fd, err := acceptBlocking(l.fd); err == nil {
		reset(fd)
	} else {
		time.Sleep(10 * time.Millisecond)
	}
	l.spare = openSpare()
}

func (l *listener) close() {
	l.closed.Do(func() {
		_ = l.file.Close()
		_ = unix.Close(l.wakeR)
		if l.spare >= 0 {
			_ = unix.Close(l.spare)
		}
		// wakeW stays open: wake may be called at any time, and must not write to a descriptor that is reused.
	})
}

func openSpare() int {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// reset closes fd so that its peer sees a reset at once.
func reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 0})
	_ = unix.Close(fd)
}

func setTimeout(fd, option int, d time.Duration) error {
	// Zero would mean for ever, and the kernel rounds up.
	tv := unix.NsecToTimeval(max(d, time.Microsecond).Nanoseconds())
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &tv)
}
