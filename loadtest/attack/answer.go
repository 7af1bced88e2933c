package attack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/valyala/fasthttp"

	"github.com/tierbench/tierbench/loadtest/load"
)

// An answer is the part of an answer that has arrived, and what the last whole one said.
type answer struct {
	got  int    // bytes that were as expected
	head []byte // the header they were compared with
	kept []byte // all bytes, once one was not; nil before
	size int    // of the last answer that was right
	// value is the counter that the last answer reported, pid the process that did.
	value int64
	pid   int
	// closes is set by an answer after which the server closes the connection.
	closes bool
}

// take takes the next bytes of the answer to the request that is stamped now,
// and checks each. It reports whether the answer is complete and right. Bytes
// after its end are an error.
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

// end takes the end of the connection where an answer is due. That is right only
// after an answer that ends with its connection.
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

// follows reports whether got continues the message at offset at. Bytes beyond
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

// recall returns the bytes that were compared and not kept.
func (e *exchange) recall(a *answer) []byte {
	kept := make([]byte, 0, 512)
	kept = append(kept, a.head[:min(a.got, len(a.head))]...)
	if rest := a.got - len(a.head); rest > 0 {
		kept = append(kept, e.want()[:min(rest, len(e.want()))]...)
	}
	return kept
}

// parse parses the bytes of an HTTP answer that have come, checks its status and
// body, and learns its header. atEnd says that no more will come.
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
		return false, statusError(code)
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

// A reader reads from its bytes, and remembers whether it was asked for more: then
// the answer is not complete, or ends with its connection.
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

// early returns what is already wrong with an answer whose body is not complete: a
// client does not wait for the rest of what it did not ask for.
func (e *exchange) early(kept, want []byte) error {
	head, body, _ := bytes.Cut(kept, []byte("\r\n\r\n"))
	var h fasthttp.ResponseHeader
	if err := h.Read(bufio.NewReaderSize(bytes.NewReader(kept), len(head)+4)); err != nil {
		return nil // parsing the whole answer will report it
	}
	if code := h.StatusCode(); code != fasthttp.StatusOK && code >= 200 {
		return statusError(code)
	}
	if n := h.ContentLength(); n >= 0 && !e.reads && (n != len(want) || !bytes.HasPrefix(want, body)) {
		return wrongBytes(want, body)
	}
	return nil
}

// parseReading reads the value of a counter, and the process that reports it.
func parseReading(body []byte) (value int64, pid int, err error) {
	value, pid, ok := load.ParseReading(body)
	if !ok {
		return 0, 0, fmt.Errorf("%w: want a counter's value and a process, got %.40q", errBytes, body)
	}
	return value, pid, nil
}

// Errors that say what was wrong with an answer.
var (
	errBytes     = errors.New("wrong bytes")
	errUnasked   = errors.New("bytes without a request")
	errMalformed = errors.New("malformed answer")
)

// A statusError is an HTTP status other than 200.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("wrong status: %d", int(e)) }

func wrongBytes(want, got []byte) error {
	const most = 40
	return fmt.Errorf("%w: want %.*q, got %.*q", errBytes, most, want, most, got)
}

// maxHeader is the most bytes that the header of an answer may have.
const maxHeader = 64 << 10
