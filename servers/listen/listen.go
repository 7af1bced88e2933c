// Package listen opens and closes the listening sockets of the models, so that all models do it in
// the same way.
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

// TCP listens on cfg.Addr, or on the socket cfg.Listener, of which it makes a duplicate. If
// cfg.SharePort is set, other processes may listen on the same address.
func TCP(cfg servers.Config) (*net.TCPListener, error) {
	if cfg.Listener != nil {
		ln, err := net.FileListener(cfg.Listener)
		if err != nil {
			return nil, err
		}
		return ln.(*net.TCPListener), nil
	}
	var lc net.ListenConfig
	// Go uses multipath TCP if the system has it. The servers in other languages do not use it, and
	// its accepted sockets do not inherit the options of the listener.
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

// Exclusive returns an error if another process listens on addr: then a socket without SO_REUSEPORT
// cannot be bound. Otherwise two servers could share a port by mistake, and each would answer some
// of the clients.
func Exclusive(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return ln.Close()
}

const (
	// quiet is how long no connection must have arrived before a listener is closed. A client
	// considers itself connected as soon as it has sent the last packet of the handshake, and
	// closing resets it if that packet is still on its way.
	quiet = 10 * time.Millisecond
	// quietFor is how long More waits for that silence. After that an empty queue is enough.
	quietFor = 200 * time.Millisecond
)

// An Emptying finds out when a listener can be closed: its accept queue must be empty, because
// connections in the queue would be reset. It begins with the first call of More.
type Emptying struct {
	Limit time.Duration // ends it, even if connections still arrive

	since time.Time
}

// More waits until a connection can be accepted from the listener fd. It returns false when the
// listener can be closed.
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
