package blocking

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/listen"
)

// A Listener is a non-blocking socket for which a thread waits with poll(2), together with a pipe
// that wakes the thread. To close a socket does not wake a thread that is blocked in accept(2), and
// to shut it down would reset the connections in its queue.
type Listener struct {
	addr   string
	file   *os.File
	fd     int
	wakeR  int
	wakeW  int
	spare  int // a descriptor that is closed when there is none left
	rest   listen.Emptying
	closed sync.Once
}

// NewListener listens on cfg.Addr. Its connections have the idle timeout and the write timeout of
// cfg.
func NewListener(cfg servers.Config) (*Listener, error) {
	nl, err := listen.TCP(cfg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = nl.Close() }() // the duplicate still listens, without Go's netpoller
	f, err := nl.File()
	if err != nil {
		return nil, err
	}
	l := &Listener{addr: cfg.Addr, file: f, fd: int(f.Fd()), rest: listen.Emptying{Limit: cfg.DrainTimeout / 2}}
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		_ = f.Close()
		return nil, os.NewSyscallError("pipe", err)
	}
	l.wakeR, l.wakeW = pipe[0], pipe[1]
	unix.CloseOnExec(l.wakeR)
	unix.CloseOnExec(l.wakeW)
	l.spare = openSpare()

	// Accepted sockets inherit these, which saves three system calls for each.
	err = errors.Join(
		os.NewSyscallError("set non-blocking", unix.SetNonblock(l.fd, true)),
		os.NewSyscallError("set TCP_NODELAY", unix.SetsockoptInt(l.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)),
		os.NewSyscallError("set SO_RCVTIMEO", SetTimeout(l.fd, unix.SO_RCVTIMEO, cfg.IdleTimeout)),
		os.NewSyscallError("set SO_SNDTIMEO", SetTimeout(l.fd, unix.SO_SNDTIMEO, cfg.WriteTimeout)),
	)
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Each calls start for each connection, with a blocking descriptor that start owns, until ctx is
// done and the queue is empty. When the process or the system has no descriptor left, it refuses
// connections.
//
// If idle is not nil, Each calls it before each wait and when there is no descriptor left. idle may
// close descriptors. It returns what else to wait for and how long; a negative timeout is none.
func (l *Listener) Each(ctx context.Context, log zerolog.Logger, start func(fd int), idle func() ([]unix.PollFd, time.Duration)) error {
	if idle == nil {
		idle = func() ([]unix.PollFd, time.Duration) { return nil, -1 }
	}
	shortage := listen.Shortage{Log: log}
	for {
		fd, err := acceptBlocking(l.fd)
		switch {
		case err == nil:
			shortage.End()
			start(fd)
		case err == unix.EINTR || err == unix.ECONNABORTED:
		case err == unix.EAGAIN && ctx.Err() == nil:
			if err := l.wait(idle()); err != nil {
				return err
			}
		case err == unix.EAGAIN:
			if !l.rest.More(l.fd) {
				return nil
			}
		case shortage.Is(err):
			idle()
			l.refuseOne()
		default:
			return fmt.Errorf("accept on %s: %w", l.addr, err)
		}
	}
}

// wait waits until there may be a connection to accept, or Wake is called, or one of others is
// ready, or timeout is over.
func (l *Listener) wait(others []unix.PollFd, timeout time.Duration) error {
	fds := append([]unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}, {Fd: int32(l.wakeR), Events: unix.POLLIN}}, others...)
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	if _, err := unix.Poll(fds, ms); err != nil && err != unix.EINTR {
		return os.NewSyscallError("poll", err)
	}
	return nil
}

// Wake makes Each check its context.
func (l *Listener) Wake() { _, _ = unix.Write(l.wakeW, []byte{0}) }

// refuseOne accepts a connection with the spare descriptor and resets it. If the connection stayed
// in the queue, poll would always return at once.
func (l *Listener) refuseOne() {
	if l.spare >= 0 {
		_ = unix.Close(l.spare)
	}
	if fd, err := acceptBlocking(l.fd); err == nil {
		Reset(fd)
	} else {
		time.Sleep(10 * time.Millisecond)
	}
	l.spare = openSpare()
}

// Close closes the listening socket.
func (l *Listener) Close() {
	l.closed.Do(func() {
		_ = l.file.Close()
		_ = unix.Close(l.wakeR)
		if l.spare >= 0 {
			_ = unix.Close(l.spare)
		}
		// wakeW stays open: Wake may be called at any time, and must not write to a reused
		// descriptor.
	})
}

func openSpare() int {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// Reset closes fd. The client sees a reset at once.
func Reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 0})
	_ = unix.Close(fd)
}

// SetTimeout sets SO_RCVTIMEO or SO_SNDTIMEO of fd: a longer read or write fails with EAGAIN.
func SetTimeout(fd, option int, d time.Duration) error {
	// Zero would be no timeout. The kernel rounds up.
	tv := unix.NsecToTimeval(max(d, time.Microsecond).Nanoseconds())
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &tv)
}
