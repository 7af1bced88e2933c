// Package multiloop is the model of an event loop for each core, in one process, by gnet (see
// package loop).
//
// How a connection is waited for: as in package eventloop, by one of the loops. A connection stays
// with its loop until it ends.
//
// Who schedules: the kernel schedules the loops, one thread per core, and each loop serves its
// connections one after the other. A handler that computes for long, or blocks, delays the
// connections of its own loop: with two loops, half of all. An acceptor gives each new connection
// to the loop that has the fewest, so that the loops differ by at most one while connections
// arrive. It does not know which connections are busy, and connections never move.
//
// What is shared: the process with its memory, garbage collector and descriptors. The loops share
// no state of connections, and take no lock for one. State of all requests (see package counter)
// can be kept for each loop and added up when it is read.
//
// What it costs: the same as package eventloop for a connection, and a little more when it arrives,
// because one thread accepts it and passes it to another.
//
// When to use it: for very many connections with more work than one core can do, if state must stay
// in one process. Otherwise prefork-eventloop does the same and shares nothing.
package multiloop

import (
	"context"
	"runtime"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/loop"
)

// Model is an event loop for each core.
var Model = servers.Model{
	Name:      "multiloop",
	Doc:       "one process, an event loop per core, each connection with the loop that had the fewest, by gnet",
	Offloads:  true,
	Processes: 1,
	Serve:     Serve,
}

// Serve listens on cfg.Addr and serves until ctx is done.
func Serve(ctx context.Context, cfg servers.Config) error {
	return loop.Many(ctx, cfg, runtime.GOMAXPROCS(0))
}
