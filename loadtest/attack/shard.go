package attack

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A client is one connection with at most one request in flight.
type client struct {
	fd     int // -1 while there is none
	state  state
	active bool   // it asks; else it only holds its connection
	live   bool   // it has been served, and nothing has failed since
	lost   bool   // a fault has hit it
	queued bool   // it is in the shard's queue of free clients
	first  bool   // the request in flight is the one that proves a new connection served
	number uint32 // among all clients, from 0
	asked  uint32 // requests of this client
	done   uint32 // of them answered within the window
	only   int    // the exchange that it asks for, in a mix by clients
	kind   int    // exchange of the request in flight
	wrote  int    // bytes of it that were taken
	full   bool   // its socket took no more, and is waited for
	answer answer

	due   time.Duration // when the request in flight was due; open loop
	sent  time.Duration // when it was sent, or the connect for it began
	lag   time.Duration // how late that was for a reason of the generator's; open loop
	freed time.Duration // when the one before was answered
	dials int           // attempts to connect that failed in a row
}

type state uint8

const (
	closed  state = iota // no connection
	dialing              // a connect is under way
	idle                 // connected, nothing in flight
	asking               // a request is in flight
)

// A retry is a client that is to dial, not before its time.
type retry struct {
	at     time.Duration
	client int
}

// A shard is one attacker's share of the clients and an event loop that serves
// them, with all that it needs, so that attackers share nothing on the path of
// a request. Its methods are for one goroutine at a time.
type shard struct {
	of        *Clients
	poll      *poller
	clients   []client
	exchanges []*exchange // those of the target's requests, and then:
	prober    int         // what a new connection is asked first; -1: what its client asks for
	reader    int         // what the value of the counter is asked with; -1: there is none
	rotation  []int       // exchanges in the order in which they are asked; nil in a mix by clients
	turn      int         // in the rotation
	buf       []byte

	ramp    int     // clients that have dialed for the first time
	number  int     // among the generator's shards, from 0
	pending int     // first connects under way, their first answers included
	retries []retry // in the order of their times
	flying  int     // requests in flight, but for first ones
	free    queue   // active clients that may ask; open loop
	loop    string  // "" while nobody asks
	reading bool    // what is asked is the value of the counter
	begun   bool    // to ask
	plan    *schedule
	shape   vegeta.Pacer // takes over when the window opens; nil if the plan goes on
	failed  error        // of the poller: nothing works any more

	// Of a counter, since the first connection.
	increments, unanswered int64
	readings               map[int]int64 // its value by the process that said it

	passed atomic.Int64 // the time on the clock up to which all is recorded
	count  atomic.Int64 // answers within the window

	// Of connecting.
	connects *hdrhistogram.Histogram
	refused  int
	last     error // why the last attempt failed

	// Of the window.
	intervals []*load.Interval // as many as it may have, nil where nothing was recorded
	slices    []int64
	kinds     []*load.MixPart // of a mix, as the exchanges
	aftermath *load.Aftermath // of a fault; nil if there is none
	errors    map[string]int64
	due       int64
	unsent    int64
	carried   time.Duration // see load.Window
	probed    int64         // answers that were none of the window's
	samples   []Sample
	in, out   int64                   // bytes
	churn     *hdrhistogram.Histogram // connects within the window
}

func newShard(c *Clients, number, n, first int) (*shard, error) {
	sh := &shard{
		of: c, number: number, clients: make([]client, n), buf: make([]byte, 64<<10),
		connects: load.NewHistogram(), errors: map[string]int64{},
	}
	var err error
	if sh.exchanges, sh.prober, sh.reader, err = newExchanges(c.target, c.population.PerRequest); err != nil {
		return nil, err
	}
	if sh.poll, err = newPoller(); err != nil {
		return nil, err
	}
	byClients, p := c.target.ByClients, c.population
	for i := range sh.clients {
		cl := client{fd: -1, number: uint32(p.First + first + i), active: spread(first+i, p.Active, p.Clients)}
		if byClients && cl.active {
			cl.only = own(c.target.Requests, (first+i)*p.Active/p.Clients, p.Active)
		}
		sh.clients[i] = cl
	}
	if !byClients {
		sh.rotation = rotation(c.target.Requests)
		// Shards do not ask in step with each other.
		sh.turn = first % len(sh.rotation)
	}
	return sh, nil
}

