package attack

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/tierbench/tierbench/loadtest/load"
)

// A shard is one attacker's share of the clients, with all that it needs, so
// that attackers share nothing on the path of a request.
type shard struct {
	of      *Clients
	clients []client
	free    *freelist

	// opened and closed are the edges of the window, 0 while it has none.
	opened, closed atomic.Int64

	// For the consumer alone, until the attack is over.
	seconds []load.Second
	errors  map[string]int64
}

func newShard(c *Clients, n, first int, t load.Target) *shard {
	sh := &shard{of: c, clients: make([]client, n), free: newFreelist(n), errors: map[string]int64{}}
	base := "http://" + t.Addr + "/" + t.Workload + "#"
	for i := range sh.clients {
		cl := &sh.clients[i]
		cl.number, cl.url, cl.req = uint32(first+i), base+strconv.Itoa(i), c.exchange.request()
	}
	return sh
}

// Target is a vegeta.Targeter: it takes a client for the hit. The client goes
// with the hit in the fragment of the URL, which is the one thing that vegeta
// carries from the target through the request to the result.
func (sh *shard) Target(t *vegeta.Target) error {
	t.Method = http.MethodGet
	t.URL = sh.clients[sh.free.pop()].url
	return nil
}

// answered is what RoundTrip returns for every right answer. The answer itself
// was compared already; net/http and vegeta only read this.
var answered = &http.Response{
	Status: "200 OK", StatusCode: http.StatusOK,
	Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	Header: http.Header{}, Body: http.NoBody,
}

// RoundTrip implements http.RoundTripper for vegeta's http.Client.
func (sh *shard) RoundTrip(req *http.Request) (*http.Response, error) {
	i, err := strconv.Atoi(req.URL.Fragment)
	if err != nil {
		return nil, err
	}
	cl := &sh.clients[i]
	sh.of.hit(cl)
	if cl.err != nil {
		return nil, cl.err
	}
	return answered, nil
}

var _ http.RoundTripper = (*shard)(nil)

// consume takes the results of the attack until it is over. vegeta's channel
// has no buffer, so what takes long here slows the load: it records, and puts
// the client back.
func (sh *shard) consume(results <-chan *vegeta.Result) {
	for res := range results {
		i, err := strconv.Atoi(res.URL[strings.LastIndexByte(res.URL, '#')+1:])
		if err != nil {
			continue // never: all URLs are ours
		}
		cl := &sh.clients[i]
		sh.record(cl)
		sh.free.push(i)
	}
}

func (sh *shard) record(cl *client) {
	opened := time.Duration(sh.opened.Load())
	if opened == 0 || cl.ended < opened {
		return
	}
	if cl.err != nil && !sh.of.aborted.Load() {
		sh.errors[Classify(cl.err)]++
	}
	if closed := time.Duration(sh.closed.Load()); closed != 0 && cl.ended > closed {
		return
	}
	n := int((cl.ended - opened) / time.Second)
	for len(sh.seconds) <= n {
		sh.seconds = append(sh.seconds, load.Second{Service: load.NewHistogram()})
	}
	if cl.err != nil {
		sh.seconds[n].Errored++
		return
	}
	h := sh.seconds[n].Service
	_ = h.RecordValue(min(int64(cl.took), h.HighestTrackableValue()))
}

// Run loads the server in a closed loop: for warmup unmeasured, then for
// length measured. A done context ends it early, with what was measured until
// then and the context's error. It can be called once.
func (c *Clients) Run(ctx context.Context, warmup, length time.Duration, m load.Marks) (*load.Window, error) {
	attackers := make([]*vegeta.Attacker, len(c.shards))
	var consumers sync.WaitGroup
	for i, sh := range c.shards {
		n := uint64(len(sh.clients))
		a := vegeta.NewAttacker(
			vegeta.Client(&http.Client{Transport: sh}),
			vegeta.Workers(n), vegeta.MaxWorkers(n),
		)
		attackers[i] = a
		// The zero Rate is as fast as the workers can; the duration 0 is until
		// Stop: the window is cut out of the attack by the clock.
		results := a.Attack(sh.Target, vegeta.Rate{}, 0, "")
		consumers.Go(func() { sh.consume(results) })
	}
	w := &load.Window{Errors: map[string]int64{}}
	err := c.window(ctx, w, warmup, length, m)

	patience := c.patience
	if ctx.Err() != nil {
		patience = 0
		c.aborted.Store(true)
	}
	c.stop()
	for _, a := range attackers {
		a.Stop()
	}
	c.setDeadline(time.Now().Add(patience))
	consumers.Wait()
	if ctx.Err() == nil {
		c.drain(w)
	}
	c.merge(w)
	return w, err
}

