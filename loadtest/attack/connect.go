package attack

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

const (
	defaultConnectRate    = 5000
	defaultConnectTimeout = 10 * time.Second
	defaultAnswerTimeout  = 5 * time.Second
	maxPending            = 64 // connections that are being opened at a time
)

// Connect opens the clients' connections at a bounded rate and has each answered
// once: a connection that only waits in a queue is not served. Attempts that fail
// are counted and repeated, until no further client is connected for
// Options.ConnectTimeout. What is known of the connecting is returned also with an
// error. The caller closes the clients.
func Connect(ctx context.Context, t load.Target, p load.Population, o Options) (*Clients, *load.Connected, error) {
	stats := &load.Connected{Histogram: load.NewHistogram()}
	c, err := newClients(t, p, o)
	if err != nil {
		return nil, stats, err
	}
	begin := c.clock.now()
	c.connect(ctx, begin)
	stats.Sec = (c.clock.now() - begin).Seconds()
	var last error
	for _, sh := range c.shards {
		k := &sh.connector
		stats.Histogram.Merge(k.histogram)
		stats.Refused += k.refused
		if k.last != nil {
			last = k.last
		}
	}
	if got := c.Established(); got < p.Clients {
		_ = c.Close()
		err := *c.quit.Load()
		if last != nil {
			stats.Kind = Classify(last)
			err = fmt.Errorf("%w: last failure (%s): %w", err, stats.Kind, last)
		}
		return nil, stats, fmt.Errorf("connect %d clients to %s: got %d: %w", p.Clients, t.Addr, got, err)
	}
	return c, stats, nil
}

// newClients prepares clients that are not connected yet.
func newClients(t load.Target, p load.Population, o Options) (*Clients, error) {
	if p.ConnectRate == 0 {
		p.ConnectRate = defaultConnectRate
	}
	if p.Active == 0 {
		p.Active = p.Clients
	}
	p.Active = max(p.Active, 0)
	if o.AnswerTimeout == 0 {
		o.AnswerTimeout = defaultAnswerTimeout
		for _, r := range t.Requests {
			o.AnswerTimeout = max(o.AnswerTimeout, defaultAnswerTimeout+r.Time)
		}
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}
	if p.Clients < 1 || p.Active > p.Clients {
		return nil, fmt.Errorf("%d clients, %d of them active: there must be one, and not more active than there are", p.Clients, p.Active)
	}
	addr, err := Resolve(t.Addr, o.AllowRemote)
	if err != nil {
		return nil, err
	}
	c := &Clients{target: t, population: p, options: o, addr: addr, clock: clock{time.Now()}}
	if o.Shards == 0 {
		o.Shards = runtime.GOMAXPROCS(0)
	}
	shards := min(o.Shards, p.Clients)
	for i, first := 0, 0; i < shards; i++ {
		n := p.Clients / shards
		if i < p.Clients%shards {
			n++
		}
		sh, err := newShard(c, shards, i, n, first)
		if err != nil {
			_ = c.Close()
			return nil, err
		}
		c.shards = append(c.shards, sh)
		first += n
	}
	return c, nil
}

// connect opens the connections, from a time on the clock on, until all clients
// are served or it is given up.
func (c *Clients) connect(ctx context.Context, begin time.Duration) {
	defer context.AfterFunc(ctx, func() { c.giveUp(context.Cause(ctx)) })()
	done := make(chan struct{})
	defer close(done)
	go c.watchConnecting(done)
	c.each(func(sh *shard) {
		sh.connector.from = begin
		sh.work(never, func() bool { return c.Established() == c.population.Clients || c.quit.Load() != nil })
		if sh.failed != nil {
			c.giveUp(sh.failed)
		}
	})
}

// watchConnecting gives up when no further client has been connected for the
// timeout. A server that starts a process for each client may take long for
// thousands, but it makes progress.
func (c *Clients) watchConnecting(done <-chan struct{}) {
	timeout := c.options.ConnectTimeout
	tick := time.NewTicker(max(timeout/20, time.Millisecond))
	defer tick.Stop()
	last, since := c.alive.Load(), time.Now()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if n := c.alive.Load(); n > last {
			last, since = n, time.Now()
		} else if time.Since(since) >= timeout {
			c.giveUp(fmt.Errorf("no further client in %v", timeout))
			return
		}
	}
}

// giveUp ends the connecting.
func (c *Clients) giveUp(why error) { c.quit.CompareAndSwap(nil, &why) }

// wrongAnswer reports whether an error is that of a server that answers, but
// wrongly, and not of one that cannot be reached yet.
func wrongAnswer(err error) bool {
	switch kind := Classify(err); kind {
	case result.KindBytes, result.KindUnasked, result.KindMalformed:
		return true
	default:
		return result.IsStatus(kind)
	}
}