// spread tells whether number i of n is one of the k that are spread evenly
// over them: the one with the number i*k/n among these.
func spread(i, k, n int) bool { return (i+1)*k/n > i*k/n }

// own is the request that active client number i of n asks for in a mix by
// clients. Those that do not ask for the first are spread over all.
func own(requests []load.Request, i, n int) int {
	total := 0
	for _, r := range requests {
		total += r.Clients
	}
	if !spread(i, total, n) {
		return 0
	}
	nth := i * total / n
	for k, r := range requests {
		if nth < r.Clients {
			return k
		}
		nth -= r.Clients
	}
	return 0
}

// rotation spreads the requests by their weights, as evenly as whole numbers
// can: of 99 and 1 the one comes in the middle of the others.
func rotation(requests []load.Request) []int {
	total := 0
	weight := func(i int) int { return max(requests[i].Weight, 1) }
	for i := range requests {
		total += weight(i)
	}
	owed := make([]int, len(requests))
	out := make([]int, total)
	for k := range out {
		best := 0
		for i := range owed {
			if owed[i] += weight(i); owed[i] > owed[best] {
				best = i
			}
		}
		owed[best] -= total
		out[k] = best
	}
	return out
}

// work runs the event loop until the time has come, or stop says so.
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
				// A long round must not make those late that are due meanwhile.
				now = sh.dispatch(now)
			}
		}
		now = sh.dispatch(now)
		sh.dial(now)
		sh.passed.Store(int64(now))
	}
}

// wake is when there is something to do even if nothing is heard.
func (sh *shard) wake(until time.Duration) time.Duration {
	if sh.pending < sh.of.maxPending {
		if sh.ramp < len(sh.clients) {
			until = min(until, sh.rampAt())
		}
		if len(sh.retries) > 0 {
			until = min(until, sh.retries[0].at)
		}
	}
	if sh.plan != nil && !sh.free.empty() {
		until = min(until, sh.plan.next)
	}
	return until
}

// rampAt is when the next client dials for the first time.
func (sh *shard) rampAt() time.Duration {
	n := float64(sh.ramp*len(sh.of.shards) + sh.number)
	return sh.of.connecting + time.Duration(n/sh.of.population.ConnectRate*float64(time.Second))
}

// dispatch sends what is due, if clients are free for it.
func (sh *shard) dispatch(now time.Duration) time.Duration {
	if sh.plan == nil {
		return now
	}
	if opened := sh.of.openedAt.Load(); opened != 0 && sh.shape != nil {
		sh.plan, sh.shape = newSchedule(sh.shape, time.Duration(opened)+sh.of.offset(sh.number)), nil
	}
	for sh.plan.next <= now && !sh.free.empty() {
		cl := &sh.clients[sh.free.pop()]
		cl.queued = false
		if !cl.live {
			continue // its connection was lost; it comes back when it has one
		}
		cl.due = sh.plan.next
		if sh.of.inWindow(cl.due) {
			sh.due++
		}
		sh.plan.take()
		cl.lag = now - max(cl.due, cl.freed)
		sh.ask(cl, now)
		now = sh.of.clock.now()
	}
	return now
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
	cl.kind = sh.choose(cl)
	cl.state, cl.wrote = asking, 0
	sh.write(cl, now)
}

// choose is the exchange that a client asks for next.
func (sh *shard) choose(cl *client) int {
	switch {
	case sh.reading:
		return sh.reader
	case cl.first && sh.prober >= 0:
		return sh.prober
	case sh.rotation == nil:
		return cl.only
	}
	kind := sh.rotation[sh.turn]
	if sh.turn++; sh.turn == len(sh.rotation) {
		sh.turn = 0
	}
	return kind
}

