package wire

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/tierbench/tierbench/servers/app"
	"github.com/tierbench/tierbench/servers/faults"
)

const (
	smallHeader = 2 << 10 // usual header blocks are smaller

	// An unfinished request that is put back into its pool keeps its buffers up to these sizes.
	keepHead = 4 << 10
	keepBody = 64 << 10

	continueLine = "HTTP/1.1 100 Continue\r\n\r\n"
)

// scratch is the memory in which a header block is parsed and answered, so that neither allocates.
type scratch struct {
	hdr  fasthttp.RequestHeader
	src  bytes.Reader
	br   *bufio.Reader
	req  app.Request
	resp app.Response
}

func newScratch(headerBytes int) *scratch {
	sc := new(scratch)
	sc.br = bufio.NewReaderSize(&sc.src, headerBytes)
	return sc
}

// A request is the content of a header block. Its path and query are valid only as long as the
// scratch.
type request struct {
	serve     app.Handler
	status    int // 200, or why there is no handler
	allow     string
	length    int // of the body; chunkedLength
	path      []byte
	query     []byte
	head      bool // HEAD: the answer has no body
	close     bool // the client asks for it
	keepAlive bool // an HTTP/1.0 client asks for it, which must be confirmed
	expect    expectation
}

const chunkedLength = -1

// A partial is a request that has begun to arrive and has not ended, or whose answer is delayed.
type partial struct {
	inBody  bool
	waiting bool

	head head
	buf  []byte // the header block so far; later path and query of req

	req    request
	body   []byte
	need   int // bytes of the body that are missing, if it has a Content-Length
	chunks chunked

	resp app.Response // while waiting; its request is req, without path and query
	rest []byte       // while waiting: the input after the request
}

func (s *Server) getPartial(c *Conn) *partial {
	if c.p == nil {
		c.p = s.partials.Get().(*partial)
		c.started++
	}
	return c.p
}

func (s *Server) putPartial(p *partial) {
	buf, body := p.buf[:0], p.body[:0]
	if cap(buf) > keepHead {
		buf = nil
	}
	if cap(body) > keepBody {
		body = nil
	}
	*p = partial{buf: buf, body: body}
	s.partials.Put(p)
}

// feedHTTP answers in. If owned, c may keep in without copying it.
func (s *Server) feedHTTP(c *Conn, in, out []byte, owned bool) ([]byte, Next) {
	for len(in) > 0 {
		var status int
		next := Keep
		if c.p != nil && c.p.inBody {
			in, out, next, status = s.feedBody(c, in, out)
		} else {
			in, out, next, status = s.feedHead(c, in, out)
		}
		if status != 0 {
			r := request{status: status, close: true}
			out, next = s.refuse(out, &r)
		}
		switch next {
		case Close:
			s.done(c)
			return out, Close
		case Later:
			if c.p.rest = in; !owned {
				c.p.rest = append([]byte(nil), in...)
			}
			return out, Later
		}
	}
	return out, Keep
}

