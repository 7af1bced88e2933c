// Package eventloop is the model of one thread that waits for all connections at once: an event loop, by gnet (see package
// loop).
//
// How a connection is waited for: the loop asks the kernel (epoll, kqueue) which of its connections have something to
// read, and reads, answers and writes one after the other, without ever blocking. An idle connection is an entry in a
// table. A handler that waits is an entry in another table, ordered by time, and a timer wakes the loop for the first of them.
//
// Who schedules: nobody; the loop takes turns. There is no switch between threads from one request to the next, and under
// load one call of epoll_wait brings many of them. But a handler that computes long, or makes a system call that blocks,
// holds up everybody, and one loop uses one core: more cores need more loops. Blocking calls can be given to a pool of threads
// (--offload), which costs two switches between threads each, and a second processor in Go's scheduler.
//
// What is shared: nothing, and nothing needs a lock: connections are accepted, read, answered and closed by the loop alone.
//
// What it costs: about 600 bytes for an idle connection besides the kernel's socket, nearly all of them gnet's. The loop
// adds four: all it has to remember is when the connection last sent something.
//
// When to use it: for very many connections with little to do for each.
package eventloop

import (
	"context"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/loop"
)

// Model is one event loop.
var Model = servers.Model{
	Name:      "eventloop",
	Doc:       "one process, one thread that waits for all connections with epoll and serves them in turn, by gnet",
	Offloads:  true,
	Processes: 1,
	Serve:     Serve,
}

// Serve listens on cfg.Addr and serves until ctx is done.
func Serve(ctx context.Context, cfg servers.Config) error { return loop.One(ctx, cfg) }