func (sh *shard) write(cl *client, now time.Duration) {
	e := sh.exchanges[cl.kind]
	e.stamp(cl.number, cl.asked)
	n, err := write(cl.fd, e.request[cl.wrote:])
	if err != nil && !wouldBlock(err) {
		// The reason is better told by what can be read, if there is any.
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

func (sh *shard) index(cl *client) int {
	return int(cl.number) - int(sh.clients[0].number)
}

func (sh *shard) writable(cl *client, now time.Duration) {
	switch cl.state {
	case dialing:
		sh.connected(cl, now)
	case asking:
		sh.write(cl, now)
	}
}

// readable reads once, and goes on with the client when its answer is whole.
// It returns the time, if it has read the clock anew.
func (sh *shard) readable(cl *client, now time.Duration) time.Duration {
	if cl.state == dialing {
		sh.connected(cl, now)
		return now
	}
	if cl.fd < 0 {
		return now // an event of a socket that has been closed since
	}
	n, err := read(cl.fd, sh.buf)
	if err != nil {
		if !wouldBlock(err) {
			sh.fail(cl, err, now)
		}
		return now
	}
	e := sh.exchanges[cl.kind]
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

// answered goes on with a client whose answer is right.
func (sh *shard) answered(cl *client) time.Duration {
	now := sh.of.clock.now()
	cl.state = idle
	switch e := sh.exchanges[cl.kind]; {
	case e.counts:
		sh.increments++
	case e.reads:
		sh.readings[cl.answer.pid] = max(sh.readings[cl.answer.pid], cl.answer.value)
	}
	if cl.first {
		cl.first, cl.live, cl.dials = false, true, 0
		sh.pending--
		sh.of.alive.Add(1)
	} else {
		sh.flying--
		sh.probed++
		sh.record(cl, now, nil)
	}
	cl.freed = now
	if sh.of.population.PerRequest || cl.answer.closes {
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
		sh.free.push(sh.index(cl))
	}
}

// fail counts what has gone wrong with a client, drops its connection and has
// it dial again, so that the load stays the same while errors are counted.
func (sh *shard) fail(cl *client, err error, now time.Duration) {
	if cl.live {
		cl.live = false
		sh.of.alive.Add(-1)
	}
	if cl.state == asking && cl.wrote > 0 && sh.exchanges[cl.kind].counts {
		sh.unanswered++ // it may have been made
	}
	switch {
	case cl.first:
		sh.pending--
	case cl.state == asking || cl.state == dialing:
		sh.flying--
	}
	if cl.first && !sh.of.running {
		sh.refused++
		sh.last = err
		if wrongAnswer(err) {
			sh.of.giveUp(errors.New("a server that answers wrongly is not asked again"))
		}
	} else {
		sh.record(cl, now, err)
	}
	if cl.fd >= 0 {
		closeSocket(cl.fd)
	}
	cl.fd, cl.state, cl.first, cl.full, cl.answer = -1, closed, false, false, answer{}
	if !sh.of.stopping.Load() {
		wait := backoff(cl.dials)
		if sh.aftermath != nil {
			wait = min(wait, reconnectEvery) // how soon it is served again is what is asked
		}
		sh.retries = insert(sh.retries, retry{now + wait, sh.index(cl)})
		cl.dials++
	}
}

// hangUp closes the connection of a client whose next request has its own.
func (sh *shard) hangUp(cl *client) {
	closeSocket(cl.fd)
	cl.fd, cl.state, cl.full = -1, closed, false
}

// dial connects those whose time has come.
func (sh *shard) dial(now time.Duration) {
	for sh.pending < sh.of.maxPending {
		var cl *client
		switch {
		case len(sh.retries) > 0 && sh.retries[0].at <= now:
			cl = &sh.clients[sh.retries[0].client]
			sh.retries = sh.retries[1:]
		case sh.ramp < len(sh.clients) && sh.rampAt() <= now:
			cl = &sh.clients[sh.ramp]
			sh.ramp++
		default:
			return
		}
		cl.first, cl.sent = true, now
		sh.pending++
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

// connected goes on with a client whose connect has ended.
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
	if cl.first {
		if !sh.of.running {
			_ = sh.connects.RecordValue(trackable(took))
		}
		sh.send(cl, now)
		return
	}
	if sh.of.inWindow(now) {
		if sh.churn == nil {
			sh.churn = load.NewHistogram()
		}
		_ = sh.churn.RecordValue(trackable(took))
	}
	sh.send(cl, now) // the time to connect belongs to the answer
}

// record counts the end of a request, if it is one of the window.
func (sh *shard) record(cl *client, now time.Duration, err error) {
	opened := sh.of.openedAt.Load()
	if opened == 0 || int64(now) < opened {
		return
	}
	if err != nil && !sh.of.aborted.Load() {
		sh.errors[Classify(err)]++
	}
	at := now - time.Duration(opened)
	if sh.aftermath != nil {
		sh.sort(cl, at, now-cl.sent, err)
	}
	end := sh.of.closedAt.Load()
	behind := end != 0 && int64(now) > end
	if err == nil && !cl.first {
		// What of its time is not in the window it is counted in, or is and is not
		// counted.
		if early := time.Duration(opened) - cl.sent; early > 0 {
			sh.carried -= early
		}
		if late := time.Duration(end) - cl.sent; behind && late > 0 {
			sh.carried += late
		}
	}
	if behind {
		return
	}
	sh.keep(cl, now, err)
	n := min(int(at/time.Second), len(sh.intervals)-1)
	s := sh.intervals[n]
	if s == nil {
		s = load.NewInterval(sh.of.work.Loop)
		sh.intervals[n] = s
	}
	if err != nil {
		s.Errored++
		return
	}
	_ = s.Service.RecordValue(trackable(now - cl.sent))
	if s.Response != nil {
		_ = s.Response.RecordValue(trackable(now - cl.due))
		_ = s.Lag.RecordValue(trackable(cl.lag))
	}
	if sh.kinds != nil {
		k := sh.kinds[cl.kind]
		_ = k.Service.RecordValue(trackable(now - cl.sent))
		if k.Response != nil {
			_ = k.Response.RecordValue(trackable(now - cl.due))
		}
	}
	cl.done++
	sh.count.Add(1)
	sh.out += int64(len(sh.exchanges[cl.kind].request))
	sh.in += int64(cl.answer.size)
	k := int(at / load.SliceLength)
	for len(sh.slices) <= k {
		sh.slices = append(sh.slices, 0)
	}
	sh.slices[k]++
}

// sort notes on which side of the fault a request ended that took so long, and
// whether its client was hit.
func (sh *shard) sort(cl *client, at, took time.Duration, err error) {
	a, f := sh.aftermath, sh.of.work.Fault
	hit := func() {
		if !cl.lost {
			cl.lost = true
			a.Lost++
		}
	}
	switch {
	case at < f.At:
		if err == nil {
			_ = a.Before.RecordValue(trackable(took))
		}
	case sh.of.aborted.Load() || cl.first:
		// Nobody's request: the end of the run, or an attempt to come back.
	case err != nil:
		if cl.state == asking || cl.state == dialing {
			a.Failed++
		}
		hit()
	case f.Until > 0 && at >= f.Until-(f.Until-f.At)/4 && at-took <= (f.At+f.Until)/2:
		// It waited for the end of it, which is not to the moment: who does the
		// fault began to count a little earlier than the window.
		hit()
	case !cl.lost && (sh.of.closedAt.Load() == 0 || at <= time.Duration(sh.of.closedAt.Load()-sh.of.openedAt.Load())):
		_ = a.Unaffected.RecordValue(trackable(took))
	}
}

func trackable(d time.Duration) int64 {
	const most = int64(10 * time.Minute)
	return max(0, min(int64(d), most))
}

// insert keeps the retries in the order of their times.
func insert(all []retry, r retry) []retry {
	i := len(all)
	for i > 0 && all[i-1].at > r.at {
		i--
	}
	all = append(all, retry{})
	copy(all[i+1:], all[i:])
	all[i] = r
	return all
}

// A queue holds numbers below its size, each at most once, first in first out:
// the clients of an open loop take turns.
type queue struct {
	ring       []int32
	head, used int
}

func (q *queue) empty() bool { return q.used == 0 }

func (q *queue) push(i int) {
	q.ring[(q.head+q.used)%len(q.ring)] = int32(i)
	q.used++
}

func (q *queue) pop() int {
	i := q.ring[q.head]
	q.head = (q.head + 1) % len(q.ring)
	q.used--
	return int(i)
}
