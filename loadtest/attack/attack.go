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
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
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
	// AnswerTimeout is how long a request that was sent within the window may
	// stay unanswered behind its end before it counts as an error; 5 s and the
	// longest time that a request asks for if 0.
	AnswerTimeout time.Duration
	// ConnectTimeout is how long the connecting may go on without a client more
	// that is connected; 10 s if 0.
	ConnectTimeout time.Duration
	// AllowRemote lets the target be another host. Without it only this one is
	// loaded: a load on somebody else's machine must be meant.
	AllowRemote bool
	// Raw keeps each request of the window, for Samples; about 50 bytes each.
	Raw bool
}

const (
	defaultConnectRate    = 5000
	defaultConnectTimeout = 10 * time.Second
	defaultAnswerTimeout  = 5 * time.Second
	maxPending            = 64 // connections being opened at one time

	// perSource is how many connections are opened from one local address: it has
	// about 28,000 ports by default for each destination.
	perSource = 20_000
	// churnSources is how many local addresses connect in turn where each request
	// has its own connection, as the port of a closed one is not free at once.
	churnSources = 16
)

// Clients are connections to one server, established and answered once each.
// Its methods are for one goroutine, but for Established.
type Clients struct {
	target     load.Target
	population load.Population
	options    Options
	addr       netip.AddrPort
	clock      clock
	shards     []*shard
	maxPending int           // connects under way, of each shard
	connecting time.Duration // when that began

	alive atomic.Int64
	quit  atomic.Pointer[error] // why connecting was given up

	closed bool

	// Of Run.
	work               load.Work
	running            bool
	stopping, aborted  atomic.Bool
	openedAt, closedAt atomic.Int64 // edges of the window on the clock, 0 while it has none
}

// Connect opens the clients' connections at a bounded rate and has each answered
// once, so that it is known to be served and not only to wait in a queue.
// Attempts that fail are counted and made again until the time is up. What is
// known of the connecting is returned in any case.
func Connect(ctx context.Context, t load.Target, p load.Population, o Options) (*Clients, *load.Connected, error) {
	if p.ConnectRate == 0 {
		p.ConnectRate = defaultConnectRate
	}
	if p.Active == 0 {
		p.Active = p.Clients
	}
	p.Active = max(p.Active, 0)
	if o.Shards == 0 {
		o.Shards = runtime.GOMAXPROCS(0)
	}
	if o.AnswerTimeout == 0 {
		o.AnswerTimeout = defaultAnswerTimeout
		for _, r := range t.Requests {
			o.AnswerTimeout = max(o.AnswerTimeout, defaultAnswerTimeout+r.Time)
		}
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}
	stats := &load.Connected{Histogram: load.NewHistogram()}
	if p.Clients < 1 || p.Active > p.Clients {
		return nil, stats, fmt.Errorf("%d clients, %d of them active: there must be one, and not more active than there are", p.Clients, p.Active)
	}
	addr, err := Resolve(t.Addr, o.AllowRemote)
	if err != nil {
		return nil, stats, err
	}
	c := &Clients{target: t, population: p, options: o, addr: addr, clock: clock{time.Now()}}
	shards := min(o.Shards, p.Clients)
	c.maxPending = max(1, maxPending/shards)
	for i, first := 0, 0; i < shards; i++ {
		n := p.Clients / shards
		if i < p.Clients%shards {
			n++
		}
		sh, err := newShard(c, i, n, first)
		if err != nil {
			_ = c.Close()
			return nil, stats, err
		}
		c.shards = append(c.shards, sh)
		first += n
	}

	defer context.AfterFunc(ctx, func() { c.giveUp(context.Cause(ctx)) })()
	connected := make(chan struct{})
	defer close(connected)
	go c.hurry(connected, o.ConnectTimeout)
	c.connecting = c.clock.now()
	c.all(func(sh *shard) {
		sh.work(never, func() bool { return int(c.alive.Load()) == p.Clients || c.quit.Load() != nil })
		if sh.failed != nil {
			c.giveUp(sh.failed)
		}
	})
	stats.Sec = (c.clock.now() - c.connecting).Seconds()
	var last error
	for _, sh := range c.shards {
		stats.Histogram.Merge(sh.connects)
		stats.Refused += sh.refused
		if sh.last != nil {
			last = sh.last
		}
	}
	if last != nil {
		stats.Last = fmt.Sprintf("%s: %v", Classify(last), last)
	}
	if got := int(c.alive.Load()); got < p.Clients {
		_ = c.Close()
		err := *c.quit.Load()
		if last != nil {
			err = fmt.Errorf("%w: last failure (%s): %w", err, Classify(last), last)
		}
		return nil, stats, fmt.Errorf("connect %d clients to %s: got %d: %w", p.Clients, t.Addr, got, err)
	}
	return c, stats, nil
}

