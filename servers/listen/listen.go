// Package listen opens and closes the listening sockets of the models, so that all of them bind, and all of them leave,
// in the same way.
package listen

import (
	"context"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers"
)

// TCP listens on cfg.Addr, together with other processes if cfg.SharePort says so. If there is a cfg.Listener, it listens
// on that socket, with a descriptor of its own.
func TCP(cfg servers.Config) (*net.TCPListener, error) {
	if cfg.Listener != nil {
		ln, err := net.FileListener(cfg.Listener)
		if err != nil {
			return nil, err
		}
		return ln.(*net.TCPListener), nil
	}
	var lc net.ListenConfig
	// Go listens with multipath TCP where there is it. That is another kind of socket, from which accepted ones do not
	// inherit what is set on the listener, and none of the other servers uses it.
	lc.SetMultipathTCP(false)
	if cfg.SharePort {
		lc.Control = func(_, _ string, raw syscall.RawConn) error {
			var optErr error
			if err := raw.Control(func(fd uintptr) {
				optErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			}); err != nil {
				return err
			}
			return os.NewSyscallError("set SO_REUSEPORT", optErr)
		}
	}
	ln, err := lc.Listen(context.Background(), "tcp", cfg.Addr)
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

// Exclusive reports whether anybody listens on addr: a socket without SO_REUSEPORT cannot be bound then. Otherwise two
// servers could share a port unawares, and each answer a part of the clients.
func Exclusive(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return ln.Close()
}

const (
	// quiet is how long nobody must have come before a listener is closed: a client takes itself for connected as soon as
	// it has sent the last packet of the handshake, and closing resets it if that packet is still on its way.
	quiet = 10 * time.Millisecond
	// quietFor is how long such a silence is waited for. After that the listener is closed as soon as its queue is empty.
	quietFor = 200 * time.Millisecond
)

// An Emptying says when a listener that is going to close has an empty accept queue: what is left in it would be reset.
// It begins with the first call of More.
type Emptying struct {
	Limit time.Duration // however many come

	since time.Time
}

// More waits until there is a connection to accept from the listener fd. It returns false when the listener can be closed.
func (e *Emptying) More(fd int) bool {
	if e.since.IsZero() {
		e.since = time.Now()
	}
	for {
		var wait time.Duration
		switch spent := time.Since(e.since); {
		case spent >= e.Limit:
			return false
		case spent < quietFor:
			wait = quiet
		}
		queue := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(queue, int(wait.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		return err == nil && n > 0
	}
}