// feedHead reads a header block. It answers the request if its body has arrived too.
func (s *Server) feedHead(c *Conn, in, out []byte) (rest, newOut []byte, next Next, status int) {
	var block []byte
	var h head
	if p := c.p; p == nil {
		end, status := h.scan(in, s.limits.HeaderBytes)
		if status != 0 {
			return nil, out, Keep, status
		}
		if end == 0 {
			p := s.getPartial(c)
			p.head, p.buf = h, append(p.buf, in...)
			return nil, out, Keep, 0
		}
		block, in = in[h.start:end], in[end:]
	} else {
		// At most one byte more than the limit: enough to see that it is exceeded.
		before := len(p.buf)
		p.buf = append(p.buf, in[:min(len(in), s.limits.HeaderBytes+1-before)]...)
		end, status := p.head.scan(p.buf, s.limits.HeaderBytes)
		if status != 0 || end == 0 {
			return nil, out, Keep, status
		}
		h = p.head
		block, in = p.buf[h.start:end], in[end-before:]
	}

	pool := &s.small
	if len(block) > smallHeader {
		pool = &s.large
	}
	sc := pool.Get().(*scratch)
	defer pool.Put(sc)

	r, status := sc.parse(&h, block)
	if s.faults && r.status == http.StatusNotFound {
		r.serve, r.status, r.allow = faults.Lookup(sc.hdr.Method(), r.path)
	}
	if status == 0 && r.length > s.limits.BodyBytes {
		status = http.StatusRequestEntityTooLarge
	}
	if status != 0 {
		return nil, out, Keep, status
	}
	if r.expect == expectUnknown {
		r.status, r.close = http.StatusExpectationFailed, true
	}
	if r.expect != expectNothing && r.status != http.StatusOK && r.length != 0 {
		// The client may or may not send the body now, and the next request could not be told from
		// it.
		r.close = true
		out, next = s.refuse(out, &r)
		return nil, out, next, 0
	}

	if r.expect == expectContinue && r.length != 0 {
		// Also if the body is already here. RFC 9110, 10.1.1 leaves that to us: the answer depends
		// on what the client has sent, and not on how the network has cut it into pieces.
		out = append(out, continueLine...)
	}
	if r.length >= 0 && len(in) >= r.length {
		body := in[:r.length]
		in = in[r.length:]
		out, next = s.answer(c, sc, out, &r, body, len(in) == 0)
		return in, out, next, 0
	}

	p := s.getPartial(c)
	p.inBody = true
	p.need = r.length
	// Path and query are in the scratch, which is given back.
	n := len(r.path)
	p.buf = append(append(p.buf[:0], r.path...), r.query...)
	r.path, r.query = p.buf[:n], p.buf[n:]
	p.req = r
	return s.feedBody(c, in, out)
}

// feedBody reads the body of an unfinished request. It answers the request when the body ends.
func (s *Server) feedBody(c *Conn, in, out []byte) (rest, newOut []byte, next Next, status int) {
	p := c.p
	if p.req.length == chunkedLength {
		var done bool
		in, p.body, done, status = p.chunks.feed(in, p.body, s.limits.BodyBytes, s.limits.HeaderBytes)
		if status != 0 || !done {
			return nil, out, Keep, status
		}
	} else {
		n := min(p.need, len(in))
		p.body = append(p.body, in[:n]...)
		p.need -= n
		in = in[n:]
		if p.need > 0 {
			return nil, out, Keep, 0
		}
	}
	sc := s.small.Get().(*scratch)
	out, next = s.answer(c, sc, out, &p.req, p.body, len(in) == 0)
	s.small.Put(sc)
	return in, out, next, 0
}

// parse reads block, a complete header block without bare line feeds. h has seen its framing
// fields.
func (sc *scratch) parse(h *head, block []byte) (r request, status int) {
	sc.src.Reset(block)
	sc.br.Reset(&sc.src)
	hdr := &sc.hdr
	if err := hdr.Read(sc.br); err != nil || sc.br.Buffered() > 0 || sc.src.Len() > 0 {
		return r, http.StatusBadRequest
	}

	http10 := !hdr.IsHTTP11()
	if http10 && string(hdr.Protocol()) != "HTTP/1.0" {
		return r, http.StatusHTTPVersionNotSupported
	}
	r.length = hdr.ContentLength()
	switch {
	case h.transferEncoding && (h.contentLength || r.length != chunkedLength):
		// Both fields are request smuggling; of another coding than chunked we could not find the
		// end.
		return r, http.StatusBadRequest
	case !h.transferEncoding && !h.contentLength:
		r.length = 0
	case r.length < 0 && !h.transferEncoding:
		return r, http.StatusBadRequest
	}

	method := hdr.Method()
	r.path, r.query = splitTarget(hdr.RequestURI())
	r.serve, r.status, r.allow = app.Lookup(method, r.path)
	r.head = string(method) == http.MethodHead
	r.close = hdr.ConnectionClose()
	r.keepAlive = http10 && !r.close
	if r.expect = h.expect; http10 {
		r.expect = expectNothing // RFC 9110, 10.1.1: of an HTTP/1.0 client it is ignored
	}
	return r, 0
}

