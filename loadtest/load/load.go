// Package load is what a campaign and a generator say to each other: what to
// ask of which server, by how many clients and when, when to look at it, and
// what was measured. All of it can be sent from one process to another.
package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Target is what to ask of which server.
type Target struct {
	Addr     string // host:port
	Protocol string // "http" or "echo"
	// Requests are asked for by their weights, in a fixed rotation that is the
	// same for every run. Most targets have one.
	Requests []Request
	// ByClients is set where all requests but the first have clients of their own.
	// The other clients ask for the first, and weights mean nothing.
	ByClients bool
}

// Part is the target of a generator that has a part of all clients: its share of
// the clients that have requests of their own, so that those of all generators
// together are the whole, and none has more of them than it has clients. Before,
// part and whole are numbers of active clients.
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

// A Population is who asks. The clients of one generator may be a part of all
// clients: those with the numbers First to First+Clients-1.
type Population struct {
	Clients int // connections, with at most one request in flight each
	First   int
	// Active clients ask, the others hold their connections and are probed at
	// the end; all of them if 0, none if negative.
	Active int
	// PerRequest clients open a connection for each request, and close it.
	PerRequest bool
	// ConnectRate bounds the connections opened a second; 5,000 if 0.
	ConnectRate float64
}

// Work is what a population does.
type Work struct {
	Loop   string        // result.Closed, result.Open, or "" to only hold the connections and probe them
	Pace   Pace          // of the open loop
	Warmup time.Duration // unmeasured
	Length time.Duration // of the measured window
	// Requests ends the window when so many have been answered, if that comes
	// before Length.
	Requests int64
	// Fault is when something is done to the server in the window; nil: nothing is.
	Fault *Fault
	// Start is when the warm-up begins; at once if zero. Several generators
	// begin at one instant by it.
	Start time.Time
}

// A Fault is when something is done to the server, from the start of the window.
// It is done by whoever asks for the work: the generator only sorts what it
// measures by it. A client that loses its connection connects again, at first
// soon and then at most every tenth of a second.
type Fault struct {
	At time.Duration
	// Until is when it is taken back, of a fault under which connections are not
	// lost but get no answer; else 0.
	Until time.Duration
}

// A Pace is the schedule of an open loop, from the start of the warm-up, at the
// first rate, through the window. Every shard of every generator process sends
// its share: of n equal shards, shard i sends 1/n of the rate, i/n of its interval
// later than the first.
type Pace struct {
	Shape     string // result.Constant if empty
	Rate      float64
	To        float64
	N         int
	Amplitude float64
	Period    time.Duration
	// Share of the whole that this generator sends, and the share that those
	// before it do: 1 and 0 for a single one.
	Share, Before float64
}

// Hooks are called at the edges of the measured window, while the load goes
// on: Open just before its first instant, Close just after its last, so that
// what the caller reads of the server is of the window. An error of Open or
// Second ends the window. Nil functions are not called.
type Hooks struct {
	Open   func() error
	Second func(at time.Duration) error // each full second but the last
	Close  func() error
	// Enough ends the window before its time when it is closed.
	Enough <-chan struct{}
	// Progress is told each interval of the window once it is complete, n from
	// 0, from another goroutine than the others. It must not keep the interval.
	Progress func(n int, s *Interval)
}

// Connected says how the connections were opened.
type Connected struct {
	Sec       float64
	Refused   int                     // attempts that failed, of any kind
	Last      string                  // the last failure
	Histogram *hdrhistogram.Histogram // of a single connect, nanoseconds
}

// Add merges what another generator knows of its connecting at the same time.
// It may be nil.
func (c *Connected) Add(o *Connected) {
	if o == nil {
		return
	}
	c.Sec = max(c.Sec, o.Sec)
	c.Refused += o.Refused
	if o.Last != "" {
		c.Last = o.Last
	}
	if o.Histogram != nil {
		c.Histogram.Merge(o.Histogram)
	}
}

