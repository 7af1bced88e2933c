package attack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
)

// An exchange is one kind of request and the answer that it must get. It belongs
// to a shard. What differs between clients and requests is stamped into it.
type exchange struct {
	asks    load.Workload
	request []byte // whole; its last payload bytes come back, stamped
	payload int
	body    []byte // of every answer, where it is not the payload
	counts  bool   // it increments a counter
	reads   bool   // it reads that counter: the body is not known in advance
	http    bool
	// head is the header of an answer that was parsed and found right. An
	// answer that repeats it byte for byte is compared, not parsed. When a header
	// changes (Date), the answer is parsed again.
	head []byte
}

// newExchanges prepares the requests of a target, and those that go with them:
// prober is the number of what a new connection is asked first (-1: what its
// client asks for), reader of what reads a counter (-1: there is none).
// perRequest asks the server to close the connection after each answer.
func newExchanges(t load.Target, perRequest bool) (all []*exchange, prober, reader int, err error) {
	prober, reader = -1, -1
	slow, counter := false, ""
	for _, r := range t.Requests {
		e, err := newExchange(t, r, perRequest)
		if err != nil {
			return nil, 0, 0, err
		}
		all = append(all, e)
		slow = slow || r.Time > 0
		if counter == "" {
			counter = e.asks.Counter
		}
	}
	if len(all) == 0 {
		return nil, 0, 0, errors.New("no request to ask")
	}
	if slow {
		// A connection is proven by what costs nothing: a thousand waits for as many
		// new connections would take too long on a server that waits one by one.
		e, err := newExchange(t, load.Least(t.Protocol), perRequest)
		if err != nil {
			return nil, 0, 0, err
		}
		prober, all = len(all), append(all, e)
	}
	if counter != "" {
		e := prepare(t, load.Workload{Protocol: t.Protocol, Method: http.MethodGet, Path: counter}, load.Request{}, perRequest)
		e.reads = true
		reader, all = len(all), append(all, e)
	}
	return all, prober, reader, nil
}

func newExchange(t load.Target, r load.Request, perRequest bool) (*exchange, error) {
	w, ok := load.Workloads.Find(t.Protocol, r.Workload)
	if !ok {
		return nil, fmt.Errorf("no way to ask for %s/%s", t.Protocol, r.Workload)
	}
	return prepare(t, w, r, perRequest), nil
}

func prepare(t load.Target, w load.Workload, r load.Request, perRequest bool) *exchange {
	e := &exchange{asks: w, http: t.Protocol == "http", body: []byte(w.Answer), counts: w.Counter != ""}
	if w.Echoes {
		e.payload = r.PayloadBytes
	}
	if e.http {
		e.request = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", w.Method, w.URI(r), t.Addr)
		if perRequest {
			e.request = append(e.request, "Connection: close\r\n"...)
		}
		if w.Method == http.MethodPost {
			e.request = fmt.Appendf(e.request, "Content-Length: %d\r\n", e.payload)
		}
		e.request = append(e.request, "\r\n"...)
	}
	for i := range e.payload {
		e.request = append(e.request, 'a'+byte(i%26))
	}
	return e
}

// stamp makes the request different from every other of the run, as far as its
// payload has room, so that the answer to another request is found out.
func (e *exchange) stamp(client, n uint32) {
	payload := e.request[len(e.request)-e.payload:]
	switch {
	case len(payload) >= 8:
		binary.LittleEndian.PutUint32(payload, client)
		binary.LittleEndian.PutUint32(payload[4:], n)
	case len(payload) > 0:
		payload[0] = byte(n)
	}
}

// want returns the body of the answer to the request that is stamped now; nil for
// the value of a counter, which is not known.
func (e *exchange) want() []byte {
	if e.payload > 0 {
		return e.request[len(e.request)-e.payload:]
	}
	return e.body
}

// A clock counts from the start of the attack, by the runtime's monotonic clock.
type clock struct{ base time.Time }

func (c clock) now() time.Duration { return time.Since(c.base) }
