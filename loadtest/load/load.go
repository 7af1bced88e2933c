// Package load has the types that a campaign and a generator exchange: the target
// and its workloads, the clients, the work, the hooks, and what was measured. All
// but the hooks can be sent from one process to another.
package load

import (
	"cmp"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Target is a server and what to ask it for.
type Target struct {
	Addr     string // host:port
	Protocol string // "http" or "echo"
	// Requests are sent in proportion to their weights, in a fixed rotation that is
	// the same for every run. Most targets have one.
	Requests []Request
	// ByClients says that all requests but the first have clients of their own. The
	// other clients ask for the first, and weights mean nothing.
	ByClients bool
}

// Part returns the target of a generator process that has a part of all clients: it
// gets its share of the clients with requests of their own, so that the processes
// together have all of these, and none has more than it has clients. Before, part
// and whole are numbers of active clients.
func (t Target) Part(before, part, whole int) Target {
	total := 0
	for _, r := range t.Requests {
		total += r.Clients
	}
	from, to := total*before/whole, total*(before+part)/whole
	own := make([]Request, len(t.Requests))
	first := 0
	for i, r := range t.Requests {
		n := r.Clients
		r.Clients = max(0, min(to, first+n)-max(from, first))
		own[i] = r
		first += n
	}
	t.Requests = own
	return t
}

// A Population is the clients of a generator process. They may be a part of all
// clients: those with the numbers First to First+Clients-1.
type Population struct {
	Clients int // connections, with at most one request in flight each
	First   int
	// Active clients send requests, the others keep their connections open and are
	// probed at the end; all are active if 0, none if negative.
	Active int
	// PerRequest means that the clients open a connection for each request.
	PerRequest bool
	// ConnectRate is the most connections to open a second; 5,000 if 0.
	ConnectRate float64
}

// Work is what a population does.
type Work struct {
	Loop   string        // result.Closed, result.Open, or "" to keep the connections open and probe them
	Pace   Pace          // of the open loop
	Warmup time.Duration // unmeasured
	Length time.Duration // of the measured window
	// Requests ends the window after so many answers, if they come before Length
	// is over.
	Requests int64
	// Fault says when a fault is injected into the server; nil if none is.
	Fault *Fault
	// Start is when the warm-up begins; at once if zero. It lets several generator
	// processes begin at the same instant.
	Start time.Time
}

// A Fault says when a fault is injected into the server, from the start of the
// window. The caller injects it; the generator sorts what it measures by it. A
// client that loses its connection reconnects, after 10 ms at first and at most
// every tenth of a second later.
type Fault struct {
	At time.Duration
	// Until is when a fault ends during which connections are not lost but get no
	// answer; 0 for other faults.
	Until time.Duration
}

// A Pace is the schedule of an open loop. It runs from the start of the warm-up, at
// the first rate, to the end of the window. Every shard of every generator process
// sends its share of the requests: of n equal shards, shard i sends 1/n of the rate,
// shifted by i/n of its interval.
type Pace struct {
	Shape     string // result.Constant if empty
	Rate      float64
	To        float64
	N         int
	Amplitude float64
	Period    time.Duration
	// Share is the part of the whole rate that this generator process sends, and
	// Before the part that those before it send: 1 and 0 for a single process.
	Share, Before float64
}

// Hooks are called at the edges of the measured window, while the load continues:
// Open just before its first instant, Close just after its last, so that what the
// caller reads of the server belongs to the window. An error of Open or Second
// ends the window. Nil functions are not called.
type Hooks struct {
	Open   func() error
	Second func(at time.Duration) error // each full second but the last
	Close  func() error
	// Enough ends the window early when it is closed.
	Enough <-chan struct{}
	// Progress is called with each interval of the window once it is complete, n
	// from 0, on another goroutine than the others. It must not keep the interval.
	Progress func(n int, s *Interval)
}

// Connected is what is known of opening the connections.
type Connected struct {
	Sec       float64
	Refused   int                     // attempts that failed, of any kind
	Kind      string                  // of the last failure, as in Window.Errors; empty where all connected in the end
	Histogram *hdrhistogram.Histogram // of a single connect, nanoseconds
}

// Add merges what another generator process knows of connecting at the same time.
// o may be nil.
func (c *Connected) Add(o *Connected) {
	if o == nil {
		return
	}
	c.Sec = max(c.Sec, o.Sec)
	c.Refused += o.Refused
	c.Kind = cmp.Or(o.Kind, c.Kind)
	merge(&c.Histogram, o.Histogram)
}

// A Window is what was measured between two instants.
type Window struct {
	Started   time.Time
	Length    time.Duration
	Intervals []*Interval // of one second, but the last
	// Errors counts, by kind, the failures of the window and of the time after it
	// until all clients had stopped.
	Errors map[string]int64
	// Due is how many requests the schedule had for the window, Unsent how many of
	// those due by its end were not sent because no client was free (open loop).
	Due, Unsent int64
	// Carried is the time until the end of the window that requests answered after
	// it were in flight, less the time before its start that requests answered
	// within it were. It is the sum over all clients.
	Carried time.Duration
	// Closes is how many answers within the window announced the end of their connection, where
	// not each request has its own.
	Closes   int64
	Answered int64 // probes, of connections that were kept open
	BytesIn  int64
	BytesOut int64
	// Slices counts the answers in parts of the window of SliceLength each; the
	// rest at its end is left out.
	Slices []int64
	// Clients is the number of active clients that ask for the first request of a
	// mix by clients, or of all active clients; Sum and Squares are the sums of
	// their answers and of the squares of these.
	Clients      int64
	Sum, Squares float64
	// Waiting contains the ages of the requests in flight at the end of the window, counted
	// from the actual send, and WaitingDue from the scheduled send, which only an open loop
	// has. They are nil if nothing was in flight.
	Waiting, WaitingDue *hdrhistogram.Histogram
	// Starved is the number of active clients that got no answer in the window; of an open
	// loop only those that waited for one all the time.
	Starved int64
	// Connect is how long each connect within the window took, where each request
	// has its own connection; else nil.
	Connect *hdrhistogram.Histogram
	// Mix is what was measured of each request of a mix, in the target's order;
	// empty where there is only one.
	Mix []*MixPart
	// Increments is how many increments of a counter were answered since the first
	// connection, Unanswered how many failed or were not answered in time. Readings
	// are the values of the counter at the end, by the server's process that
	// reported them.
	Increments, Unanswered int64
	Readings               map[int]int64
	// Aftermath is what the clients saw of a fault; nil if there was none.
	Aftermath *Aftermath
}

// An Aftermath describes how a fault affected the clients.
type Aftermath struct {
	// Before contains the service times of requests that were answered before the
	// fault, Unaffected those after it of clients that it did not hit.
	Before, Unaffected *hdrhistogram.Histogram
	// Lost counts the clients whose connection failed, or that got no answer as long
	// as the fault lasted.
	Lost int64
	// Failed counts the failed requests that were sent, or that a connect was begun
	// for.
	Failed int64
}

// NewAftermath returns an empty aftermath.
func NewAftermath() *Aftermath {
	return &Aftermath{Before: NewHistogram(), Unaffected: NewHistogram()}
}

// A MixPart is what was measured for one request of a mix.
type MixPart struct {
	Name     string
	Clients  int                     // that asked for nothing else; 0 if all clients took turns
	Service  *hdrhistogram.Histogram // from the actual send, nanoseconds
	Response *hdrhistogram.Histogram // from the scheduled send; open loop only, else nil
}

// SliceLength is the length of a part of the window in Window.Slices.
const SliceLength = 50 * time.Millisecond

// An Interval is one second of a window, or all of it.
type Interval struct {
	Service  *hdrhistogram.Histogram // from the actual send, nanoseconds
	Response *hdrhistogram.Histogram // from the scheduled send; open loop only, else nil
	// Lag is how late the generator sent after a request was due and a client was
	// free for it; open loop only, else nil.
	Lag     *hdrhistogram.Histogram
	Errored int64
}

// NewInterval returns an empty interval for a loop.
func NewInterval(loop string) *Interval {
	s := &Interval{Service: NewHistogram()}
	if loop == result.Open {
		s.Response, s.Lag = NewHistogram(), NewHistogram()
	}
	return s
}

// Reset empties the interval.
func (s *Interval) Reset() {
	for _, h := range []*hdrhistogram.Histogram{s.Service, s.Response, s.Lag} {
		if h != nil {
			h.Reset()
		}
	}
	s.Errored = 0
}

// Add merges another interval into this one.
func (s *Interval) Add(o *Interval) {
	merge(&s.Service, o.Service)
	merge(&s.Response, o.Response)
	merge(&s.Lag, o.Lag)
	s.Errored += o.Errored
}

// Whole returns all intervals of the window as one.
func (w *Window) Whole() *Interval {
	all := &Interval{Service: NewHistogram()}
	for _, s := range w.Intervals {
		all.Add(s)
	}
	return all
}

// Add merges what another generator process or shard measured in the same window.
func (w *Window) Add(o *Window) {
	for i, s := range o.Intervals {
		if i == len(w.Intervals) {
			w.Intervals = append(w.Intervals, &Interval{})
		}
		w.Intervals[i].Add(s)
	}
	if w.Errors == nil {
		w.Errors = map[string]int64{}
	}
	for kind, n := range o.Errors {
		w.Errors[kind] += n
	}
	for i, n := range o.Slices {
		if i == len(w.Slices) {
			w.Slices = append(w.Slices, 0)
		}
		w.Slices[i] += n
	}
	w.Due += o.Due
	w.Carried += o.Carried
	w.Unsent += o.Unsent
	w.Answered += o.Answered
	w.Closes += o.Closes
	w.BytesIn += o.BytesIn
	w.BytesOut += o.BytesOut
	w.Clients += o.Clients
	w.Sum += o.Sum
	w.Squares += o.Squares
	w.Starved += o.Starved
	merge(&w.Waiting, o.Waiting)
	merge(&w.WaitingDue, o.WaitingDue)
	merge(&w.Connect, o.Connect)
	if o.Aftermath != nil {
		if w.Aftermath == nil {
			w.Aftermath = NewAftermath()
		}
		w.Aftermath.Before.Merge(o.Aftermath.Before)
		w.Aftermath.Unaffected.Merge(o.Aftermath.Unaffected)
		w.Aftermath.Lost += o.Aftermath.Lost
		w.Aftermath.Failed += o.Aftermath.Failed
	}
	w.Increments += o.Increments
	w.Unanswered += o.Unanswered
	for pid, value := range o.Readings {
		if w.Readings == nil {
			w.Readings = map[int]int64{}
		}
		w.Readings[pid] = max(w.Readings[pid], value)
	}
	for i, k := range o.Mix {
		if i == len(w.Mix) {
			w.Mix = append(w.Mix, &MixPart{Name: k.Name})
		}
		w.Mix[i].Clients += k.Clients
		merge(&w.Mix[i].Service, k.Service)
		merge(&w.Mix[i].Response, k.Response)
	}
}

// merge adds a histogram, which may be nil, to another, which it makes if need be.
func merge(to **hdrhistogram.Histogram, from *hdrhistogram.Histogram) {
	if from == nil {
		return
	}
	if *to == nil {
		*to = NewHistogram()
	}
	(*to).Merge(from)
}

// NewHistogram returns an empty histogram of nanoseconds, up to ten minutes with
// three significant digits. Only histograms that it made can be merged.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(10*time.Minute), 3)
}

