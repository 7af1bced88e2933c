// Package wire is the protocol of all models, HTTP/1.1 or echo. Because they share it, a comparison
// shows how they handle connections and not how they parse. It does no I/O: a model feeds it the
// bytes that it has read, and writes the bytes that it gets back.
//
// fasthttp parses HTTP header blocks. This package decides what a request is (where it ends, how
// its body is framed, which limits apply). It refuses requests that two parsers could read in two
// ways: bare line feeds, folded lines, Content-Length together with Transfer-Encoding, more than
// one Host. They are answered 400, and the connection ends.
//
// Answers have no Date header, and their headers have a fixed order: every model always gives the
// same answer to the same request, byte for byte, and a client can compare it as a whole.
package wire

import (
	"sync"
	"sync/atomic"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/app"
	"github.com/tierbench/tierbench/servers/gil"
)

// Next is what a model must do after it has written a reply.
type Next uint8

const (
	Keep  Next = iota // continue to read
	Close             // read no more requests: half-close, discard for a while, close
	Later             // do not read, let Conn.Delay pass, then call Resume
)

// A Server answers the connections of one process or of one loop. Many goroutines may call its
// methods at the same time.
type Server struct {
	// Yield, if not nil, is passed to every request (see app.Request). Set it before the first
	// connection.
	Yield func()
	// Blocks, if not nil, bounds how many connections block their threads at a time: each takes a
	// place in the channel. Set it before the first connection.
	Blocks chan struct{}

	http      bool
	closeEach bool
	faults    bool
	limits    servers.Limits
	draining  atomic.Bool
	gil       *gil.Lock  // nil: there is none
	thread    gil.Thread // takes gil for all connections; 0: each connection has its own
	counter   servers.Counter
	cell      app.Counter // of all connections; nil: each has its own, or there is no counter

	// Scratch memory is used only while a request is processed. It has two sizes, so that a process
	// with thousands of threads does not keep a buffer for the largest allowed header for each of
	// them.
	small, large sync.Pool // of *scratch
	partials     sync.Pool // of *partial

	// What Serve reads and answers with.
	bulk, replies sync.Pool // of *[]byte
}

// New returns the protocol of cfg for a model whose connections each have a thread or a goroutine.
// cfg has been checked and has its defaults.
func New(cfg servers.Config) *Server {
	s := build(cfg)
	if s.counter != nil && !s.counter.Divided() {
		s.cell = s.counter.Cell()
	}
	return s
}

// NewLoop returns the protocol of cfg for an event loop, which serves all connections of the
// Server. first is the Server of another loop of this process, with which it shares the interpreter
// lock, or nil.
func NewLoop(cfg servers.Config, first *Server) *Server {
	s := build(cfg)
	if first != nil && first.gil != nil {
		s.gil, s.Yield = first.gil, first.gil.Checkpoint
	}
	if s.gil != nil {
		s.thread = s.gil.NewThread()
	}
	if s.counter != nil {
		s.cell = s.counter.Cell()
	}
	return s
}

func build(cfg servers.Config) *Server {
	s := &Server{
		http: cfg.Protocol == servers.HTTP, closeEach: cfg.CloseEach, faults: cfg.Faults,
		limits: cfg.Limits, counter: cfg.Counter,
	}
	if cfg.GIL > 0 {
		s.gil = gil.New(cfg.GIL)
		s.Yield = s.gil.Checkpoint
	}
	s.small.New = func() any { return newScratch(min(smallHeader, cfg.Limits.HeaderBytes)) }
	s.large.New = func() any { return newScratch(cfg.Limits.HeaderBytes) }
	s.partials.New = func() any { return new(partial) }
	s.bulk.New = func() any { b := make([]byte, bulkSize); return &b }
	s.replies.New = func() any { b := make([]byte, 0, firstReply); return &b }
	return s
}

// Drain lets every connection end with its next answer.
func (s *Server) Drain() { s.draining.Store(true) }

