package attack

import (
	"context"
	"errors"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
)

// Turn loads the server for one of many turns: unmeasured for the warm-up, then
// measured, then until nothing is in flight. In between the clients keep their
// connections and ask for nothing, so that the clients of several servers can take
// turns of some 50 ms. It is called instead of Run, as often as one likes.
//
// A client that fails does not connect again: Established tells. A done context
// ends the turn early, with what was measured until then and the context's cause.
// The hooks Second, Enough and Progress are not used; Open and Close run on the
// thread of a shard, and must be quick.
func (c *Clients) Turn(ctx context.Context, work load.Work, m load.Hooks) (*load.Window, error) {
	c.work, c.running = work, true
	c.stopping.Store(true)
	c.edges.opened.Store(0)
	c.edges.closed.Store(0)
	w := &load.Window{Errors: map[string]int64{}}
	begin := c.clock.now()
	for _, sh := range c.shards {
		if err := sh.begin(begin); err != nil {
			return w, err
		}
		for i := range sh.clients {
			sh.clients[i].done = 0
		}
	}
	var err error
	over := func() bool { return c.edges.closed.Load() != 0 }
	c.each(func(sh *shard) {
		for i := range sh.clients {
			if cl := &sh.clients[i]; cl.live {
				sh.next(cl, c.clock.now())
			}
		}
		if sh.number == 0 {
			err = c.measure(ctx, sh, w, m, begin)
		} else {
			sh.work(never, over)
		}
		sh.open.stop(time.Duration(c.edges.closed.Load()))
		sh.loop = ""
		sh.settle()
	})
	c.collect(w)
	for _, sh := range c.shards {
		err = errors.Join(err, sh.failed)
	}
	return w, err
}

// measure opens and closes the window of a turn that has begun, and works
// meanwhile: another goroutine would have to wait for a core.
func (c *Clients) measure(ctx context.Context, sh *shard, w *load.Window, m load.Hooks, begin time.Duration) error {
	done := func() bool { return ctx.Err() != nil }
	sh.work(begin+c.work.Warmup, done)
	err := call(m.Open)
	w.Started = time.Now()
	opened := c.clock.now()
	c.edges.opened.Store(int64(opened))
	if err == nil {
		sh.work(opened+c.work.Length, done)
	}
	closed := c.clock.now()
	c.edges.closed.Store(int64(closed))
	w.Length = closed - opened
	if done() {
		c.aborted.Store(true)
		err = errors.Join(err, context.Cause(ctx))
	}
	return errors.Join(err, call(m.Close))
}
