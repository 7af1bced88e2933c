package attack

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// Errors that say what was wrong with an answer.
var (
	errStatus    = errors.New("wrong status")
	errBytes     = errors.New("wrong bytes")
	errUnasked   = errors.New("bytes that nobody asked for")
	errMalformed = errors.New("malformed answer")
)

// An exchange is what a client says and what it must hear. It is shared by all
// clients of a target; what differs between them is in the client's buffer.
type exchange struct {
	prefix  []byte // of each request: an HTTP header, or nothing
	payload int    // bytes behind the prefix that come back, stamped
	body    []byte // of each answer, where it is not the payload
	http    bool
	// head is the header of an answer that was parsed and found right. An
	// answer that repeats it byte for byte needs no parsing: it is compared.
	// A server whose header changes (Date) is parsed again when it does.
	head atomic.Pointer[[]byte]
}

// newExchange prepares the requests of a target.
func newExchange(t load.Target) (*exchange, error) {
	switch what := t.Protocol + "/" + t.Workload; what {
	case "echo/echo", "echo/" + result.Idle:
		return &exchange{payload: t.PayloadBytes}, nil
	case "http/plaintext", "http/" + result.Idle:
		return &exchange{
			http:   true,
			prefix: fmt.Appendf(nil, "GET /plaintext HTTP/1.1\r\nHost: %s\r\n\r\n", t.Addr),
			body:   []byte("Hello, World!"),
		}, nil
	case "http/echo":
		return &exchange{
			http:    true,
			prefix:  fmt.Appendf(nil, "POST /echo HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", t.Addr, t.PayloadBytes),
			payload: t.PayloadBytes,
		}, nil
	default:
		return nil, fmt.Errorf("no way to ask for %s", what)
	}
}

// request makes a client's request buffer.
func (e *exchange) request() []byte {
	buf := make([]byte, len(e.prefix)+e.payload)
	copy(buf, e.prefix)
	for i := range e.payload {
		buf[len(e.prefix)+i] = 'a' + byte(i%26)
	}
	return buf
}

// stamp makes the payload one that no other request of the run has, as far as
// it has room: an answer that belongs to another request is then found out.
func (e *exchange) stamp(req []byte, client, n uint32) {
	payload := req[len(e.prefix):]
	switch {
	case len(payload) >= 8:
		binary.LittleEndian.PutUint32(payload, client)
		binary.LittleEndian.PutUint32(payload[4:], n)
	case len(payload) > 0:
		payload[0] = byte(n)
	}
}

// want is the body of the answer to req.
func (e *exchange) want(req []byte) []byte {
	if e.body != nil {
		return e.body
	}
	return req[len(e.prefix):]
}

// receive reads the answer to req from conn into buf and compares each byte of
// it. The buffer is grown if it must be, and returned.
func (e *exchange) receive(conn io.Reader, req, buf []byte) ([]byte, error) {
	want := e.want(req)
	var head []byte
	if e.http {
		p := e.head.Load()
		if p == nil {
			return e.parse(conn, nil, want, buf)
		}
		head = *p
	}
	total := len(head) + len(want)
	if cap(buf) < total+1 {
		buf = make([]byte, total+1)
	}
	// One byte more than is expected: bytes that nobody asked for show up.
	buf = buf[:total+1]
	n := 0
	for n < total {
		m, err := conn.Read(buf[n:])
		if m > 0 {
			if !follows(buf[n:n+m], n, head, want) {
				if e.http {
					return e.parse(conn, append([]byte(nil), buf[:n+m]...), want, buf)
				}
				return buf, wrongBytes(want, buf[:n+m])
			}
			n += m
		}
		if err != nil && n < total {
			if err == io.EOF && n > 0 {
				err = io.ErrUnexpectedEOF
			}
			return buf, err
		}
	}
	if n > total {
		return buf, errUnasked
	}
	return buf, nil
}

func wrongBytes(want, got []byte) error {
	const most = 40
	return fmt.Errorf("%w: want %.*q, got %.*q", errBytes, most, want, most, got)
}

// follows tells whether got continues the message head+body at offset at.
// Bytes beyond the end of the message do not count here.
func follows(got []byte, at int, head, body []byte) bool {
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
	n := min(len(got), len(body)-at)
	return bytes.Equal(got[:n], body[at:at+n])
}

// parse reads an HTTP answer whose start may have been read already, checks
// its status and body, and learns its header.
func (e *exchange) parse(conn io.Reader, start, want, buf []byte) ([]byte, error) {
	tee := &capture{src: io.MultiReader(bytes.NewReader(start), conn)}
	br := bufio.NewReader(tee)
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	if err := resp.ReadLimitBody(br, len(want)+64<<10); err != nil {
		if tee.err != nil { // of the connection, not of what came through it
			if tee.err == io.EOF && len(tee.got) > 0 {
				return buf, io.ErrUnexpectedEOF
			}
			return buf, tee.err
		}
		return buf, fmt.Errorf("%w: %w", errMalformed, err)
	}
	if code := resp.StatusCode(); code != fasthttp.StatusOK {
		return buf, fmt.Errorf("%w: %d", errStatus, code)
	}
	if !bytes.Equal(resp.Body(), want) {
		return buf, wrongBytes(want, resp.Body())
	}
	if br.Buffered() > 0 {
		return buf, errUnasked
	}
	// Only an answer that ends in its body as it stands can be compared whole.
	if head, ok := bytes.CutSuffix(tee.got, want); ok && !resp.ConnectionClose() && resp.Header.ContentLength() == len(want) {
		e.head.Store(&head)
	}
	return buf, nil
}

// capture keeps what was read through it, and how reading failed.
type capture struct {
	src io.Reader
	got []byte
	err error
}

func (c *capture) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.got = append(c.got, p[:n]...)
	if err != nil {
		c.err = err
	}
	return n, err
}

// A clock counts from the start of the attack: the runtime's monotonic clock,
// of which only differences are used.
type clock struct{ base time.Time }

func (c clock) now() time.Duration { return time.Since(c.base) }
