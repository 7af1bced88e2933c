package harness

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/fault"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/launch"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A running server was started before the campaign by someone else, and continues to run
// after it. It may be on another host, so its processes are unknown, and its connections
// are counted at the clients' end.
type running struct {
	addr   netip.AddrPort
	exited chan struct{} // never closed: only the clients notice its end
}

var _ loadtest.Server = (*running)(nil)

func newRunning(addr netip.AddrPort) *running { return &running{addr, make(chan struct{})} }

func (r *running) Addr() string { return r.addr.String() }
func (r *running) CPU() (user, sys float64, at time.Time, err error) {
	return 0, 0, time.Now(), nil
}
func (r *running) Usage() (u result.Usage, err error)    { return u, nil }
func (r *running) CtxSwitches() (n int64, err error)     { return 0, nil }
func (r *running) Box(result.Usage) (*result.Box, error) { return nil, nil }
func (r *running) Exited() <-chan struct{}               { return r.exited }
func (r *running) Stop() error                           { return nil }
func (r *running) Kill() error                           { return nil }
func (r *running) Answers() bool                         { return launch.Probe(r.Addr(), "http") == nil }
func (r *running) Connections() (c loadtest.Connections, err error) {
	c.Established, err = host.ConnectionsTo(r.addr)
	return c, err
}

// errNotOurs is the error of injecting a fault into it.
var errNotOurs = errors.New("this run did not start the server, so its processes are not known")

func (r *running) PIDs() ([]int, error)                 { return nil, errNotOurs }
func (r *running) Workers() ([]fault.Worker, error)     { return nil, errNotOurs }
func (r *running) WorkerOf(netip.AddrPort) (int, error) { return 0, errNotOurs }
func (r *running) Signal(int, syscall.Signal) error     { return errNotOurs }
func (r *running) LimitMemory(int, int64) error         { return errNotOurs }