// window opens and closes the measured window, under load.
func (c *Clients) window(ctx context.Context, w *load.Window, warmup, length time.Duration, m load.Marks) (err error) {
	if !sleep(ctx, warmup) {
		return context.Cause(ctx)
	}
	if err := call(m.Open); err != nil {
		return err
	}
	w.Started = time.Now()
	opened := c.clock.now()
	c.mark(opened, func(sh *shard) *atomic.Int64 { return &sh.opened })
	defer func() {
		closed := c.clock.now()
		c.mark(closed, func(sh *shard) *atomic.Int64 { return &sh.closed })
		w.Length = closed - opened
		err = errors.Join(err, call(m.Close))
	}()
	for at := time.Second; ; at += time.Second {
		last := at >= length
		if !sleep(ctx, min(at, length)-(c.clock.now()-opened)) {
			return context.Cause(ctx)
		}
		if last {
			return nil
		}
		if m.Second != nil {
			if err := m.Second(at); err != nil {
				return err
			}
		}
	}
}

func (c *Clients) mark(at time.Duration, edge func(*shard) *atomic.Int64) {
	for _, sh := range c.shards {
		edge(sh).Store(int64(at))
	}
}

// drain waits for the answers that are still due when the attack is over, and
// counts as errors those that do not come or are wrong: a request that was
// never answered must not go unseen because the clock stopped.
func (c *Clients) drain(w *load.Window) {
	// Waiting for one client may have used up the time of all the others,
	// whose answers are there.
	c.setDeadline(time.Now().Add(c.patience))
	c.each(func(cl *client) {
		if cl.conn.Load() == nil || !cl.inFlight {
			return
		}
		if err := c.receive(cl); err != nil {
			w.Errors[Classify(err)]++
			c.drop(cl)
		}
	})
}

func (c *Clients) merge(w *load.Window) {
	w.Service = load.NewHistogram()
	for _, sh := range c.shards {
		for kind, n := range sh.errors {
			w.Errors[kind] += n
		}
		for i, s := range sh.seconds {
			if len(w.Seconds) <= i {
				w.Seconds = append(w.Seconds, load.Second{Service: load.NewHistogram()})
			}
			w.Seconds[i].Service.Merge(s.Service)
			w.Seconds[i].Errored += s.Errored
			w.Service.Merge(s.Service)
		}
	}
	w.Requests = w.Service.TotalCount()
	req := len(c.shards[0].clients[0].req)
	w.BytesOut = w.Requests * int64(req)
	answer := len(c.exchange.want(c.shards[0].clients[0].req))
	if head := c.exchange.head.Load(); head != nil {
		answer += len(*head)
	}
	w.BytesIn = w.Requests * int64(answer)
}

// Hold keeps the connections open for length with nothing asked of them, and
// then has each answer once: a connection that a server lost, or a client that
// it forgot, is an error.
func (c *Clients) Hold(ctx context.Context, length time.Duration, m load.Marks) (*load.Window, error) {
	w := &load.Window{Errors: map[string]int64{}, Service: load.NewHistogram()}
	err := c.window(ctx, w, 0, length, m)
	if ctx.Err() != nil {
		return w, err
	}
	c.setDeadline(time.Now().Add(c.patience))
	c.each(func(cl *client) {
		probe := errors.Join(c.send(cl, c.clock.now()), c.receive(cl))
		if probe != nil {
			w.Errors[Classify(probe)]++
			c.drop(cl)
			return
		}
		w.Requests++
	})
	return w, err
}

func call(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}