// Latency summarizes a histogram of nanoseconds, in seconds. It returns zero for an
// empty histogram.
func Latency(h *hdrhistogram.Histogram) result.Latency {
	if h.TotalCount() == 0 {
		return result.Latency{}
	}
	const sec = float64(time.Second)
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / sec }
	return result.Latency{
		Mean: h.Mean() / sec, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / sec,
	}
}

// Censored summarizes the times of the requests that were answered, and the ages of those that
// were still in flight at the end, in seconds; both are in nanoseconds, and waiting may be nil.
//
// An age is a censored observation: the request takes at least as long. The percentiles are
// those of the estimate of Kaplan and Meier (Journal of the American Statistical Association
// 53, 1958). A percentile above the longest time that was answered is the largest age, which it
// is at least. Max is the larger of the longest time and the largest age. Mean is that of the
// answers, because Little's law needs it.
func Censored(answered, waiting *hdrhistogram.Histogram) result.Latency {
	l := Latency(answered)
	if waiting == nil || waiting.TotalCount() == 0 {
		return l
	}
	const sec = float64(time.Second)
	l.Max = max(l.Max, float64(waiting.Max())/sec)
	quantiles := []struct {
		q  float64
		at *float64
	}{{0.5, &l.P50}, {0.9, &l.P90}, {0.99, &l.P99}, {0.999, &l.P999}}
	ages := waiting.Distribution()
	atRisk, surviving := answered.TotalCount()+waiting.TotalCount(), 1.0
	for _, b := range answered.Distribution() {
		if b.Count == 0 {
			continue
		}
		for ; len(ages) > 0 && ages[0].To < b.To; ages = ages[1:] {
			atRisk -= ages[0].Count
		}
		surviving *= 1 - float64(b.Count)/float64(atRisk)
		atRisk -= b.Count
		for len(quantiles) > 0 && 1-surviving >= quantiles[0].q-1e-9 {
			*quantiles[0].at = float64(b.To) / sec
			quantiles = quantiles[1:]
		}
	}
	for _, q := range quantiles {
		*q.at = l.Max
	}
	return l
}
