package attack

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/tierbench/tierbench/loadtest/result"
)

// An openLoop is a shard's part of an open loop: when requests are due, and which
// clients are free for them. The zero value is that of a closed loop.
type openLoop struct {
	plan *schedule // nil: nothing is due
	// shape replaces the plan when the window opens; nil if the plan stays.
	shape vegeta.Pacer
	free  queue // active clients that have nothing in flight

	// A shard drains at the end of the warm-up if it has a backlog: it sends nothing until
	// all that is in flight has been answered, and then drops the backlog.
	draining bool
	drained  atomic.Bool // there is no backlog of the warm-up any more
	opened   bool        // the schedule is that of the window

	due    int64 // requests that were due within the window
	unsent int64 // requests that were due by its end and were not sent
}

// wake is when the next request can be sent; never if no client is free for it.
func (o *openLoop) wake() time.Duration {
	if o.plan == nil || o.free.empty() || o.draining {
		return never
	}
	return o.plan.next
}

// stop ends the schedule at the end of the window.
func (o *openLoop) stop(closed time.Duration) {
	if o.plan == nil {
		return
	}
	o.unsent = o.plan.backlog(closed)
	o.due += o.unsent
	o.plan = nil
}

// dispatch sends what is due, as far as clients are free for it. It returns the
// time, read anew if something was sent.
func (sh *shard) dispatch(now time.Duration) time.Duration {
	o := &sh.open
	if o.plan == nil {
		return now
	}
	if o.draining && !o.drain(now, sh.flying, sh.of.draining.Load()) {
		return now
	}
	if opened := sh.of.edges.opened.Load(); opened != 0 && !o.opened {
		o.opened = true
		if o.shape != nil {
			o.plan = newSchedule(o.shape, time.Duration(opened)+sh.of.offset(sh.number))
		} else {
			o.plan.backlog(time.Duration(opened)) // what the readings before the window left
		}
	}
	for o.plan.next <= now && !o.free.empty() {
		cl := &sh.clients[o.free.pop()]
		cl.queued = false
		if !cl.live {
			continue // its connection was lost; it is free again when it has one
		}
		cl.due = o.plan.next
		if sh.of.edges.contain(cl.due) {
			o.due++
		}
		o.plan.take()
		cl.lag = now - max(cl.due, cl.freed)
		sh.ask(cl, now)
		now = sh.of.clock.now()
	}
	if sh.of.draining.Load() && !o.drained.Load() {
		o.draining = o.plan.next <= now // although a request was due, no client was free
		o.drained.Store(!o.draining)
	}
	return now
}

// drain drops the backlog once nothing is in flight, or at once if there is no more time for
// it. It reports whether it has.
func (o *openLoop) drain(now time.Duration, flying int, wait bool) bool {
	if flying > 0 && wait {
		return false
	}
	o.plan.backlog(now)
	o.draining = false
	o.drained.Store(true)
	return true
}

// drain removes what the warm-up left: requests that were due and not sent. Answered in the
// window, they would make its throughput larger than the rate that is asked for, and its
// response times would count from before it.
func (c *Clients) drain(ctx context.Context) {
	c.draining.Store(true)
	defer c.draining.Store(false)
	until := c.clock.now() + c.options.AnswerTimeout
	for c.clock.now() < until && !c.drained() && sleep(ctx, countEvery) {
	}
}

func (c *Clients) drained() bool {
	return !slices.ContainsFunc(c.shards, func(sh *shard) bool { return !sh.open.drained.Load() })
}

// schedule plans a shard's part of the open loop: at the first rate until the
// window opens, then by the shape.
func (sh *shard) schedule(begin time.Duration) error {
	c := sh.of
	share := c.share(sh.number)
	p, err := pacer(c.work.Pace, share, c.work.Length)
	if err != nil {
		return err
	}
	if s := c.work.Pace.Shape; s != "" && s != result.Constant {
		sh.open.shape, p = p, rate(c.work.Pace.Rate*share)
	}
	sh.open.plan = newSchedule(p, begin+c.offset(sh.number))
	return nil
}

// share is the part of the whole load that a shard sends.
func (c *Clients) share(shard int) float64 {
	whole := c.work.Pace.Share
	if whole == 0 {
		whole = 1
	}
	return whole * float64(len(c.shards[shard].clients)) / float64(c.population.Clients)
}

// offset is how much later than the first shard this one begins, so that all
// together send at even intervals.
func (c *Clients) offset(shard int) time.Duration {
	before := c.work.Pace.Before
	for i := range shard {
		before += c.share(i)
	}
	return time.Duration(before / (c.work.Pace.Rate * c.share(shard)) * float64(time.Second))
}

// A queue contains numbers below its size, each at most once, first in first out:
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
