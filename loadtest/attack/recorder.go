package attack

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A recorder records what a shard measures within the window, and the errors
// after it until all clients have stopped.
type recorder struct {
	edges   *edges
	aborted *atomic.Bool
	raw     bool
	loop    string
	fault   *load.Fault  // nil if there is none
	answers atomic.Int64 // within the window; read by other goroutines

	intervals []*load.Interval // one for each second, nil where nothing was recorded
	slices    []int64          // answers
	mix       []*load.MixPart  // by exchange; nil if there is only one
	aftermath *load.Aftermath  // nil if there is no fault
	errors    map[string]int64
	carried   time.Duration // see load.Window
	waiting   *hdrhistogram.Histogram
	due       *hdrhistogram.Histogram // as waiting, from the scheduled send
	closes    int64                   // connections that ended by announcement within the window
	starved   int64                   // clients that waited for one answer throughout the window; open loop
	in, out   int64                   // bytes
	connects  *hdrhistogram.Histogram
	samples   []Sample
}

func newRecorder(c *Clients) recorder {
	return recorder{edges: &c.edges, aborted: &c.aborted, raw: c.options.Raw, errors: map[string]int64{}}
}

// begin prepares a recorder for the work of a run, or of another turn: then it uses
// the histograms of the turn before again.
func (r *recorder) begin(work load.Work, requests []load.Request) {
	r.reset()
	r.fault = work.Fault
	if n := int(math.Ceil(work.Length.Seconds())) + 1; r.loop != work.Loop || len(r.intervals) != n {
		r.loop, r.intervals = work.Loop, make([]*load.Interval, n)
	}
	if len(requests) > 1 {
		for _, q := range requests {
			part := &load.MixPart{Name: q.Name(), Service: load.NewHistogram()}
			if r.loop == result.Open {
				part.Response = load.NewHistogram()
			}
			r.mix = append(r.mix, part)
		}
	}
	if r.fault != nil {
		r.aftermath = load.NewAftermath()
	}
}

// reset forgets what was measured.
func (r *recorder) reset() {
	for _, s := range r.intervals {
		if s != nil {
			s.Reset()
		}
	}
	clear(r.errors)
	r.answers.Store(0)
	r.slices, r.mix, r.samples, r.connects = r.slices[:0], nil, nil, nil
	r.carried, r.in, r.out = 0, 0, 0
}

// record counts the end of a client's request, whose exchange is e, with an error
// or without one. Those that end before the window do not count.
func (r *recorder) record(cl *client, e *exchange, now time.Duration, err error) {
	opened := r.edges.opened.Load()
	if opened == 0 || int64(now) < opened {
		return
	}
	if err != nil && !r.aborted.Load() {
		r.errors[Classify(err)]++
	}
	at := now - time.Duration(opened)
	if r.aftermath != nil {
		r.sort(cl, at, now, err)
	}
	end := r.edges.closed.Load()
	after := end != 0 && int64(now) > end
	if err == nil && !cl.first {
		// The part of its time that lies outside the window it is counted in, or
		// inside a window that does not count it.
		if early := time.Duration(opened) - cl.sent; early > 0 {
			r.carried -= early
		}
		if late := time.Duration(end) - cl.sent; after && late > 0 {
			r.carried += late
		}
	}
	if after {
		r.censor(cl, time.Duration(opened), time.Duration(end))
		return
	}
	if r.raw {
		r.keep(cl, e, now, err)
	}
	s := r.interval(at)
	if err != nil {
		s.Errored++
		return
	}
	_ = s.Service.RecordValue(trackable(now - cl.sent))
	if s.Response != nil {
		_ = s.Response.RecordValue(trackable(now - cl.due))
		_ = s.Lag.RecordValue(trackable(cl.lag))
	}
	if r.mix != nil {
		part := r.mix[cl.exchange]
		_ = part.Service.RecordValue(trackable(now - cl.sent))
		if part.Response != nil {
			_ = part.Response.RecordValue(trackable(now - cl.due))
		}
	}
	cl.done++
	r.answers.Add(1)
	r.out += int64(len(e.request))
	r.in += int64(cl.answer.size)
	k := int(at / load.SliceLength)
	for len(r.slices) <= k {
		r.slices = append(r.slices, 0)
	}
	r.slices[k]++
}

// censor records how long a request had been in flight by the end of the window, whatever
// became of it.
func (r *recorder) censor(cl *client, opened, end time.Duration) {
	if cl.first || cl.sent > end || r.aborted.Load() {
		return
	}
	if r.waiting == nil {
		r.waiting = load.NewHistogram()
	}
	_ = r.waiting.RecordValue(trackable(end - cl.sent))
	if r.loop != result.Open {
		return
	}
	if r.due == nil {
		r.due = load.NewHistogram()
	}
	_ = r.due.RecordValue(trackable(end - cl.due))
	if cl.sent <= opened {
		r.starved++
	}
}

// interval is that of a time in the window.
func (r *recorder) interval(at time.Duration) *load.Interval {
	n := min(int(at/time.Second), len(r.intervals)-1)
	if r.intervals[n] == nil {
		r.intervals[n] = load.NewInterval(r.loop)
	}
	return r.intervals[n]
}

// sort sorts a request that ended at a time of the window by the fault: whether it
// ended before or after it, and whether its client was hit.
func (r *recorder) sort(cl *client, at, now time.Duration, err error) {
	a, f, took := r.aftermath, r.fault, now-cl.sent
	switch {
	case at < f.At:
		if err == nil {
			_ = a.Before.RecordValue(trackable(took))
		}
	case r.aborted.Load() || cl.first:
		// No request of a client: the end of the run, or an attempt to reconnect.
	case err != nil:
		if cl.state == asking || cl.state == dialing {
			a.Failed++
		}
		r.hit(cl)
	case f.Until > 0 && at >= f.Until-(f.Until-f.At)/4 && at-took <= (f.At+f.Until)/2:
		// It waited for the end of the fault, which is only about known: whoever
		// injects it began to count a little earlier than the window.
		r.hit(cl)
	case !cl.lost && r.edges.contain(now):
		_ = a.Unaffected.RecordValue(trackable(took))
	}
}

// hit counts a client that the fault has hit, once.
func (r *recorder) hit(cl *client) {
	if !cl.lost {
		cl.lost = true
		r.aftermath.Lost++
	}
}

// connected records how long a connect within the window took, where each request
// has its own.
func (r *recorder) connected(now, took time.Duration) {
	if !r.edges.contain(now) {
		return
	}
	if r.connects == nil {
		r.connects = load.NewHistogram()
	}
	_ = r.connects.RecordValue(trackable(took))
}

// window is what was recorded, with the given numbers of intervals and slices.
func (r *recorder) window(intervals, slices int) *load.Window {
	w := &load.Window{
		Errors: r.errors, Carried: r.carried, BytesIn: r.in, BytesOut: r.out,
		Connect: r.connects, Mix: r.mix, Aftermath: r.aftermath,
		Waiting: r.waiting, WaitingDue: r.due, Starved: r.starved, Closes: r.closes,
		Slices: append(r.slices, make([]int64, max(0, slices-len(r.slices)))...)[:slices],
	}
	for _, s := range r.intervals[:intervals] {
		if s == nil {
			s = load.NewInterval(r.loop)
		}
		w.Intervals = append(w.Intervals, s)
	}
	return w
}

// trackable is a duration within the range of a histogram.
func trackable(d time.Duration) int64 {
	const most = int64(10 * time.Minute)
	return max(0, min(int64(d), most))
}
