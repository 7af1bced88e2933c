// Package sequential is the model of a program that does one thing after the other: one connection at a time.
//
// How a connection is waited for: it is not. The next one is taken from the kernel's accept queue, its one request is read
// with a blocking read(2), answered with a blocking write(2), and the connection is closed. While a handler waits or computes,
// and while a request is on its way, everybody else waits in the queue.
//
// Who schedules: the queue. Whoever connected first is served first, and after one answer stands at its end again: a client
// that kept its connection would keep the server for itself, so each answer says "Connection: close", and what was sent
// behind the first request is not read. Nobody starves.
//
// What is shared: nothing, for there is nobody to share with. No lock is needed, no state is seen half changed.
//
// What it costs: the least memory of all models, for waiting connections live in the kernel alone, and a connection for each
// request: the handshake, accept, close. The rate ends at one core, and where requests wait at one divided by their waiting
// time, whatever the number of clients. That number is limited by the accept queue (net.core.somaxconn, 4,096 on most
// machines): beyond it connecting takes seconds, because the kernel drops what the client has to send again.
//
// When to use it: where requests are short and seldom, or one worker process of many (prefork-sequential), which is the
// classic pool: as many requests at once as there are processes.
//
// A client that connects and sends nothing, or takes nothing of its answer, has the server for a tenth of the read timeout (a
// second by default), and for no longer: then its turn is over. So has one in the middle of its request; one that drips is cut
// off by the read timeout. A closed connection is read and discarded, as by all models, between the turns of the others; of more than 64
// of them the oldest is closed for good.
package sequential

import (
	"context"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
	"github.com/tierbench/tierbench/servers/app"
	"github.com/tierbench/tierbench/servers/blocking"
	"github.com/tierbench/tierbench/servers/wire"
)

// Model is one connection at a time.
var Model = servers.Model{
	Name:       "sequential",
	Doc:        "one process, one thread, one connection at a time: it answers one request, closes, and takes the next that waits",
	ClosesEach: true,
	Processes:  1,
	Serve:      Serve,
}

const (
	// silence is which part of the read timeout a client may send nothing, or take nothing, while it is its turn.
	silence = 10

	readSize = 64 << 10

	// maxLeaving bounds the connections that have been answered and whose peers have not closed yet.
	maxLeaving = 64
)

// Serve listens on cfg.Addr and serves until ctx is done.
func Serve(ctx context.Context, cfg servers.Config) error {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return err
	}
	// There is no limit to keep, but what a process can hold is raised and told as by the other models.
	if _, err := admit.Connections(cfg.MaxConns, 0); err != nil {
		return err
	}
	cfg.CloseEach = true
	cfg.IdleTimeout = min(cfg.IdleTimeout, cfg.ReadTimeout/silence)
	cfg.WriteTimeout = min(cfg.WriteTimeout, cfg.ReadTimeout/silence)
	ln, err := blocking.NewListener(cfg)
	if err != nil {
		return err
	}
	defer ln.Close()
	s := &server{cfg: cfg, ln: ln, wire: wire.New(cfg), in: make([]byte, readSize)}
	cfg.Listening(1)

	stop := context.AfterFunc(ctx, ln.Wake)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the one thread; those that Go has beside it serve nobody
		ended <- s.run(ctx)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(cfg.DrainTimeout):
		// Whoever's turn it is, and whoever waits: the process ends now, and the kernel closes what it has open.
		cfg.Log.Warn().Msg("drain timeout: closing connections")
		return nil
	}
}

type server struct {
	cfg  servers.Config
	ln   *blocking.Listener
	wire *wire.Server

	in      []byte
	leaving []leaver // in the order in which they were answered
}

// A leaver is a connection that is half-closed: see servers.LingerTimeout.
type leaver struct {
	fd int
	by time.Time
}

// run serves one connection after the other. It returns nil once ctx is done and the queue is empty.
func (s *server) run(ctx context.Context) error {
	err := s.ln.Each(ctx, s.cfg.Log, s.turn, func() ([]unix.PollFd, time.Duration) {
		s.sweep()
		return s.watch()
	})
	if err == nil {
		s.leave()
	}
	return err
}

// turn is one connection's: one request, one answer.
func (s *server) turn(fd int) {
	if s.answer(fd) && unix.Shutdown(fd, unix.SHUT_WR) == nil {
		s.leaving = append(s.leaving, leaver{fd, time.Now().Add(servers.LingerTimeout)})
		if len(s.leaving) > maxLeaving {
			s.sweep()
		}
		if len(s.leaving) > maxLeaving {
			_ = unix.Close(s.leaving[0].fd)
			s.leaving = slices.Delete(s.leaving, 0, 1)
		}
		return
	}
	_ = unix.Close(fd)
}

// answer reports whether the connection is to be closed in peace: it has been answered, or it was silent.
func (s *server) answer(fd int) bool {
	c := &conn{fd: fd, readBy: time.Now().Add(s.cfg.ReadTimeout)}
	defer s.wire.Release(&c.state)
	return s.wire.Serve(&c.state, c, s.in) || c.silent
}

// A conn is the connection whose turn it is.
type conn struct {
	fd     int
	state  wire.Conn
	readBy time.Time
	silent bool // it has sent nothing, which is no mistake
}

var _ wire.Blocker = (*conn)(nil)

// Receive waits for bytes until the idle timeout is over.
func (c *conn) Receive(buf []byte) int {
	for time.Now().Before(c.readBy) {
		n, err := unix.Read(c.fd, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN && !c.state.Partial():
			c.silent = true
		}
		return max(n, 0)
	}
	return 0
}

func (c *conn) Send(out []byte) bool { return blocking.Write(c.fd, out) }

// Wait blocks the thread, and with it the server.
func (c *conn) Wait(d time.Duration) { app.BlockThread(d) }

// watch is what to wait for beside new connections: that somebody who leaves closes, and the end of the time to do so.
func (s *server) watch() (fds []unix.PollFd, timeout time.Duration) {
	if len(s.leaving) == 0 {
		return nil, -1
	}
	for _, l := range s.leaving {
		fds = append(fds, unix.PollFd{Fd: int32(l.fd), Events: unix.POLLIN})
	}
	return fds, max(time.Until(s.leaving[0].by), 0)
}

// sweep discards what those who leave have sent, and closes where the peer has closed or its time is over.
func (s *server) sweep() {
	now := time.Now()
	s.leaving = slices.DeleteFunc(s.leaving, func(l leaver) bool {
		for range 16 { // so many reads at once: the others wait
			n, _, err := unix.Recvfrom(l.fd, s.in, unix.MSG_DONTWAIT)
			if n > 0 || err == unix.EINTR {
				continue
			}
			if err == unix.EAGAIN {
				break
			}
			_ = unix.Close(l.fd)
			return true
		}
		if now.After(l.by) {
			_ = unix.Close(l.fd)
			return true
		}
		return false
	})
}

// leave waits for those who leave, at the end.
func (s *server) leave() {
	for len(s.leaving) > 0 {
		fds, timeout := s.watch()
		if _, err := unix.Poll(fds, int(timeout.Milliseconds())+1); err != nil && err != unix.EINTR {
			break
		}
		s.sweep()
	}
	for _, l := range s.leaving {
		_ = unix.Close(l.fd)
	}
}
