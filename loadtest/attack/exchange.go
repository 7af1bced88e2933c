package attack

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tierbench/tierbench/loadtest/load"
)

// Errors that say what was wrong with an answer.
var (
	errStatus    = errors.New("wrong status")
	errBytes     = errors.New("wrong bytes")
	errUnasked   = errors.New("bytes that nobody asked for")
	errMalformed = errors.New("malformed answer")
)

// An exchange is one kind of request and what must be heard of it. It belongs
// to a shard. What differs between clients and requests is stamped into it.
type exchange struct {
	asks    load.Workload
	request []byte // the whole of it; its last payload bytes come back, stamped
	payload int
	body    []byte // of each answer, where it is not the payload
	counts  bool   // it increments a counter
	reads   bool   // it reads that counter: the body is not known before
	http    bool
	// head is the header of an answer that was parsed and found right. An
	// answer that repeats it byte for byte needs no parsing: it is compared.
	// A server whose header changes (Date) is parsed again when it does.
	head []byte
}

// maxHeader is the most that the header of an answer may have.
const maxHeader = 64 << 10

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

// stamp makes the request one that no other of the run is, as far as its
// payload has room: an answer that belongs to another is then found out.
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

// want is the body of the answer to the request that is stamped now; of a
// counter's value, which is unknown, it is nil.
func (e *exchange) want() []byte {
	if e.payload > 0 {
		return e.request[len(e.request)-e.payload:]
	}
	return e.body
}

// An answer is what has come of one so far.
type answer struct {
	got  int    // bytes that repeat what was expected
	head []byte // the header they were compared with
	kept []byte // all bytes, once they did not; nil before
	size int    // of the last one that was right
	// value and pid are what the last one said of a counter, and who said it.
	value int64
	pid   int
	// closes is set at the end of an answer behind which the server closes.
	closes bool
}

// take takes the next bytes of the answer to the request that is stamped now,
// and checks each. It reports whether the answer is complete and right. Bytes
// behind its end are an error.
func (e *exchange) take(a *answer, data []byte) (done bool, err error) {
	if a.kept == nil {
		if a.got == 0 {
			a.head = e.head
		}
		if a.head != nil || !e.http {
			total := len(a.head) + len(e.want())
			if e.follows(data, a.got, a.head) {
				switch a.got += len(data); {
				case a.got < total:
					return false, nil
				case a.got > total:
					return false, errUnasked
				}
				a.got, a.size = 0, total
				return true, nil
			}
			if !e.http {
				return false, wrongBytes(e.want(), append(e.want()[:a.got:a.got], data...))
			}
		}
		a.kept = e.recall(a)
	}
	a.kept = append(a.kept, data...)
	done, err = e.parse(a, false)
	if done {
		a.got, a.size, a.kept = 0, len(a.kept), nil
	}
	return done, err
}