// splitTarget returns path and query of a request target, which may be a complete URL (RFC 9112,
// 3.2.2).
func splitTarget(target []byte) (path, query []byte) {
	if len(target) > 0 && target[0] != '/' {
		if i := bytes.Index(target, []byte("://")); i >= 0 {
			target = target[i+3:]
			if i = bytes.IndexAny(target, "/?"); i < 0 {
				return []byte("/"), nil
			}
			target = target[i:]
		}
	}
	path, query, _ = bytes.Cut(target, []byte("?"))
	return path, query
}

// answer appends the answer to r, or keeps it for Resume, and ends the request. last: no input
// follows r. Only then may a draining server end the connection, because every request that it has
// read must be answered.
func (s *Server) answer(c *Conn, sc *scratch, out []byte, r *request, body []byte, last bool) ([]byte, Next) {
	resp := &sc.resp
	*resp = app.Response{Status: r.status, ContentType: "text/plain"}
	if r.status == http.StatusOK {
		sc.req = app.Request{Path: r.path, Query: r.query, Body: body, Counter: s.counts(c), Yield: s.Yield}
		r.serve(&sc.req, resp)
		sc.req = app.Request{}
		if resp.Delay.Kind != app.NoDelay {
			return out, s.later(c, r, resp)
		}
	}
	out, next := s.render(out, r, resp, last)
	resp.Body = nil
	s.done(c)
	return out, next
}

// later keeps what Resume needs for the answer to r.
func (s *Server) later(c *Conn, r *request, resp *app.Response) Next {
	kept := request{status: r.status, head: r.head, close: r.close, keepAlive: r.keepAlive}
	s.done(c) // r must not be used any more: it may be a part of what this gives back
	p := s.getPartial(c)
	p.waiting = true
	p.req, p.resp = kept, *resp
	return Later
}

// refuse appends the answer to a request that has no handler.
func (s *Server) refuse(out []byte, r *request) ([]byte, Next) {
	return s.render(out, r, &app.Response{Status: r.status, ContentType: "text/plain"}, true)
}

// render appends resp, the answer to r.
func (s *Server) render(out []byte, r *request, resp *app.Response, last bool) ([]byte, Next) {
	text := "" // the body of an error without one
	out = append(out, "HTTP/1.1 "...)
	if resp.Status == http.StatusOK {
		out = append(out, "200 OK\r\nServer: tierbench\r\n"...)
	} else {
		text = http.StatusText(resp.Status)
		out = strconv.AppendInt(out, int64(resp.Status), 10)
		out = append(out, ' ')
		out = append(out, text...)
		out = append(out, "\r\nServer: tierbench\r\n"...)
		if r.allow != "" {
			out = append(out, "Allow: "...)
			out = append(out, r.allow...)
			out = append(out, "\r\n"...)
		}
		if resp.Body != nil {
			text = ""
		}
	}
	out = append(out, "Content-Type: "...)
	out = append(out, resp.ContentType...)
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(resp.Body)+len(text)), 10)
	next := Keep
	switch {
	case r.close || resp.Close || s.closeEach || last && s.draining.Load():
		next = Close
		out = append(out, "\r\nConnection: close\r\n\r\n"...)
	case r.keepAlive:
		out = append(out, "\r\nConnection: keep-alive\r\n\r\n"...)
	default:
		out = append(out, "\r\n\r\n"...)
	}
	if !r.head {
		out = append(append(out, resp.Body...), text...)
	}
	return out, next
}
