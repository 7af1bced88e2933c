// Package attack is the load generator: it opens an exact number of
// connections, drives them with vegeta's Attacker and measures every answer.
// It is the only importer of vegeta.
//
// In the closed loop each client sends its next request the moment its last is
// answered, before vegeta does its bookkeeping for the answer. So N clients
// have N requests in flight at any time, as they must for Little's law to
// hold; with the usual order, a client would be idle while its worker hands in
// a result, waits for a tick and builds a request, each of them behind the other
// workers that want the same cores.
package attack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// Options are the generator's own settings. The zero value works.
type Options struct {
	// ConnectRate bounds how many connections are opened a second; 5,000 if 0.
	ConnectRate float64
	// Attackers work side by side, each with its share of the clients, its
	// histogram and its consumer; one for each core if 0.
	Attackers int
	// AnswerTimeout is how long a request that was sent within the window may
	// stay unanswered behind its end before it counts as an error; 5 s if 0.
	AnswerTimeout time.Duration
}

const (
	defaultConnectRate   = 5000
	dialers              = 64 // connections being opened at one time
	connectTimeout       = 10 * time.Second
	defaultAnswerTimeout = 5 * time.Second
)

// Clients are connections to one server, established and answered once each.
// Its methods are for one goroutine.
type Clients struct {
	exchange *exchange
	addr     string
	clock    clock
	patience time.Duration // see Options.AnswerTimeout
	shards   []*shard
	alive    atomic.Int64
	stopping atomic.Bool   // no client sends any more
	quit     chan struct{} // closed with it: wakes those that wait to reconnect
	aborted  atomic.Bool   // what fails from now on was cut off by us
}

// A client is one connection with at most one request in flight. It belongs to
// the goroutine that took its number from the shard's freelist.
type client struct {
	// conn is nil after a failure, until it is replaced. Others may set
	// deadlines on it.
	conn   atomic.Pointer[net.TCPConn]
	number uint32 // among all clients, from 0
	url    string // under which vegeta knows it
	req    []byte
	buf    []byte

	inFlight bool
	sent     time.Duration // when the request in flight was sent
	requests uint32
	retries  int

	// The last hit, for the consumer that gets vegeta's result of it.
	ended time.Duration
	took  time.Duration
	err   error
}

// Connect opens n connections at a bounded rate and has each answered once, so
// that it is known to be served and not only to wait in a queue. Attempts that
// fail are counted and made again until the time is up.
func Connect(ctx context.Context, t load.Target, n int, o Options) (*Clients, result.Connect, error) {
	if o.ConnectRate == 0 {
		o.ConnectRate = defaultConnectRate
	}
	if o.Attackers == 0 {
		o.Attackers = runtime.GOMAXPROCS(0)
	}
	if o.AnswerTimeout == 0 {
		o.AnswerTimeout = defaultAnswerTimeout
	}
	ex, err := newExchange(t)
	if err != nil {
		return nil, result.Connect{}, err
	}
	c := &Clients{exchange: ex, addr: t.Addr, clock: clock{time.Now()}, quit: make(chan struct{}), patience: o.AnswerTimeout}
	var all []*client
	for i := range min(o.Attackers, n) {
		sh := newShard(c, n/min(o.Attackers, n)+btoi(i < n%min(o.Attackers, n)), len(all), t)
		c.shards = append(c.shards, sh)
		for j := range sh.clients {
			all = append(all, &sh.clients[j])
		}
	}

	begin := time.Now()
	timeout := connectTimeout + time.Duration(float64(n)/o.ConnectRate*float64(time.Second))
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not connected after %v", timeout.Round(time.Second)))
	defer cancel()
	ctx, give := context.WithCancelCause(ctx) // gives up, and why
	defer give(nil)
	took := make([]time.Duration, n)
	var (
		wg      sync.WaitGroup
		next    atomic.Int64
		refused atomic.Int64
		mu      sync.Mutex
		last    error
	)
	for range min(dialers, n) {
		wg.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				due := begin.Add(time.Duration(float64(i) / o.ConnectRate * float64(time.Second)))
				if !sleep(ctx, time.Until(due)) {
					return
				}
				for attempt := 0; ; attempt++ {
					d, err := c.connect(ctx, all[i])
					if err == nil {
						took[i] = d
						break
					}
					refused.Add(1)
					mu.Lock()
					last = err
					mu.Unlock()
					if wrongAnswer(err) {
						give(errors.New("a server that answers wrongly is not asked again"))
					}
					if !sleep(ctx, backoff(attempt)) {
						return
					}
				}
			}
		})
	}
	wg.Wait()
	stats := result.Connect{Sec: time.Since(begin).Seconds(), Refused: int(refused.Load())}
	if got := int(c.alive.Load()); got < n {
		c.Close()
		err := context.Cause(ctx)
		if last != nil {
			err = fmt.Errorf("%w: last failure (%s): %w", err, Classify(last), last)
		}
		return nil, stats, fmt.Errorf("connect %d clients to %s: got %d: %w", n, t.Addr, got, err)
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	stats.P99Sec = took[(n*99+99)/100-1].Seconds()
	return c, stats, nil
}