// end takes the end of the connection where an answer is due. It is right only
// behind an answer whose length is that end.
func (e *exchange) end(a *answer) error {
	if a.kept != nil {
		if done, err := e.parse(a, true); done || err != nil {
			a.got, a.size, a.kept, a.closes = 0, len(a.kept), nil, true
			return err
		}
	}
	if a.got > 0 || len(a.kept) > 0 {
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// follows tells whether got continues the message at offset at. Bytes beyond
// its end do not count here.
func (e *exchange) follows(got []byte, at int, head []byte) bool {
	if at < len(head) {
		n := min(len(got), len(head)-at)
		if !bytes.Equal(got[:n], head[at:at+n]) {
			return false
		}
		got, at = got[n:], at+n
	}
	if len(got) == 0 {
		return true
	}
	at -= len(head)
	body := e.want()
	n := min(len(got), len(body)-at)
	return bytes.Equal(got[:n], body[at:at+n])
}

// parseReading reads what a counter has come to, and the process that says so.
func parseReading(body []byte) (value int64, pid int, err error) {
	value, pid, ok := load.ParseReading(body)
	if !ok {
		return 0, 0, fmt.Errorf("%w: want a counter's value and a process, got %.40q", errBytes, body)
	}
	return value, pid, nil
}

// recall makes again the bytes that were compared and not kept.
func (e *exchange) recall(a *answer) []byte {
	kept := make([]byte, 0, 512)
	kept = append(kept, a.head[:min(a.got, len(a.head))]...)
	if rest := a.got - len(a.head); rest > 0 {
		kept = append(kept, e.want()[:min(rest, len(e.want()))]...)
	}
	return kept
}

func wrongBytes(want, got []byte) error {
	const most = 40
	return fmt.Errorf("%w: want %.*q, got %.*q", errBytes, most, want, most, got)
}

// parse reads an HTTP answer out of all bytes that have come of it, checks its
// status and body, and learns its header. atEnd says that no more will come.
func (e *exchange) parse(a *answer, atEnd bool) (done bool, err error) {
	if !bytes.Contains(a.kept, []byte("\r\n\r\n")) && !atEnd {
		if len(a.kept) > maxHeader || !bytes.HasPrefix(a.kept, []byte("HTTP/")[:min(5, len(a.kept))]) {
			return false, fmt.Errorf("%w: %.40q", errMalformed, a.kept)
		}
		return false, nil
	}
	want := e.want()
	src := &reader{rest: a.kept}
	br := bufio.NewReaderSize(src, max(len(a.kept), 16))
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	if err := resp.ReadLimitBody(br, len(want)+maxHeader); err != nil {
		if src.beyond {
			return false, e.early(a.kept, want)
		}
		return false, fmt.Errorf("%w: %w", errMalformed, err)
	}
	if code := resp.StatusCode(); code != fasthttp.StatusOK {
		return false, fmt.Errorf("%w: %d", errStatus, code)
	}
	body := resp.Body()
	untilEnd := src.beyond // the body's length is the end of the connection
	if untilEnd && !atEnd && len(body) < len(want) && bytes.HasPrefix(want, body) {
		return false, nil
	}
	if untilEnd && !atEnd && e.reads {
		return false, nil
	}
	if e.reads {
		if a.value, a.pid, err = parseReading(body); err != nil {
			return false, err
		}
	} else if !bytes.Equal(body, want) {
		return false, wrongBytes(want, body)
	}
	if untilEnd && !atEnd {
		return false, nil
	}
	if len(src.rest) > 0 || br.Buffered() > 0 {
		return false, errUnasked
	}
	a.closes = resp.ConnectionClose()
	// Only an answer that ends in its body as it stands can be compared whole.
	if head, ok := bytes.CutSuffix(a.kept, body); ok && !a.closes && !e.reads && resp.Header.ContentLength() == len(body) {
		e.head = bytes.Clone(head)
	}
	return true, nil
}

// A reader gives its bytes, and knows whether it was asked for more: then the
// answer that was read from it is not complete, or has no end of its own.
type reader struct {
	rest   []byte
	beyond bool
}

func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.beyond = true
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// early tells what is wrong with an answer already although its body is not
// complete: a client does not wait for the rest of what it did not ask for.
func (e *exchange) early(kept, want []byte) error {
	head, body, _ := bytes.Cut(kept, []byte("\r\n\r\n"))
	var h fasthttp.ResponseHeader
	if err := h.Read(bufio.NewReaderSize(bytes.NewReader(kept), len(head)+4)); err != nil {
		return nil // the whole says so, in time
	}
	if code := h.StatusCode(); code != fasthttp.StatusOK && code >= 200 {
		return fmt.Errorf("%w: %d", errStatus, code)
	}
	if n := h.ContentLength(); n >= 0 && !e.reads && (n != len(want) || !bytes.HasPrefix(want, body)) {
		return wrongBytes(want, body)
	}
	return nil
}

// A clock counts from the start of the attack: the runtime's monotonic clock,
// of which only differences are used.
type clock struct{ base time.Time }

func (c clock) now() time.Duration { return time.Since(c.base) }
