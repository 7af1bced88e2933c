package blocking

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/listen"
)

// A Listener is a non-blocking socket that a thread waits for with poll(2), together with a pipe that wakes it: closing a
// socket does not wake a thread that is blocked in accept(2), and shutting it down would reset what is in its queue.
type Listener struct {
	file   *os.File
	fd     int
	wakeR  int
	wakeW  int
	spare  int // a descriptor to give up when there is none left
	rest   listen.Emptying
	closed sync.Once
}

// ErrStopped is what Accept returns at the end.
var ErrStopped = errors.New("stopped")

// NewListener listens as cfg says. Connections that it accepts have the idle timeout and the write timeout of cfg.
func NewListener(cfg servers.Config) (*Listener, error) {
	nl, err := listen.TCP(cfg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = nl.Close() }() // the duplicate goes on listening, outside of Go's netpoller
	f, err := nl.File()
	if err != nil {
		return nil, err
	}
	l := &Listener{file: f, fd: int(f.Fd()), rest: listen.Emptying{Limit: cfg.DrainTimeout / 2}}
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		_ = f.Close()
		return nil, os.NewSyscallError("pipe", err)
	}
	l.wakeR, l.wakeW = pipe[0], pipe[1]
	unix.CloseOnExec(l.wakeR)
	unix.CloseOnExec(l.wakeW)
	l.spare = openSpare()

	// Accepted sockets inherit these (see Accept), which saves three system calls for each.
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

// Accept returns a blocking descriptor, or ErrStopped once ctx is done and the queue is empty.
func (l *Listener) Accept(ctx context.Context) (int, error) {
	for {
		fd, err := l.TryAccept(ctx)
		if err != unix.EAGAIN {
			return fd, err
		}
		if err := l.Wait(nil, -1); err != nil {
			return -1, err
		}
	}
}

// TryAccept is Accept that returns unix.EAGAIN instead of waiting for a connection.
func (l *Listener) TryAccept(ctx context.Context) (int, error) {
	for {
		fd, err := acceptBlocking(l.fd)
		switch err {
		case nil:
			return fd, nil
		case unix.EINTR, unix.ECONNABORTED:
		case unix.EAGAIN:
			if ctx.Err() == nil {
				return -1, err
			}
			if !l.rest.More(l.fd) {
				return -1, ErrStopped
			}
		default:
			return -1, os.NewSyscallError("accept", err)
		}
	}
}

// Wait waits until there may be a connection to accept, or Wake is called, or one of others can be read, or timeout (if it
// is not negative) is over.
func (l *Listener) Wait(others []unix.PollFd, timeout time.Duration) error {
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

// IsShort reports whether accept failed because the process or the system has no descriptor or no memory left.
func IsShort(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// Each calls start for each connection, with a blocking descriptor that is start's, until ctx is done and the queue is
// empty. What the process or the system has no descriptor for is refused.
func (l *Listener) Each(ctx context.Context, log zerolog.Logger, start func(fd int)) error {
	short := false
	for {
		fd, err := l.Accept(ctx)
		switch {
		case err == nil:
			short = false
			start(fd)
		case errors.Is(err, ErrStopped):
			return nil
		case IsShort(err):
			// A model's own limit should have kept us from this; somebody else took the system's last descriptors, perhaps.
			if !short {
				short = true
				log.Warn().Err(err).Msg("cannot accept for now")
			}
			l.RefuseOne()
		default:
			return err
		}
	}
}

// Wake makes Accept look at its context.
func (l *Listener) Wake() { _, _ = unix.Write(l.wakeW, []byte{0}) }

// RefuseOne takes a connection with the spare descriptor and resets it, when there is no other descriptor. Left in the
// queue, it would make poll return at once for ever.
func (l *Listener) RefuseOne() {
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
		// wakeW stays open: Wake may be called at any time, and must not write to a descriptor that is reused.
	})
}

func openSpare() int {
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// Reset closes fd so that its peer sees a reset at once.
func Reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 0})
	_ = unix.Close(fd)
}

// SetTimeout sets SO_RCVTIMEO or SO_SNDTIMEO of fd: a read or a write that takes longer fails with EAGAIN.
func SetTimeout(fd, option int, d time.Duration) error {
	// Zero would mean for ever, and the kernel rounds up.
	tv := unix.NsecToTimeval(max(d, time.Microsecond).Nanoseconds())
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &tv)
}