// wrongAnswer tells a server that answers, but wrongly, from one that cannot be
// reached yet.
func wrongAnswer(err error) bool {
	switch Classify(err) {
	case KindBytes, KindUnasked, KindStatus, KindMalformed:
		return true
	}
	return false
}

// connect opens the client's connection and asks it once. It returns how long
// the opening took.
func (c *Clients) connect(ctx context.Context, cl *client) (time.Duration, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: false}}
	begin := time.Now()
	conn, err := d.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return 0, err
	}
	took := time.Since(begin)
	cl.conn.Store(conn.(*net.TCPConn))
	if err := c.first(ctx, cl, conn); err != nil {
		conn.Close()
		cl.conn.Store(nil)
		return 0, err
	}
	c.alive.Add(1)
	return took, nil
}

// first asks a new connection for its first answer, within the deadline of ctx.
func (c *Clients) first(ctx context.Context, cl *client, conn net.Conn) error {
	cl.inFlight = false
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if err := c.send(cl, c.clock.now()); err != nil {
		return err
	}
	if err := c.receive(cl); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	// Whoever stops the clients sets their deadlines behind this flag: either
	// it shows here, or the deadline comes behind the line above.
	if c.stopping.Load() {
		return net.ErrClosed
	}
	return nil
}

func (c *Clients) send(cl *client, now time.Duration) error {
	cl.requests++
	c.exchange.stamp(cl.req, cl.number, cl.requests)
	cl.sent, cl.inFlight = now, true
	_, err := cl.conn.Load().Write(cl.req)
	return err
}

func (c *Clients) receive(cl *client) (err error) {
	cl.buf, err = c.exchange.receive(cl.conn.Load(), cl.req, cl.buf)
	cl.inFlight = false
	return err
}

// hit is one turn of a client: it waits for the answer to the request that is
// in flight, or sends one if none is, and sends the next. What came of it is
// left in the client.
func (c *Clients) hit(cl *client) {
	if cl.conn.Load() == nil && !c.reconnect(cl) {
		return
	}
	if !cl.inFlight {
		cl.err = c.send(cl, c.clock.now())
	} else {
		cl.err = nil
	}
	if cl.err == nil {
		cl.err = c.receive(cl)
	}
	cl.ended = c.clock.now()
	cl.took = cl.ended - cl.sent
	if cl.err == nil && !c.stopping.Load() {
		// A failure to send shows when the answer is waited for.
		_ = c.send(cl, cl.ended)
	}
	if cl.err != nil {
		c.drop(cl)
	}
}

func (c *Clients) drop(cl *client) {
	cl.conn.Swap(nil).Close()
	cl.inFlight = false
	c.alive.Add(-1)
}

// reconnect replaces a connection that was lost, so that the load stays the
// same while the errors are counted. It reports whether there is one again; if
// not, the client holds the error.
func (c *Clients) reconnect(cl *client) bool {
	select {
	case <-c.quit:
	case <-time.After(backoff(cl.retries)):
	}
	cl.retries++
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	go func() { // Close must not wait for a server that accepts no more.
		select {
		case <-c.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	_, cl.err = c.connect(ctx, cl)
	if cl.err != nil {
		cl.ended = c.clock.now()
		return false
	}
	cl.retries = 0
	return true
}

// backoff is how long to wait before attempt number n (from 0) is repeated.
func backoff(n int) time.Duration {
	return min(10*time.Millisecond<<min(n, 6), 500*time.Millisecond)
}

// Established is the number of connections on which nothing has failed.
func (c *Clients) Established() int { return int(c.alive.Load()) }

// Attackers is how many attackers share the clients.
func (c *Clients) Attackers() int { return len(c.shards) }

func (c *Clients) each(f func(*client)) {
	for _, sh := range c.shards {
		for i := range sh.clients {
			f(&sh.clients[i])
		}
	}
}

// setDeadline bounds what is under way and to come on all connections.
func (c *Clients) setDeadline(t time.Time) {
	c.each(func(cl *client) {
		if conn := cl.conn.Load(); conn != nil {
			_ = conn.SetDeadline(t) // fails on one that is closed already
		}
	})
}

// Close closes all connections at once, after Run or instead of it.
func (c *Clients) Close() error {
	c.stop()
	c.each(func(cl *client) {
		if cl.conn.Load() != nil {
			c.drop(cl)
		}
	})
	return nil
}

func (c *Clients) stop() {
	if c.stopping.CompareAndSwap(false, true) {
		close(c.quit)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