// Resolve finds the address of a target, and refuses that of another host, unless
// it is allowed, with ErrRemote.
func Resolve(addr string, allowRemote bool) (netip.AddrPort, error) {
	a, err := resolve(addr)
	if err == nil && !allowRemote && !local(a.Addr()) {
		return netip.AddrPort{}, fmt.Errorf("%w: %s", ErrRemote, addr)
	}
	return a, err
}

func resolve(addr string) (netip.AddrPort, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if a.IP == nil {
		return netip.AddrPort{}, fmt.Errorf("address %s names no host", addr)
	}
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), nil
}

// ErrRemote refuses a target that is not this host.
var ErrRemote = errors.New("the target is not this host, and loading another was not allowed")

// local tells whether an address is one of this host's.
func local(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(o net.Addr) bool {
		p, err := netip.ParsePrefix(o.String())
		return err == nil && p.Addr().Unmap() == a
	})
}

// hurry gives up the connecting when no client has been connected for so long. A
// server that starts a process for each may take its time with thousands, but it
// goes on.
func (c *Clients) hurry(connected <-chan struct{}, atMost time.Duration) {
	tick := time.NewTicker(max(atMost/20, time.Millisecond))
	defer tick.Stop()
	last, since := c.alive.Load(), time.Now()
	for {
		select {
		case <-connected:
			return
		case <-tick.C:
		}
		if n := c.alive.Load(); n > last {
			last, since = n, time.Now()
		} else if time.Since(since) >= atMost {
			c.giveUp(fmt.Errorf("no client more for %v", atMost))
			return
		}
	}
}

// giveUp ends the connecting.
func (c *Clients) giveUp(why error) { c.quit.CompareAndSwap(nil, &why) }

// wrongAnswer tells a server that answers, but wrongly, from one that cannot be
// reached yet.
func wrongAnswer(err error) bool {
	switch Classify(err) {
	case KindBytes, KindUnasked, KindStatus, KindMalformed:
		return true
	}
	return false
}

// all has each shard do something, side by side.
func (c *Clients) all(f func(*shard)) {
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

// source is the local address that a client connects from, if it is not the
// kernel's choice: on loopback, where one has too few ports, all of 127.0.0.0/8
// can be.
func (c *Clients) source(cl *client) netip.Addr {
	if !c.addr.Addr().Is4() || !c.addr.Addr().IsLoopback() {
		return netip.Addr{}
	}
	n := int(cl.number) / perSource
	if c.population.PerRequest {
		n = int(cl.number+cl.asked) % churnSources
	}
	if n == 0 {
		return netip.Addr{}
	}
	n++ // 127.0.0.1 is the server's
	return netip.AddrFrom4([4]byte{127, byte(n >> 16), byte(n >> 8), byte(n)})
}

// reconnectEvery is the longest wait before a client comes back that a fault has
// hit.
const reconnectEvery = 100 * time.Millisecond

// backoff is how long to wait before attempt number n (from 0) is repeated.
func backoff(n int) time.Duration {
	return min(10*time.Millisecond<<min(n, 6), 500*time.Millisecond)
}

// Established is the number of connections on which nothing has failed; where
// each request has its own, of clients on which nothing has.
func (c *Clients) Established() int { return int(c.alive.Load()) }

// CPU is the time that this process has used, in seconds.
func (c *Clients) CPU() (float64, error) { return host.OwnCPU() }

// Shards is how many shards share the clients.
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
