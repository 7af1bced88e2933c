package attack

import (
	"net/netip"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/load"
)

const (
	// perSource is how many connections are opened from one local address: it has
	// about 28,000 ports by default for each destination.
	perSource = 20_000
	// churnSources is how many local addresses connect in turn where each request
	// has its own connection, as the port of a closed one is not free at once.
	churnSources = 16
	// reconnectEvery is the longest wait before a client reconnects that a fault
	// has hit.
	reconnectEvery = 100 * time.Millisecond
)

// A connector says when which client of a shard opens its connection: each for
// the first time at the generator's rate (the ramp), and again some time after a
// failure. It bounds how many do so at a time.
type connector struct {
	clients int           // of the shard
	from    time.Duration // when the ramp begins
	rate    float64       // connects a second, of all shards
	shards  int           // that take turns in the ramp
	number  int           // of this shard
	dialed  int           // clients that have dialed for the first time
	retries []retry       // in the order of their times
	pending int           // new connections that no answer has come on yet
	most    int           // pending at a time

	histogram *hdrhistogram.Histogram // of the connects before Run
	refused   int                     // attempts that failed before Run
	last      error                   // why the last of them failed
}

// A retry is a client that dials again, not before its time.
type retry struct {
	at     time.Duration
	client int
}

func newConnector(rate float64, shards, number, clients int) connector {
	return connector{
		clients: clients, rate: rate, shards: shards, number: number,
		most: max(1, maxPending/shards), histogram: load.NewHistogram(),
	}
}

// wake is when the next client may dial; never if none may.
func (c *connector) wake() time.Duration {
	at := never
	if c.pending < c.most {
		if c.dialed < c.clients {
			at = c.rampAt()
		}
		if len(c.retries) > 0 {
			at = min(at, c.retries[0].at)
		}
	}
	return at
}

// rampAt is when the next client dials for the first time.
func (c *connector) rampAt() time.Duration {
	n := float64(c.dialed*c.shards + c.number)
	return c.from + time.Duration(n/c.rate*float64(time.Second))
}

// next returns a client whose time to dial has come, if there is one.
func (c *connector) next(now time.Duration) (client int, ok bool) {
	switch {
	case c.pending >= c.most:
		return 0, false
	case len(c.retries) > 0 && c.retries[0].at <= now:
		client = c.retries[0].client
		c.retries = c.retries[1:]
	case c.dialed < c.clients && c.rampAt() <= now:
		client = c.dialed
		c.dialed++
	default:
		return 0, false
	}
	c.pending++
	return client, true
}

// retry has a client dial again at a time.
func (c *connector) retry(client int, at time.Duration) {
	i := len(c.retries)
	for i > 0 && c.retries[i-1].at > at {
		i--
	}
	c.retries = append(c.retries, retry{})
	copy(c.retries[i+1:], c.retries[i:])
	c.retries[i] = retry{at, client}
}

// stop keeps clients from dialing again.
func (c *connector) stop() { c.retries, c.dialed = nil, c.clients }

// backoff is how long to wait before attempt number n (from 0) is repeated.
func backoff(n int) time.Duration {
	return min(10*time.Millisecond<<min(n, 6), 500*time.Millisecond)
}

// dial begins to connect the clients whose time has come.
func (sh *shard) dial(now time.Duration) {
	for {
		i, ok := sh.connector.next(now)
		if !ok {
			return
		}
		cl := &sh.clients[i]
		cl.first, cl.sent = true, now
		sh.connect(cl)
	}
}

// connect begins to connect, for the request that is due or for the first one.
func (sh *shard) connect(cl *client) {
	now := cl.sent
	fd, err := dial(sh.of.addr, sh.of.source(cl))
	cl.state = dialing
	if err == nil {
		cl.fd = fd
		err = sh.poll.add(fd, writable, sh.index(cl))
	}
	if err != nil {
		sh.fail(cl, err, now)
	}
}

// connected sends the request that a client has connected for.
func (sh *shard) connected(cl *client, now time.Duration) {
	if err := dialed(cl.fd); err != nil {
		sh.fail(cl, err, now)
		return
	}
	if err := sh.poll.change(cl.fd, readable, sh.index(cl)); err != nil {
		sh.fail(cl, err, now)
		return
	}
	took := now - cl.sent
	switch {
	case !cl.first: // the time to connect belongs to the answer, too
		sh.recorder.connected(now, took)
	case !sh.of.running:
		_ = sh.connector.histogram.RecordValue(trackable(took))
	}
	sh.send(cl, now)
}

// source is the local address that a client connects from, if the kernel is not
// to choose it: on loopback, where one address has too few ports, all of
// 127.0.0.0/8 can be used.
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
