package main

import (
	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/launch"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A process is a launched server as a campaign sees it.
type process struct{ *launch.Server }

var _ loadtest.Server = process{}

func (p process) Addr() string { return p.Server.Addr }

func (p process) CPU() (user, sys float64, err error) {
	t, err := p.Tree().CPU()
	return t.User, t.Sys, err
}

func (p process) Usage() (u result.Usage, err error) { return p.Tree().Usage() }
func (p process) CtxSwitches() (int64, error)        { return p.Tree().CtxSwitches() }

func (p process) Connections() (c loadtest.Connections, err error) {
	sockets, err := host.SocketsOn(p.Port)
	if err != nil {
		return c, err
	}
	owners, err := p.Tree().SocketOwners()
	if err != nil {
		return c, err
	}
	c.Established = len(sockets.Established)
	c.PerProcess, _ = sockets.ConnsPerProcess(owners)
	c.SocketBytes = host.ReadSocketObjects(procRoot).Bytes(sockets)
	return c, nil
}
