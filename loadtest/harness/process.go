package harness

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/fault"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/launch"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A process is a server that this run has launched.
type process struct {
	*launch.Server
	protocol string
	in       *boxed // nil if it is in no box
}

var _ loadtest.Server = process{}

func (p process) Addr() string { return p.Server.Addr }

func (p process) CPU() (user, sys float64, at time.Time, err error) {
	t, err := p.Tree().CPU()
	return t.User, t.Sys, t.At, err
}

func (p process) Usage() (u result.Usage, err error) { return p.Tree().Usage() }
func (p process) CtxSwitches() (int64, error)        { return p.Tree().CtxSwitches() }

func (p process) Box(u result.Usage) (*result.Box, error) {
	if p.in == nil {
		return nil, nil
	}
	return p.in.read(u)
}

func (p process) Stop() error { return errors.Join(p.Server.Stop(), p.in.remove()) }
func (p process) Kill() error { return errors.Join(p.Server.Kill(), p.in.remove()) }

// sockets returns the sockets of the server's port, and the process that each belongs to.
func (p process) sockets() (s host.Sockets, owners map[uint32]int, err error) {
	if s, err = host.SocketsOn(p.Port); err == nil {
		owners, err = p.Tree().SocketOwners()
	}
	return s, owners, err
}

func (p process) Connections() (c loadtest.Connections, err error) {
	sockets, owners, err := p.sockets()
	if err != nil {
		return c, err
	}
	c.Established = len(sockets.Established)
	c.PerProcess, _ = sockets.ConnsPerProcess(owners)
	c.SocketBytes = host.ReadSocketObjects(procRoot).Bytes(sockets)
	return c, nil
}

// PIDs returns the living processes, the leader first. Its id is that of the group.
func (p process) PIDs() ([]int, error) {
	pids, err := p.Tree().PIDs()
	if i := slices.Index(pids, p.Tree().PGID); i > 0 {
		pids = slices.Insert(slices.Delete(pids, i, i+1), 0, p.Tree().PGID)
	}
	return pids, err
}

func (p process) Workers() ([]fault.Worker, error) {
	sockets, owners, err := p.sockets()
	if err != nil {
		return nil, err
	}
	conns := map[int]int{}
	for _, inode := range sockets.Established {
		if pid := owners[inode]; pid != 0 {
			conns[pid]++
		}
	}
	var all []fault.Worker
	for pid, n := range conns {
		all = append(all, fault.Worker{PID: pid, Conns: n})
	}
	slices.SortFunc(all, func(a, b fault.Worker) int { return cmp.Or(b.Conns-a.Conns, a.PID-b.PID) })
	return all, nil
}

func (p process) WorkerOf(peer netip.AddrPort) (int, error) {
	sockets, owners, err := p.sockets()
	return sockets.OwnerOf(peer, owners), err
}

// Signal sends a signal to a process of the group, and to no other.
func (p process) Signal(pid int, s syscall.Signal) error {
	if err := p.ours(pid); err != nil {
		return err
	}
	if err := syscall.Kill(pid, s); err != nil {
		return fmt.Errorf("send %v to pid %d: %w", s, pid, err)
	}
	return nil
}

func (p process) LimitMemory(pid int, bytes int64) error {
	if err := p.ours(pid); err != nil {
		return err
	}
	return host.LimitData(procRoot, pid, bytes)
}

// ours fails unless a process belongs to the server. It uses a single system call, because
// it delays the fault.
func (p process) ours(pid int) error {
	if group, err := syscall.Getpgid(pid); err != nil || group != p.Tree().PGID {
		return fmt.Errorf("pid %d is not, or no longer, a process of the server", pid)
	}
	return nil
}

func (p process) Answers() bool { return launch.Probe(p.Addr(), p.protocol) == nil }
