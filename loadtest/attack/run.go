package attack

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// countEvery is how often the answers are counted where their number ends the
// window.
const countEvery = time.Millisecond

// Run loads the server: unmeasured for the warm-up, then measured. A done
// context ends it early, with what was measured until then and the context's
// cause. It can be called once.
func (c *Clients) Run(ctx context.Context, work load.Work, m load.Hooks) (*load.Window, error) {
	var wait time.Duration
	if !work.Start.IsZero() {
		wait = time.Until(work.Start)
	}
	if !sleep(ctx, wait) {
		return &load.Window{}, context.Cause(ctx)
	}
	c.work = work
	c.running = true
	begin := c.clock.now()
	for _, sh := range c.shards {
		if err := sh.begin(begin); err != nil {
			return &load.Window{}, err
		}
	}
	var attackers []*vegeta.Attacker
	var running sync.WaitGroup
	for _, sh := range c.shards {
		a, results := sh.attack()
		attackers = append(attackers, a)
		running.Go(func() {
			for range results {
			}
		})
	}
	w := &load.Window{Errors: map[string]int64{}}
	progress := c.follow(m.Progress)
	err := c.window(ctx, w, m)
	if ctx.Err() != nil {
		c.aborted.Store(true)
	}
	c.stopping.Store(true)
	for _, a := range attackers {
		a.Stop()
	}
	running.Wait()
	if ctx.Err() == nil {
		c.finish(ctx, w)
	}
	progress.finish()
	c.collect(w)
	for _, sh := range c.shards {
		err = errors.Join(err, sh.failed)
	}
	return w, err
}

// begin prepares a shard for the work of a run or a turn, which begins at a time on
// the clock.
func (sh *shard) begin(at time.Duration) error {
	work := sh.of.work
	sh.loop = work.Loop
	sh.recorder.begin(work, sh.of.target.Requests)
	sh.open.due, sh.open.unsent = 0, 0
	if work.Loop != result.Open {
		return nil
	}
	if sh.open.free.ring == nil { // else the clients that are free stay in it
		sh.open.free.ring = make([]int32, len(sh.clients))
	}
	return sh.schedule(at)
}

// finish waits for the answers that are still due when the attack is over, and
// counts as errors those that do not come or are wrong: a request that was never
// answered must not go unseen because the clock stopped. Then it asks the clients
// that only held their connections, and reads the server's counters.
func (c *Clients) finish(ctx context.Context, w *load.Window) {
	defer context.AfterFunc(ctx, func() { c.aborted.Store(true) })()
	closed := time.Duration(c.edges.closed.Load())
	answered := make([]int64, len(c.shards))
	c.each(func(sh *shard) {
		sh.open.stop(closed)
		sh.connector.stop()
		sh.loop = ""
		sh.settle()
		answered[sh.number] = sh.probe()
		sh.read()
	})
	for _, n := range answered {
		w.Answered += n
	}
}

// settle waits until nothing is in flight, and fails the requests that take too
// long.
func (sh *shard) settle() {
	until := sh.of.clock.now() + sh.of.options.AnswerTimeout
	sh.work(until, func() bool { return sh.flying == 0 || sh.of.aborted.Load() })
	for i := range sh.clients {
		// A client that was about to reconnect had nothing in flight.
		if cl := &sh.clients[i]; !cl.first && (cl.state == asking || cl.state == dialing) {
			sh.fail(cl, os.ErrDeadlineExceeded, sh.of.clock.now())
		}
	}
}

// probe asks each client once that only held its connection. It returns how
// many have answered.
func (sh *shard) probe() int64 {
	sh.probed = 0
	for i := range sh.clients {
		if cl := &sh.clients[i]; cl.live && (!cl.active || sh.of.work.Loop == "") {
			sh.ask(cl, sh.of.clock.now())
		}
	}
	sh.settle()
	return sh.probed
}

// read asks on each connection for the value of the counter, now that nothing is
// in flight: where each process has its own counter, every process that serves a
// client reports its value.
func (sh *shard) read() {
	if sh.script.reader < 0 {
		return
	}
	sh.script.reading, sh.counter.readings = true, map[int]int64{}
	for i := range sh.clients {
		if cl := &sh.clients[i]; cl.live {
			sh.ask(cl, sh.of.clock.now())
		}
	}
	sh.settle()
}

// collect adds what the shards have measured to a window whose length is known.
func (c *Clients) collect(w *load.Window) {
	intervals, slices := c.intervals(), int(w.Length/load.SliceLength)
	for _, sh := range c.shards {
		part := sh.recorder.window(intervals, slices)
		part.Due, part.Unsent = sh.open.due, sh.open.unsent
		part.Increments, part.Unanswered, part.Readings = sh.counter.increments, sh.counter.unanswered, sh.counter.readings
		for i := range sh.clients {
			cl := &sh.clients[i]
			if !cl.active || c.work.Loop == "" {
				continue
			}
			if c.work.Loop == result.Closed && cl.done == 0 {
				part.Starved++
			}
			if part.Mix != nil && cl.only > 0 {
				part.Mix[cl.only].Clients++
			}
			if cl.only == 0 {
				part.Clients++
				part.Sum += float64(cl.done)
				part.Squares += float64(cl.done) * float64(cl.done)
			}
		}
		w.Add(part)
	}
}
