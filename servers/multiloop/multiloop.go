// Package multiloop is the model of an event loop for each core, in one process, by gnet (see package loop).
//
// How a connection is waited for: as in package eventloop, by the loop it was given to. It stays with that loop to its end.
//
// Who schedules: the kernel schedules the loops, which are as many threads as there are cores; the loop takes turns with its
// connections. A handler that computes long, or blocks, holds up those of its own loop and no others: with two loops, half of
// all. An acceptor gives each new connection to the loop that has the fewest, so that they differ by one at most while
// connections come; it does not know which of them are busy, and none ever moves.
//
// What is shared: the process: its memory, its garbage collector, its descriptors. The loops share no state of a connection
// and take no lock for one. What requests share (see package counter) can be kept for each loop, and added up when somebody
// asks.
//
// What it costs: what it costs in package eventloop for a connection, a little more when it comes, because it is accepted by
// one thread and handed to another.
//
// When to use it: for very many connections with so much to do that one core does not carry them, and state that is to
// stay in one process. Otherwise prefork over eventloop does the same with nothing shared at all.
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