// A Window is what was measured between two instants.
type Window struct {
	Started   time.Time
	Length    time.Duration
	Intervals []*Interval // of one second, but the last
	// Errors counts, by kind, the requests of the window and of the time
	// behind it until all clients had stopped.
	Errors map[string]int64
	// Due is how many requests the schedule had for the window, Unsent how many
	// of all that were due by its end had not been sent, as no client was free
	// (open loop).
	Due, Unsent int64
	// Carried is the time that requests were in flight by the end of the window
	// that were answered behind it, less the time that those answered within were
	// before its start. It is all clients' together.
	Carried  time.Duration
	Answered int64 // probes, of connections that were held
	BytesIn  int64
	BytesOut int64
	// Slices counts the answers in equal parts of the window, SliceLength each;
	// what is left at the end is in none.
	Slices []int64
	// Clients is the number of active clients that could answer evenly, Sum and
	// Squares the sums of their answers and of the squares of these. Those that
	// ask for something else than the most are not among them.
	Clients      int64
	Sum, Squares float64
	// Connect is how long each connect within the window took, where clients
	// open one for each request.
	Connect *hdrhistogram.Histogram
	// Mix are the requests of a mix by themselves, in the order of the target's;
	// empty where all are of one kind.
	Mix []*MixPart
	// Increments of a counter were answered since the first connection, and
	// Unanswered ones failed, or were not answered in time. Readings are what the
	// counter came to in the end, by the process of the server that said so.
	Increments, Unanswered int64
	Readings               map[int]int64
	// Aftermath is what came of a fault; nil if there was none.
	Aftermath *Aftermath
}

// An Aftermath is what the clients saw of a fault.
type Aftermath struct {
	// Before are service times of requests that were answered before it,
	// Unaffected of those after it, of clients that it did not hit.
	Before, Unaffected *hdrhistogram.Histogram
	// Lost clients had their connection fail, or were not answered for as long as
	// it lasted.
	Lost int64
	// Failed are requests that were sent, or that a connect was begun for.
	Failed int64
}

// NewAftermath is an empty one.
func NewAftermath() *Aftermath {
	return &Aftermath{Before: NewHistogram(), Unaffected: NewHistogram()}
}

// A MixPart is what was measured of one kind of request of a mix.
type MixPart struct {
	Name     string
	Clients  int                     // that asked for nothing else; 0: all took turns
	Service  *hdrhistogram.Histogram // from the actual send, nanoseconds
	Response *hdrhistogram.Histogram // from the scheduled send; open loop only, else nil
}

// SliceLength is the length of a part of the window in Window.Slices.
const SliceLength = 50 * time.Millisecond

// An Interval is one second of a window, or a whole one.
type Interval struct {
	Service  *hdrhistogram.Histogram // from the actual send, nanoseconds
	Response *hdrhistogram.Histogram // from the scheduled send; open loop only, else nil
	// Lag is how late the generator sent, counted from when the request was due
	// and a client was free for it; open loop only, else nil.
	Lag     *hdrhistogram.Histogram
	Errored int64
}

// NewInterval is an empty interval of a loop.
func NewInterval(loop string) *Interval {
	s := &Interval{Service: NewHistogram()}
	if loop == result.Open {
		s.Response, s.Lag = NewHistogram(), NewHistogram()
	}
	return s
}

// Add merges another interval into this one.
func (s *Interval) Add(o *Interval) {
	s.Service.Merge(o.Service)
	if o.Response != nil {
		if s.Response == nil {
			s.Response, s.Lag = NewHistogram(), NewHistogram()
		}
		s.Response.Merge(o.Response)
		s.Lag.Merge(o.Lag)
	}
	s.Errored += o.Errored
}

// Whole is all intervals of the window in one.
func (w *Window) Whole() *Interval {
	all := &Interval{Service: NewHistogram()}
	for _, s := range w.Intervals {
		all.Add(s)
	}
	return all
}

// Add merges what another generator measured in the same window.
func (w *Window) Add(o *Window) {
	for i, s := range o.Intervals {
		if i == len(w.Intervals) {
			w.Intervals = append(w.Intervals, &Interval{Service: NewHistogram()})
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
	w.BytesIn += o.BytesIn
	w.BytesOut += o.BytesOut
	w.Clients += o.Clients
	w.Sum += o.Sum
	w.Squares += o.Squares
	if o.Connect != nil {
		if w.Connect == nil {
			w.Connect = NewHistogram()
		}
		w.Connect.Merge(o.Connect)
	}
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
			w.Mix = append(w.Mix, &MixPart{Name: k.Name, Service: NewHistogram()})
		}
		w.Mix[i].add(k)
	}
}

func (k *MixPart) add(o *MixPart) {
	k.Clients += o.Clients
	k.Service.Merge(o.Service)
	if o.Response != nil {
		if k.Response == nil {
			k.Response = NewHistogram()
		}
		k.Response.Merge(o.Response)
	}
}

// NewHistogram is an empty histogram of nanoseconds, up to ten minutes with
// three significant digits. Histograms that are merged must all be from here.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(10*time.Minute), 3)
}

// Latency summarizes a histogram of nanoseconds, in seconds. It is zero for an
// empty one.
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