// Draining reports whether Drain has been called.
func (s *Server) Draining() bool { return s.draining.Load() }

// A Conn is the state of one connection between two calls of Feed. The zero value is a new
// connection. On an event loop, a connection without an unfinished request is the zero value too:
// the loop may drop it and start again from zero, so that an idle connection costs nothing.
type Conn struct {
	p       *partial
	cell    servers.Cell // where each connection has its own
	started uint32
	thread  gil.Thread // where each connection has its own; 0: it has not taken the lock yet
}

// Partial reports whether a request has begun to arrive and has not ended. Then the read timeout
// applies, not the idle timeout.
func (c *Conn) Partial() bool { return c.p != nil && !c.p.waiting }

// Waiting reports whether the last Feed or Resume returned Later.
func (c *Conn) Waiting() bool { return c.p != nil && c.p.waiting }

// Delay is what must happen before Resume. It begins when Feed or Resume returns Later.
func (c *Conn) Delay() app.Delay { return c.p.resp.Delay }

// Started counts the requests that were unfinished at the end of a Feed. While it stays the same,
// so does the request.
func (c *Conn) Started() uint32 { return c.started }

// Feed takes all of in, which is not empty. It appends the answers to the requests that in
// completes to out, so that pipelined requests need one write. The reply may be a part of in itself
// (echo copies nothing). Feed keeps no reference to in, out or reply. After Close, c must not be
// fed again.
//
// After Later, reply contains the answers before the delayed one, and c keeps a copy of the input
// after that request. If c is fed while it waits, it keeps that input too. The caller decides how
// much that may be (see Kept).
//
// Feed holds the interpreter lock, if there is one. Nobody holds it during a Delay.
func (s *Server) Feed(c *Conn, in, out []byte) (reply []byte, next Next) {
	if s.gil != nil {
		// An interpreted program holds it between two system calls.
		s.gil.Lock(s.threadOf(c))
		defer s.gil.Unlock()
	}
	switch {
	case s.http && c.Waiting():
		c.p.rest = append(c.p.rest, in...)
		return out, Later
	case s.http:
		return s.feedHTTP(c, in, out, false)
	case s.closeEach || s.draining.Load():
		return in, Close
	}
	return in, Keep
}

// Resume must be called when the Delay has passed. It appends the delayed answer to out, and
// continues with the kept input as Feed would.
func (s *Server) Resume(c *Conn, out []byte) (reply []byte, next Next) {
	p := c.p
	if s.gil != nil {
		s.gil.Lock(s.threadOf(c))
		defer s.gil.Unlock()
	}
	rest := p.rest
	p.rest, p.waiting = nil, false
	out, next = s.render(out, &p.req, &p.resp, len(rest) == 0)
	s.done(c)
	if next == Close {
		return out, Close
	}
	return s.feedHTTP(c, rest, out, true)
}

// Kept is how many bytes of input c keeps while it waits.
func (c *Conn) Kept() int {
	if c.p == nil {
		return 0
	}
	return len(c.p.rest)
}

// Release must be called when the connection has ended. It gives back the memory and the cell of c.
func (s *Server) Release(c *Conn) {
	s.done(c)
	if c.cell != nil {
		c.cell.Release()
		c.cell = nil
	}
}

// done ends the unfinished request of c, if there is one.
func (s *Server) done(c *Conn) {
	if c.p != nil {
		s.putPartial(c.p)
		c.p = nil
	}
}

// threadOf returns the thread that takes the interpreter lock for c. There must be a lock.
func (s *Server) threadOf(c *Conn) gil.Thread {
	if s.thread != 0 {
		return s.thread
	}
	if c.thread == 0 {
		c.thread = s.gil.NewThread()
	}
	return c.thread
}

// counts returns the access to the counter for a request of c.
func (s *Server) counts(c *Conn) app.Counter {
	switch {
	case s.cell != nil:
		return s.cell
	case s.counter == nil:
		return nil
	case c.cell == nil:
		c.cell = s.counter.Cell()
	}
	return c.cell
}
