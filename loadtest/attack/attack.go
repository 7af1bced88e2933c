// Package attack is the load generator: it opens an exact number of
// connections, drives them and measures every answer. It is the only importer
// of vegeta.
//
// The clients are divided among shards, one for each core. A shard is one
// attacker of vegeta and an event loop, and one hit of vegeta is a turn of that
// loop: a slice of time in which it takes all answers that have come, checks each
// byte of them, and sends each client's next request. With one hit for each
// request, vegeta and net/http would take about three times the CPU time of the
// request itself, and the measurement would be of the generator; that way of using
// vegeta is kept as a peer (see Stock). The schedule of the open loop comes from
// vegeta's pacers, and raw results are written in its formats.
//
// Shards share nothing on the path of a request, and allocate nothing on it.
//
// In the closed loop a client sends its next request the moment its last is
// answered, so that N clients have N requests in flight at any time, as they
// must for Little's law to hold. In the open loop requests are due by a
// schedule, whatever the server does: a request that is due while all clients
// are waiting is sent by the first that is free, and its response time counts
// from when it was due.
package attack

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/load"
)

// Options are the generator's own settings. The zero value works.
type Options struct {
	// Shards is how many threads of load share the clients; one for each core if 0.
	Shards int
	// AnswerTimeout is how long after the window a request that was sent within it
	// may stay unanswered before it counts as an error; 5 s and the longest time
	// that a request asks for if 0.
	AnswerTimeout time.Duration
	// ConnectTimeout is how long connecting may take without a single further client
	// connected; 10 s if 0.
	ConnectTimeout time.Duration
	// AllowRemote lets the target be another host. Without it only this one is
	// loaded: nobody should load another machine by mistake.
	AllowRemote bool
	// Raw keeps each request of the window for Samples, in about 50 bytes.
	Raw bool
}

// Clients are connections to one server, established and answered once each.
// Its methods are for one goroutine, except Established and Answers.
type Clients struct {
	target     load.Target
	population load.Population
	options    Options
	addr       netip.AddrPort
	clock      clock
	shards     []*shard
	alive      atomic.Int64          // established
	quit       atomic.Pointer[error] // why connecting was given up
	closed     bool

	// Of Run.
	work              load.Work
	running           bool
	stopping, aborted atomic.Bool
	draining          atomic.Bool // before the window; open loop
	edges             edges
}

// each runs a function for all shards at the same time, each on a thread of its
// own.
func (c *Clients) each(f func(*shard)) {
	var wg sync.WaitGroup
	for _, sh := range c.shards {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			wakeOnTime()
			f(sh)
		})
	}
	wg.Wait()
}

// Established returns the number of connections on which nothing has failed. If each request
// has its own connection, it returns the number of clients without a failure.
func (c *Clients) Established() int { return int(c.alive.Load()) }

// CPU returns the time that this process has used, in seconds.
func (c *Clients) CPU() (float64, error) { return host.OwnCPU() }

// Shards returns how many shards share the clients.
func (c *Clients) Shards() int { return len(c.shards) }

// Close closes all connections at once, after Run or instead of it.
func (c *Clients) Close() error {
	if c.closed {
		return nil
	}
	c.closed = true
	for _, sh := range c.shards {
		for i := range sh.clients {
			if cl := &sh.clients[i]; cl.fd >= 0 {
				sh.hangUp(cl)
			}
		}
		sh.poll.close()
	}
	c.alive.Store(0)
	return nil
}
