package attack

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A shard is a part of the clients and the event loop that serves them. It has
// all that it needs, so that shards share nothing on the path of a request, which
// is, from one answer to the next request: readable, answered, next, ask, send,
// write. Its methods are for one goroutine at a time.
type shard struct {
	of      *Clients
	number  int // among the generator's shards, from 0
	clients []client
	poll    *poller
	buf     []byte       // what was read last
	flying  int          // requests in flight, but for those of new connections
	probed  int64        // answers, but for those of new connections
	loop    string       // "" while nobody asks
	failed  error        // of the poller: nothing works any more
	passed  atomic.Int64 // the time on the clock up to which all is recorded

	script    script    // what the clients ask for
	connector connector // when they open their connections
	open      openLoop  // when requests are due
	recorder  recorder  // what is measured
	counter   counter   // what they did to the server's counter
}

// newShard makes one of a generator's shards, of the clients first to first+n-1.
func newShard(c *Clients, shards, number, n, first int) (*shard, error) {
	sh := &shard{of: c, number: number, clients: make([]client, n), buf: make([]byte, 64<<10)}
	sh.connector = newConnector(c.population.ConnectRate, shards, number, n)
	sh.recorder = newRecorder(c)
	var err error
	if sh.script, err = newScript(c.target, c.population.PerRequest, first); err != nil {
		return nil, err
	}
	if sh.poll, err = newPoller(); err != nil {
		return nil, err
	}
	p := c.population
	for i := range sh.clients {
		cl := client{fd: -1, number: uint32(p.First + first + i), active: spread(first+i, p.Active, p.Clients)}
		if c.target.ByClients && cl.active {
			cl.only = own(c.target.Requests, (first+i)*p.Active/p.Clients, p.Active)
		}
		sh.clients[i] = cl
	}
	return sh, nil
}

// work runs the event loop until a time, or until stop reports true.
func (sh *shard) work(until time.Duration, stop func() bool) {
	for now := sh.of.clock.now(); now < until && sh.failed == nil && !stop(); {
		n, err := sh.poll.wait(min(sh.wake(until)-now, slice))
		if err != nil {
			sh.failed = err
			return
		}
		now = sh.of.clock.now()
		for i := range n {
			id, in, out := sh.poll.event(i)
			cl := &sh.clients[id]
			if out {
				sh.writable(cl, now)
			}
			if in {
				now = sh.readable(cl, now)
			}
			if i&15 == 15 {
				// A long round must not delay requests that are due meanwhile.
				now = sh.dispatch(now)
			}
		}
		now = sh.dispatch(now)
		sh.dial(now)
		sh.passed.Store(int64(now))
	}
}

// wake is when there is something to do even if no socket is ready.
func (sh *shard) wake(until time.Duration) time.Duration {
	return min(until, sh.connector.wake(), sh.open.wake())
}

// readable reads once, and asks again for the client if that completes its answer.
// It returns the time, read anew if an answer was completed.
func (sh *shard) readable(cl *client, now time.Duration) time.Duration {
	if cl.state == dialing {
		sh.connected(cl, now)
		return now
	}
	if cl.fd < 0 {
		return now // an event of a socket that was closed since
	}
	n, err := read(cl.fd, sh.buf)
	if err != nil {
		if !wouldBlock(err) {
			sh.fail(cl, err, now)
		}
		return now
	}
	e := sh.script.exchanges[cl.exchange]
	e.stamp(cl.number, cl.asked)
	if n == 0 {
		err := e.end(&cl.answer)
		if err != nil || cl.state != asking {
			sh.fail(cl, err, now)
			return now
		}
		return sh.answered(cl)
	}
	if cl.state != asking {
		sh.fail(cl, errUnasked, now)
		return now
	}
	done, err := e.take(&cl.answer, sh.buf[:n])
	switch {
	case err != nil:
		sh.fail(cl, err, now)
	case done:
		return sh.answered(cl)
	}
	return now
}

