package attack

import (
	"context"
	"errors"
	"math"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// slice is how long a turn of a shard takes: how often vegeta is asked whether
// to go on.
const slice = 10 * time.Millisecond

// countEvery is how often the answers are counted where their number ends the
// window.
const countEvery = time.Millisecond

// Run loads the server: unmeasured for the warm-up, then measured. A done
// context ends it early, with what was measured until then and the context's
// cause. It can be called once.
func (c *Clients) Run(ctx context.Context, work load.Work, m load.Hooks) (*load.Window, error) {
	if !sleep(ctx, untilStart(work.Start)) {
		return &load.Window{}, context.Cause(ctx)
	}
	c.work = work
	c.running = true
	begin := c.clock.now()
	for _, sh := range c.shards {
		sh.loop = work.Loop
		sh.intervals = make([]*load.Interval, int(math.Ceil(work.Length.Seconds()))+1)
		sh.free.ring = make([]int32, len(sh.clients))
		sh.kinds = newKinds(c.target.Requests, work.Loop)
		if work.Fault != nil {
			sh.aftermath = load.NewAftermath()
		}
		if work.Loop == result.Open {
			if err := sh.schedule(begin); err != nil {
				return &load.Window{}, err
			}
		}
	}
	var attackers []*vegeta.Attacker
	var running sync.WaitGroup
	for _, sh := range c.shards {
		a := vegeta.NewAttacker(vegeta.Client(&http.Client{Transport: sh}), vegeta.Workers(1), vegeta.MaxWorkers(1))
		attackers = append(attackers, a)
		// The zero Rate is as fast as the worker can; the duration 0 is until
		// Stop: the window is cut out of the attack by the clock.
		results := a.Attack(sh.Target, vegeta.Rate{}, 0, "")
		running.Go(func() {
			for range results { // each is a turn: what it measured is in the shard
			}
		})
	}
	w := &load.Window{Errors: map[string]int64{}}
	progress := c.follow(m)
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
	progress()
	c.merge(w)
	for _, sh := range c.shards {
		err = errors.Join(err, sh.failed)
	}
	return w, err
}

// newKinds are those of a mix; nil if there is only one.
func newKinds(requests []load.Request, loop string) (kinds []*load.MixPart) {
	if len(requests) < 2 {
		return nil
	}
	for _, r := range requests {
		k := &load.MixPart{Name: r.Name(), Service: load.NewHistogram()}
		if loop == result.Open {
			k.Response = load.NewHistogram()
		}
		kinds = append(kinds, k)
	}
	return kinds
}

func untilStart(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return time.Until(t)
}

// Target is a vegeta.Targeter. It names the server: the shard decides what
// to ask.
func (sh *shard) Target(t *vegeta.Target) error {
	t.Method, t.URL = http.MethodGet, "http://"+sh.of.target.Addr+"/"
	return nil
}

// turned is what RoundTrip returns for a turn. net/http and vegeta only read it.
var turned = &http.Response{
	Status: "200 OK", StatusCode: http.StatusOK,
	Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	Header: http.Header{}, Body: http.NoBody,
}

// RoundTrip is a turn of the shard's event loop. It implements
// http.RoundTripper for vegeta's http.Client.
func (sh *shard) RoundTrip(*http.Request) (*http.Response, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wakeOnTime()
	if !sh.begun {
		sh.begun = true
		for i := range sh.clients {
			if cl := &sh.clients[i]; cl.live {
				sh.next(cl, sh.of.clock.now())
			}
		}
	}
	sh.work(sh.of.clock.now()+slice, sh.of.stopping.Load)
	if sh.failed != nil {
		return nil, sh.failed
	}
	return turned, nil
}

var _ http.RoundTripper = (*shard)(nil)

// schedule plans a shard's part of the open loop: at the first rate until the window
// opens, and then by the shape.
func (sh *shard) schedule(begin time.Duration) error {
	c := sh.of
	share := c.share(sh.number)
	p, err := pacer(c.work.Pace, share, c.work.Length)
	if err != nil {
		return err
	}
	if s := c.work.Pace.Shape; s != "" && s != load.Constant {
		sh.shape, p = p, rate(c.work.Pace.Rate*share)
	}
	sh.plan = newSchedule(p, begin+c.offset(sh.number))
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

func (c *Clients) inWindow(t time.Duration) bool {
	opened, closed := c.openedAt.Load(), c.closedAt.Load()
	return opened != 0 && int64(t) >= opened && (closed == 0 || int64(t) <= closed)
}

// window opens and closes the measured window, under load.
func (c *Clients) window(ctx context.Context, w *load.Window, m load.Hooks) (err error) {
	if !sleep(ctx, c.work.Warmup) {
		return context.Cause(ctx)
	}
	if err := call(m.Open); err != nil {
		return err
	}
	w.Started = time.Now()
	opened := c.clock.now()
	c.openedAt.Store(int64(opened))
	defer func() {
		closed := c.clock.now()
		c.closedAt.Store(int64(closed))
		w.Length = closed - opened
		err = errors.Join(err, call(m.Close))
	}()
	length := c.work.Length
	for at := time.Second; ; at += time.Second {
		until := opened + min(at, length)
		if enough, ok := c.await(ctx, until, m.Enough); !ok {
			return context.Cause(ctx)
		} else if enough || at >= length {
			return nil
		}
		if m.Second != nil {
			if err := m.Second(at); err != nil {
				return err
			}
		}
	}
}

// await waits for a time on the clock, or until there are answers enough, or
// somebody says so. It returns false if the context ended first.
func (c *Clients) await(ctx context.Context, until time.Duration, said <-chan struct{}) (enough, ok bool) {
	for {
		if c.work.Requests > 0 && c.Answers() >= c.work.Requests {
			return true, true
		}
		left := until - c.clock.now()
		if left <= 0 {
			return false, ctx.Err() == nil
		}
		if c.work.Requests > 0 {
			left = min(left, countEvery)
		}
		t := time.NewTimer(left)
		select {
		case <-ctx.Done():
			t.Stop()
			return false, false
		case <-said:
			t.Stop()
			return true, true
		case <-t.C:
		}
	}
}

// Answers is how many there have been within the window so far.
func (c *Clients) Answers() (n int64) {
	for _, sh := range c.shards {
		n += sh.count.Load()
	}
	return n
}

// follow tells of each interval once all shards are past it. The function that
// it returns tells of those that are left, and is called when the shards rest.
func (c *Clients) follow(m load.Hooks) (finish func()) {
	if m.Progress == nil {
		return func() {}
	}
	n := 0
	tell := func() {
		s := load.NewInterval(c.work.Loop)
		for _, sh := range c.shards {
			if part := sh.intervals[n]; part != nil {
				s.Add(part)
			}
		}
		m.Progress(n, s)
		n++
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(slice)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			opened := c.openedAt.Load()
			if opened == 0 || c.closedAt.Load() != 0 {
				continue
			}
			past := never
			for _, sh := range c.shards {
				past = min(past, time.Duration(sh.passed.Load()))
			}
			if past > time.Duration(opened)+time.Duration(n+1)*time.Second {
				tell()
			}
		}
	}()
	return func() {
		close(stop)
		<-done
		if c.openedAt.Load() == 0 {
			return
		}
		for last := c.lastInterval(); n <= last; {
			tell()
		}
	}
}

// lastInterval is the number of the last one in which something happened.
func (c *Clients) lastInterval() int {
	last := -1
	for _, sh := range c.shards {
		for i, s := range sh.intervals {
			if s != nil {
				last = max(last, i)
			}
		}
	}
	return last
}

// finish waits for the answers that are still due when the attack is over, and
// counts as errors those that do not come or are wrong: a request that was
// never answered must not go unseen because the clock stopped. Then it asks
// those that only held their connections.
func (c *Clients) finish(ctx context.Context, w *load.Window) {
	defer context.AfterFunc(ctx, func() { c.aborted.Store(true) })()
	closed := time.Duration(c.closedAt.Load())
	answered := make([]int64, len(c.shards))
	c.all(func(sh *shard) {
		if sh.plan != nil {
			n := sh.plan.backlog(closed)
			sh.due += n
			sh.unsent = n
			sh.plan = nil
		}
		sh.loop, sh.retries, sh.ramp = "", nil, len(sh.clients)
		sh.settle()
		answered[sh.number] = sh.probe()
		sh.read()
	})
	for _, n := range answered {
		w.Answered += n
	}
}

// settle waits until nothing is in flight, and gives up those that wait too long.
func (sh *shard) settle() {
	until := sh.of.clock.now() + sh.of.options.AnswerTimeout
	sh.work(until, func() bool { return sh.flying == 0 || sh.of.aborted.Load() })
	for i := range sh.clients {
		// One that was about to connect again had nothing in flight.
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

// read asks on each connection what the counter has come to, now that nothing is
// in flight: where each process has its own, all that serve a client say theirs.
func (sh *shard) read() {
	if sh.reader < 0 {
		return
	}
	sh.reading, sh.readings = true, map[int]int64{}
	for i := range sh.clients {
		if cl := &sh.clients[i]; cl.live {
			sh.ask(cl, sh.of.clock.now())
		}
	}
	sh.settle()
}

func (c *Clients) merge(w *load.Window) {
	whole := int(w.Length / load.SliceLength)
	for _, sh := range c.shards {
		part := &load.Window{
			Errors: sh.errors, Carried: sh.carried, Due: sh.due, Unsent: sh.unsent, BytesIn: sh.in, BytesOut: sh.out, Connect: sh.churn, Mix: sh.kinds, Aftermath: sh.aftermath,
			Increments: sh.increments, Unanswered: sh.unanswered, Readings: sh.readings,
			Slices: append(sh.slices, make([]int64, max(0, whole-len(sh.slices)))...)[:whole],
		}
		for _, s := range sh.intervals[:c.lastInterval()+1] {
			if s == nil {
				s = load.NewInterval(c.work.Loop)
			}
			part.Intervals = append(part.Intervals, s)
		}
		for i := range sh.clients {
			cl := &sh.clients[i]
			if !cl.active || sh.of.work.Loop == "" {
				continue
			}
			if sh.kinds != nil && cl.only > 0 {
				sh.kinds[cl.only].Clients++
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

func call(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
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
