package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// longAgo is a deadline that ends a wait at once.
var longAgo = time.Unix(1, 0)

// Accept calls start for each connection of ln, until ctx is done and the queue is empty. Then it
// closes ln and returns nil. After ctx is done it continues for limit at most.
func Accept(ctx context.Context, ln *net.TCPListener, limit time.Duration, log zerolog.Logger, start func(*net.TCPConn)) error {
	defer func() { _ = ln.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = ln.SetDeadline(longAgo) })
	defer stop()
	leaving := Emptying{Limit: limit}
	shortage := Shortage{Log: log}
	for {
		if ctx.Err() != nil {
			// With the deadline in the past, accept would fail without a look at the queue.
			if !more(ln, &leaving) {
				return nil
			}
			_ = ln.SetDeadline(time.Now().Add(time.Second))
		}
		c, err := ln.AcceptTCP()
		switch {
		case err == nil:
			shortage.End()
			start(c)
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		case shortage.Is(err):
			// Connections that end give back descriptors.
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				return nil
			}
		default:
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		}
	}
}

// more reports whether the queue of ln, which will be closed, has a connection. It waits: see
// Emptying.
func more(ln *net.TCPListener, leaving *Emptying) (more bool) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) { more = leaving.More(int(fd)) })
	return err == nil && more
}

// A Shortage is a time in which accept fails because the process or the system has no descriptor or
// no memory left. The limit of a model should prevent it, but another program may use the last ones
// of the system.
type Shortage struct {
	Log   zerolog.Logger
	lasts bool
}

// Is reports whether err is such a failure. It logs the first one of a shortage.
func (s *Shortage) Is(err error) bool {
	if !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENFILE) && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.ENOMEM) {
		return false
	}
	if !s.lasts {
		s.lasts = true
		s.Log.Warn().Err(err).Msg("cannot accept for now")
	}
	return true
}

// End must be called when accept succeeds.
func (s *Shortage) End() { s.lasts = false }

// Refuse closes c. The client sees a reset at once.
func Refuse(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