// answered records a right answer, and lets its client ask again.
func (sh *shard) answered(cl *client) time.Duration {
	now := sh.of.clock.now()
	cl.state = idle
	e := sh.script.exchanges[cl.exchange]
	sh.counter.answered(e, &cl.answer)
	if cl.first {
		cl.first, cl.live, cl.dials = false, true, 0
		sh.connector.pending--
		sh.of.alive.Add(1)
	} else {
		sh.flying--
		sh.probed++
		sh.recorder.record(cl, e, now, nil)
	}
	cl.freed = now
	if sh.of.population.PerRequest || cl.answer.closes {
		if cl.answer.closes && !sh.of.population.PerRequest && sh.recorder.edges.contain(now) {
			sh.recorder.closes++
		}
		cl.answer.closes = false
		sh.hangUp(cl)
	}
	sh.next(cl, now)
	return now
}

// next lets a client that has nothing in flight ask again, or wait for its turn.
func (sh *shard) next(cl *client, now time.Duration) {
	switch {
	case !cl.active || sh.loop == "":
	case sh.loop == result.Closed:
		sh.ask(cl, now)
	case !cl.queued:
		cl.queued = true
		sh.open.free.push(sh.index(cl))
	}
}

// ask sends the client's next request: first the connect for it, if each
// request has its own.
func (sh *shard) ask(cl *client, now time.Duration) {
	cl.sent = now
	sh.flying++
	if cl.fd < 0 {
		sh.connect(cl)
		return
	}
	sh.send(cl, now)
}

func (sh *shard) send(cl *client, now time.Duration) {
	cl.asked++
	cl.exchange = sh.script.choose(cl)
	cl.state, cl.wrote = asking, 0
	sh.write(cl, now)
}

// write writes the rest of the client's request, as far as its socket takes
// it.
func (sh *shard) write(cl *client, now time.Duration) {
	e := sh.script.exchanges[cl.exchange]
	e.stamp(cl.number, cl.asked)
	n, err := write(cl.fd, e.request[cl.wrote:])
	if err != nil && !wouldBlock(err) {
		// What can be read, if anything, gives the better reason.
		sh.readable(cl, now)
		if cl.state == asking {
			sh.fail(cl, err, now)
		}
		return
	}
	cl.wrote += n
	full := cl.wrote < len(e.request)
	if full == cl.full {
		return
	}
	cl.full = full
	what := uint32(readable)
	if full {
		what |= writable
	}
	if err := sh.poll.change(cl.fd, what, sh.index(cl)); err != nil {
		sh.fail(cl, err, now)
	}
}

func (sh *shard) writable(cl *client, now time.Duration) {
	switch cl.state {
	case dialing:
		sh.connected(cl, now)
	case asking:
		sh.write(cl, now)
	}
}

func (sh *shard) index(cl *client) int {
	return int(cl.number) - int(sh.clients[0].number)
}

// hangUp closes a client's connection.
func (sh *shard) hangUp(cl *client) {
	closeSocket(cl.fd)
	cl.fd, cl.state, cl.full = -1, closed, false
}

// fail records what has gone wrong with a client, drops its connection and has
// it dial again, so that the load stays the same while errors are counted.
func (sh *shard) fail(cl *client, err error, now time.Duration) {
	if cl.live {
		cl.live = false
		sh.of.alive.Add(-1)
	}
	e := sh.script.exchanges[cl.exchange]
	if cl.state == asking && cl.wrote > 0 {
		sh.counter.failed(e)
	}
	switch {
	case cl.first:
		sh.connector.pending--
	case cl.state == asking || cl.state == dialing:
		sh.flying--
	}
	if cl.first && !sh.of.running {
		sh.connector.refused++
		sh.connector.last = err
		if wrongAnswer(err) {
			sh.of.giveUp(errors.New("a server that answers wrongly is not asked again"))
		}
	} else {
		sh.recorder.record(cl, e, now, err)
	}
	if cl.fd >= 0 {
		closeSocket(cl.fd)
	}
	cl.fd, cl.state, cl.first, cl.full, cl.answer = -1, closed, false, false, answer{}
	if !sh.of.stopping.Load() {
		wait := backoff(cl.dials)
		if sh.of.work.Fault != nil {
			wait = min(wait, reconnectEvery) // how soon it is served again is the question
		}
		sh.connector.retry(sh.index(cl), now+wait)
		cl.dials++
	}
}
