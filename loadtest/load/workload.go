package load

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Workload is one kind of request over one protocol: what is sent, what must come
// back, and which generators can send it.
type Workload struct {
	Protocol string // "http" or "echo"
	Name     string // in configs and records; unique within the protocol
	Method   string // HTTP method; "" over echo
	Path     string // HTTP path and query; {time} stands for Request.Time in Time.Unit
	Time     Time   // what Request.Time means; zero if the workload takes no time
	// Echoes means that Request.PayloadBytes bytes are sent and must come back.
	Echoes bool
	Answer string // the body of each correct answer; unused if Echoes
	// Counter is the path at which a GET reads a counter, if each correct answer
	// increments it. The answer contains the count and the id of the process that
	// reports it, "42 4711\n".
	Counter string
	// Cheap means that the workload costs a server next to nothing. The generator's
	// ceiling is measured with cheap workloads.
	Cheap bool
	Peers []string // generators other than the project's own that can drive it
}

// Time describes the parameter that says how long a server takes for an answer.
type Time struct {
	Unit  time.Duration // the time is a multiple of Unit
	Max   time.Duration
	Spent Spent
}

// Spent is what a server does in the time that it is asked to take.
type Spent uint8

const (
	Computing Spent = iota
	Waiting         // for something that reports when it is ready; no thread is occupied
	Blocking        // in a system call, which occupies a thread
)

// The peers: generators other than the project's own. Those that are programs have
// the program's name.
const (
	Stock = "stock" // vegeta's library, used as most programs use it
	Wrk   = "wrk"   // https://github.com/wg/wrk
	Wrk2  = "wrk2"  // https://github.com/giltene/wrk2
	Oha   = "oha"   // https://github.com/hatoo/oha
)

// Payload sizes of the echo workloads.
const (
	DefaultPayloadBytes = 64 // if a config gives none; not part of a request's name
	// MaxPayloadBytes fits into the socket buffers of both ends, so that a server
	// that alternates between reading and writing never waits for its client to read.
	MaxPayloadBytes = 64 << 10
)

// A Table is a list of workloads.
type Table []Workload

// Workloads are all workloads, in the order in which messages list them. The first
// of each protocol is the cheapest: it proves that a connection is served. Only tests
// change the table.
var Workloads = Table{
	{
		Protocol: "http", Name: "plaintext", Method: "GET", Path: "/plaintext", Answer: "Hello, World!",
		Cheap: true, Peers: []string{Stock, Wrk, Wrk2, Oha},
	},
	{
		Protocol: "http", Name: "echo", Method: "POST", Path: "/echo", Echoes: true,
		Cheap: true, Peers: []string{Stock},
	},
	{
		Protocol: "http", Name: "wait", Method: "GET", Path: "/wait?ms={time}", Answer: "done",
		Time:  Time{Unit: time.Millisecond, Max: 10 * time.Second, Spent: Waiting},
		Peers: []string{Wrk, Wrk2, Oha},
	},
	{
		Protocol: "http", Name: "block", Method: "GET", Path: "/block?ms={time}", Answer: "done",
		Time:  Time{Unit: time.Millisecond, Max: 10 * time.Second, Spent: Blocking},
		Peers: []string{Wrk, Wrk2, Oha},
	},
	{
		Protocol: "http", Name: "cpu", Method: "GET", Path: "/cpu?us={time}", Answer: "done",
		Time:  Time{Unit: time.Microsecond, Max: time.Second, Spent: Computing},
		Peers: []string{Wrk, Wrk2, Oha},
	},
	{
		Protocol: "http", Name: "counter", Method: "POST", Path: "/counter", Answer: "ok",
		Counter: "/counter",
	},
	{Protocol: "http", Name: result.Idle, Method: "GET", Path: "/plaintext", Answer: "Hello, World!"},

	{Protocol: "echo", Name: "echo", Echoes: true, Cheap: true},
	{Protocol: "echo", Name: result.Idle, Echoes: true},
}

// Find returns the workload of that name over a protocol.
func (t Table) Find(protocol, name string) (w Workload, ok bool) {
	i := slices.IndexFunc(t, func(w Workload) bool { return w.Protocol == protocol && w.Name == name })
	if i < 0 {
		return Workload{}, false
	}
	return t[i], true
}

