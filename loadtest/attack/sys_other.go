//go:build !linux

package attack

import (
	"errors"
	"net/netip"
	"time"
)

// The generator waits with epoll, which is Linux's.
type poller struct{}

const (
	readable = 1
	writable = 2
)

func newPoller() (*poller, error)                       { return nil, errors.ErrUnsupported }
func (*poller) close()                                  {}
func (*poller) add(int, uint32, int) error              { return errors.ErrUnsupported }
func (*poller) change(int, uint32, int) error           { return errors.ErrUnsupported }
func (*poller) wait(time.Duration) (int, error)         { return 0, errors.ErrUnsupported }
func (*poller) event(int) (client int, in, out bool)    { return 0, false, false }
func read(int, []byte) (int, error)                     { return 0, errors.ErrUnsupported }
func write(int, []byte) (int, error)                    { return 0, errors.ErrUnsupported }
func wouldBlock(error) bool                             { return false }
func closeSocket(int)                                   {}
func dial(netip.AddrPort, netip.Addr) (fd int, _ error) { return -1, errors.ErrUnsupported }
func dialed(int) error                                  { return errors.ErrUnsupported }
func wakeOnTime()                                       {}
