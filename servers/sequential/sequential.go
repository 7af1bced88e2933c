// Package sequential is the model of a program that does one thing at a time: it serves one
// connection after the other.
//
// How a connection is waited for: it is not. The server takes the next connection from the kernel's
// accept queue, reads its one request with a blocking read(2), answers with a blocking write(2),
// and closes the connection. While a handler waits or computes, and while a request is on its way,
// all other clients wait in the queue.
//
// Who schedules: the queue. The client that connected first is served first, and has to queue again
// after one answer. A client that kept its connection would keep the server to itself, so each
// answer contains "Connection: close", and the input after the first request is not read. No client
// starves.
//
// What is shared: nothing, because no two requests are served at a time. No lock is needed, and no
// state is seen half changed.
//
// What it costs: the least memory of all models, because waiting connections exist only in the
// kernel, and a connection for each request: handshake, accept, close. The rate is limited by one
// core. If requests wait, it is one divided by their waiting time, for any number of clients. The
// accept queue limits that number (net.core.somaxconn, 4,096 on most machines): beyond it
// connecting takes seconds, because the kernel drops packets, which the client must send again.
//
// When to use it: where requests are short and seldom, or in each of many worker processes
// (prefork-sequential). That is the classic pool, which serves as many requests at a time as it has
// processes.
//
// A client that sends nothing, or takes nothing of its answer, keeps the server for a tenth of the
// read timeout (one second by default); then its turn is over. This also applies in the middle of a
// request. A client that sends its request too slowly is cut off by the read timeout. After its
// answer a connection is half-closed, and its input is discarded between the turns of the others,
// as by all models. If more than 64 connections are in that state, the oldest is closed.
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
	// patience is the part of the read timeout, one tenth, in which a client whose turn it is may
	// send nothing or take nothing.
	patience = 10

	readSize = 64 << 10

	// maxLeaving bounds the connections that have been answered and whose clients have not closed
	// yet.
	maxLeaving = 64
)

// Serve listens on cfg.Addr and serves until ctx is done.
func Serve(ctx context.Context, cfg servers.Config) error {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return err
	}
	// There is no limit to keep, but the limit of descriptors is raised as by the other models.
	if _, err := admit.Connections(cfg.MaxConns, 0); err != nil {
		return err
	}
	cfg.CloseEach = true
	cfg.IdleTimeout = min(cfg.IdleTimeout, cfg.ReadTimeout/patience)
	cfg.WriteTimeout = min(cfg.WriteTimeout, cfg.ReadTimeout/patience)
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
		runtime.LockOSThread() // the one thread; Go's other threads serve no connection
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
		// The process ends now, and the kernel closes all its connections.
		cfg.Log.Warn().Msg("drain timeout: closing connections")
		return nil
	}
}

type server struct {
	cfg  servers.Config
	ln   *blocking.Listener
	wire *wire.Server

	in      []byte
	leaving []leaver // in the order of their answers
}

// A leaver is a connection that is half-closed: see servers.LingerTimeout.
type leaver struct {
	fd int
	by time.Time
}

// run serves one connection after the other. It returns nil once ctx is done and the queue is
// empty.
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

// turn serves one connection: one request, one answer.
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

// answer reports whether the connection may be half-closed: it has been answered, or has sent
// nothing.
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
	silent bool // it has sent nothing, which is allowed
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

// watch returns what to wait for besides new connections: that the client of a leaver closes, and
// the end of its time.
func (s *server) watch() (fds []unix.PollFd, timeout time.Duration) {
	if len(s.leaving) == 0 {
		return nil, -1
	}
	for _, l := range s.leaving {
		fds = append(fds, unix.PollFd{Fd: int32(l.fd), Events: unix.POLLIN})
	}
	return fds, max(time.Until(s.leaving[0].by), 0)
}

// sweep discards the input of the leavers. It closes those whose clients have closed, or whose time
// is over.
func (s *server) sweep() {
	now := time.Now()
	s.leaving = slices.DeleteFunc(s.leaving, func(l leaver) bool {
		for range 16 { // no more reads for one leaver at a time: others wait
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

// leave waits for the last leavers.
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