// Where returns the workloads for which keep returns true.
func (t Table) Where(keep func(Workload) bool) (some Table) {
	for _, w := range t {
		if keep(w) {
			some = append(some, w)
		}
	}
	return some
}

// Over returns the workloads of a protocol.
func (t Table) Over(protocol string) Table {
	return t.Where(func(w Workload) bool { return w.Protocol == protocol })
}

// Names returns the names of the workloads.
func (t Table) Names() (all []string) {
	for _, w := range t {
		all = append(all, w.Name)
	}
	return all
}

func (t Table) String() string {
	all := make([]string, len(t))
	for i, w := range t {
		all[i] = w.String()
	}
	return strings.Join(all, ", ")
}

func (w Workload) String() string { return w.Protocol + "/" + w.Name }

// DrivenBy reports whether a peer can drive the workload.
func (w Workload) DrivenBy(peer string) bool { return slices.Contains(w.Peers, peer) }

// URI returns the path and query of a request.
func (w Workload) URI(r Request) string {
	if w.Time.Unit == 0 {
		return w.Path
	}
	return strings.ReplaceAll(w.Path, "{time}", strconv.FormatInt(int64(r.Time/w.Time.Unit), 10))
}

// A Request is one kind of request.
type Request struct {
	Workload     string        // a name in the table
	PayloadBytes int           // for a workload that echoes
	Time         time.Duration // for a workload that takes a time
	Weight       int           // share of the requests; 0 means 1
	Clients      int           // how many clients send only this request; 0: none
}

// Least returns the cheapest request of a protocol, zero if the protocol is unknown.
func Least(protocol string) (r Request) {
	if over := Workloads.Over(protocol); len(over) > 0 {
		r.Workload = over[0].Name
		if over[0].Echoes {
			r.PayloadBytes = DefaultPayloadBytes
		}
	}
	return r
}

// Name returns the workload with its time or payload: "plaintext", "block-100ms",
// "echo-100B".
func (r Request) Name() string {
	switch {
	case r.Time >= time.Millisecond && r.Time%time.Millisecond == 0:
		return r.Workload + "-" + strconv.FormatInt(r.Time.Milliseconds(), 10) + "ms"
	case r.Time > 0:
		return r.Workload + "-" + strconv.FormatInt(r.Time.Microseconds(), 10) + "us"
	case r.PayloadBytes > 0 && r.PayloadBytes != DefaultPayloadBytes:
		return r.Workload + "-" + strconv.Itoa(r.PayloadBytes) + "B"
	}
	return r.Workload
}

// For returns the only request of a target, and its workload. It fails if the target
// has several, or if the peer cannot drive the workload.
func (t Target) For(peer string) (Workload, Request, error) {
	if len(t.Requests) == 1 {
		r := t.Requests[0]
		if w, ok := Workloads.Find(t.Protocol, r.Workload); ok && w.DrivenBy(peer) {
			return w, r, nil
		}
	}
	var names []string
	for _, r := range t.Requests {
		names = append(names, t.Protocol+"/"+r.Workload)
	}
	return Workload{}, Request{}, fmt.Errorf("%s cannot ask for %s; allowed: one of %s",
		peer, strings.Join(names, " and "), Workloads.Where(func(w Workload) bool { return w.DrivenBy(peer) }))
}

// TimeOf is the time of a request, in seconds, and how the server spends it. It is 0 if
// the workload takes no time.
func TimeOf(protocol string, r result.Request) (sec float64, spent Spent) {
	w, _ := Workloads.Find(protocol, r.Workload)
	if w.Time.Unit == 0 {
		return 0, Computing
	}
	return r.TimeSec, w.Time.Spent
}

// ParseReading parses the answer of Workload.Counter: the count, and the process that
// reports it.
func ParseReading(body []byte) (count int64, pid int, ok bool) {
	n, _ := fmt.Sscanf(string(body), "%d %d\n", &count, &pid)
	return count, pid, n == 2 && fmt.Sprintf("%d %d\n", count, pid) == string(body)
}
