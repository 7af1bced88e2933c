package load

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Workload is one thing that a request can ask for over one protocol: what is
// sent, what must come back, and who can ask for it.
type Workload struct {
	Protocol string // "http" or "echo"
	Name     string // in configs and records; unique among those of the protocol
	Method   string // of HTTP; "" over echo
	Path     string // of HTTP, with its query; {time} stands for Request.Time in Time.Unit
	Time     Time   // what Request.Time means; zero if it means nothing
	// Echoes says that Request.PayloadBytes are sent, and must come back.
	Echoes bool
	Answer string // the body of each right answer, unless it is what was sent
	// Counter is where a GET reads what the server has counted, if each right answer
	// counts one: the count and the id of the process that says so, "42 4711\n".
	Counter string
	// Cheap says that it costs a server next to nothing. The generator's ceiling is
	// measured with such workloads.
	Cheap bool
	Peers []string // generators other than the project's own that can ask for it
}

// Time is the parameter that says how long a server takes for an answer.
type Time struct {
	Unit  time.Duration // it is a whole number of these
	Max   time.Duration
	Spent Spent
}

// Spent is what a server does in the time that it is asked to take.
type Spent uint8

const (
	Computing Spent = iota
	Waiting         // for something that reports when it is ready
	Blocking        // in a system call, which takes a thread
)

// Peers: generators other than the project's own. Those with a program of their
// own are named as it is.
const (
	Stock = "stock" // vegeta as most programs use its library
	Wrk   = "wrk"   // https://github.com/wg/wrk
	Wrk2  = "wrk2"  // https://github.com/giltene/wrk2
	Oha   = "oha"   // https://github.com/hatoo/oha
)

// Payloads of the workloads that echo.
const (
	DefaultPayloadBytes = 64 // where none is asked for; not in a request's name
	// MaxPayloadBytes fits the socket buffers of both ends, so that a server
	// that reads and writes by turns never waits for its client to read.
	MaxPayloadBytes = 64 << 10
)

// A Table is a list of workloads.
type Table []Workload

// Workloads are all that can be asked for, in the order in which messages list
// them. The first of a protocol is the least that it can be asked for: it proves
// that a connection is served. Only tests change the table.
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

// Find finds a workload.
func (t Table) Find(protocol, name string) (w Workload, ok bool) {
	i := slices.IndexFunc(t, func(w Workload) bool { return w.Protocol == protocol && w.Name == name })
	if i < 0 {
		return Workload{}, false
	}
	return t[i], true
}

// Where are the workloads of which is is true.
func (t Table) Where(is func(Workload) bool) (some Table) {
	for _, w := range t {
		if is(w) {
			some = append(some, w)
		}
	}
	return some
}

// Over are the workloads of a protocol.
func (t Table) Over(protocol string) Table {
	return t.Where(func(w Workload) bool { return w.Protocol == protocol })
}

// Names are the names of the workloads.
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

// DrivenBy reports whether a peer can ask for it.
func (w Workload) DrivenBy(peer string) bool { return slices.Contains(w.Peers, peer) }

// URI is the path of a request with its query.
func (w Workload) URI(r Request) string {
	if w.Time.Unit == 0 {
		return w.Path
	}
	return strings.ReplaceAll(w.Path, "{time}", strconv.FormatInt(int64(r.Time/w.Time.Unit), 10))
}

// A Request is one kind of request.
type Request struct {
	Workload     string        // a name in the table
	PayloadBytes int           // of a workload that echoes
	Time         time.Duration // of a workload that takes a time
	Weight       int           // share of the requests; 0 is 1
	Clients      int           // that ask for nothing else; 0 is none of their own
}

// Least is the least that can be asked for over a protocol; zero if there is no
// such protocol.
func Least(protocol string) (r Request) {
	if over := Workloads.Over(protocol); len(over) > 0 {
		r.Workload = over[0].Name
		if over[0].Echoes {
			r.PayloadBytes = DefaultPayloadBytes
		}
	}
	return r
}

// Name is what is asked, with its time or its payload: "plaintext",
// "block-100ms", "echo-100B".
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

// For is the request of a target for a peer, which can only ask for one.
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

// TimeOf is the time that a request takes, by its name, and how it is spent; 0 if
// its workload takes none, or if the name is of a mix.
func TimeOf(protocol, name string) (time.Duration, Spent) {
	for _, w := range Workloads.Over(protocol) {
		if text, ok := strings.CutPrefix(name, w.Name+"-"); ok && w.Time.Unit > 0 {
			if d, err := time.ParseDuration(text); err == nil {
				return d, w.Time.Spent
			}
		}
	}
	return 0, Computing
}

// ParseReading reads the answer of Workload.Counter: what the counter has come to,
// and the process that says so.
func ParseReading(body []byte) (count int64, pid int, ok bool) {
	n, _ := fmt.Sscanf(string(body), "%d %d\n", &count, &pid)
	return count, pid, n == 2 && fmt.Sprintf("%d %d\n", count, pid) == string(body)
}
