// Package eventloop is the model of one thread that waits for all connections at once: an event
// loop, by gnet (see package loop).
//
// How a connection is waited for: the loop asks the kernel (epoll, kqueue) which connections can be
// read. It reads, answers and writes one after the other, and never blocks. An idle connection is
// an entry in a table. A delayed answer is an entry in another table, ordered by time, and a timer
// wakes the loop for the first one.
//
// Who schedules: the loop serves one connection after the other. There is no switch between threads
// from one request to the next, and under load one call of epoll_wait returns many requests. But a
// handler that computes for long, or makes a blocking system call, delays all clients. One loop
// uses one core: more cores need more loops. A pool of threads can make blocking calls (--offload).
// Each then costs two switches between threads, and Go's scheduler needs a second processor.
//
// What is shared: nothing. No lock is needed, because the loop alone accepts, reads, answers and
// closes connections.
//
// What it costs: about 500 bytes for an idle connection besides the kernel's socket, nearly all of
// them gnet's. The loop adds four, for the time at which the connection last sent something. A
// request allocates nothing. But with more than about 64 busy connections gnet's list of events
// grows and shrinks all the time, and leaves garbage up to Go's first collection at 4 MB. That is a
// fixed cost, not one of a connection.
//
// When to use it: for very many connections with little work for each.
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
