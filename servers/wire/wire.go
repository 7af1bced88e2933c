// Package wire is the protocol, HTTP/1.1 or echo, shared by all models, so that what is compared is the way they handle
// connections and not their parsers. It does no I/O: a model feeds it the bytes it has read, and writes the bytes it
// gets back.
//
// HTTP header blocks are parsed by fasthttp. Around it, this package decides what a request is (where it ends, how its
// body is framed, which limits hold) and refuses what could be read in two ways: bare line feeds, folded lines,
// Content-Length beside Transfer-Encoding, more than one Host. Such a request is answered 400 and ends the connection.
//
// Answers carry no Date header and their headers have a fixed order: the same request has the same answer, byte for
// byte, from every model and at any time, and a client can compare it whole.
package wire

import (
	"sync"
	"sync/atomic"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/app"
	"github.com/tierbench/tierbench/servers/gil"
)

// Next is what a model has to do once it has written a reply.
type Next uint8

const (
	Keep  Next = iota // go on reading
	Close             // read no more requests: half-close, discard for a while, close
	Later             // read nothing, let Conn.Delay pass, then call Resume
)

// A Server answers the connections of one process. Its methods may be called by many goroutines at once.
type Server struct {
	// Yield is given to every request, if not nil (see app.Request). It is set before the first connection.
	Yield func()
	// Blocks has room for as many as may block their threads at a time, if not nil: the others wait for room. It is set
	// before the first connection too.
	Blocks chan struct{}

	http      bool
	closeEach bool
	faults    bool
	limits    servers.Limits
	draining  atomic.Bool
	gil       *gil.Lock  // nil: there is none
	thread    gil.Thread // that takes it for all connections; 0: each connection has its own
	counter   servers.Counter
	cell      app.Counter // of all connections; nil: each takes its own, or there is no counter

	// Scratch memory is held only while a request is processed. Header blocks come in two sizes, so that a process
	// with thousands of threads does not keep a buffer of the largest allowed header for each.
	small, large sync.Pool // of *scratch
	partials     sync.Pool // of *partial

	// What Serve reads and answers with.
	bulk, replies sync.Pool // of *[]byte
}

// New returns the protocol of cfg, which has been checked and has its defaults, for a model whose connections have a
// worker each: a thread, a goroutine.
func New(cfg servers.Config) *Server {
	s := build(cfg)
	if s.counter != nil && !s.counter.Divided() {
		s.cell = s.counter.Cell()
	}
	return s
}

// NewLoop is New for an event loop: one worker that has all connections of the Server. A loop beside others in one process
// shares the interpreter lock with first, one of them; first may be nil.
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

// Drain makes every connection end with its next answer.
func (s *Server) Drain() { s.draining.Store(true) }

// Draining reports whether Drain was called.
func (s *Server) Draining() bool { return s.draining.Load() }

// A Conn is the state of one connection between two calls of Feed. The zero value is a new connection, and a
// connection without an unfinished request is a zero value but for a counter: an event loop may throw it away and start
// from zero again, so that an idle connection costs nothing.
type Conn struct {
	p       *partial
	cell    servers.Cell // of this connection's worker, where each has its own
	started uint32
	thread  gil.Thread // of this connection's worker; 0: it has not taken the interpreter lock yet
}

// Partial reports whether a request has begun to arrive and has not ended: the read timeout holds, not the idle one.
func (c *Conn) Partial() bool { return c.p != nil && !c.p.waiting }

// Waiting reports whether an answer is waited for: the last Feed or Resume returned Later.
func (c *Conn) Waiting() bool { return c.p != nil && c.p.waiting }

// Delay is what has to happen before Resume. It counts from the return of Feed or Resume with Later.
func (c *Conn) Delay() app.Delay { return c.p.resp.Delay }

// Started counts the requests that were left unfinished at the end of a Feed. While it is the same, so is the request.
func (c *Conn) Started() uint32 { return c.started }

// Feed takes all of in, which is not empty, and returns the answers to the requests that it completes, appended to out,
// so that pipelined requests take one write. The reply may be a part of in itself (echo copies nothing); Feed keeps
// no reference to in, out or reply. After Close, c must be fed no more.
//
// After Later, reply has the answers before the one that is waited for, and c keeps a copy of what follows that request.
// Fed while it waits, c keeps what comes too: how much that may be is up to who feeds it (see Kept).
//
// The interpreter lock, if there is one, is held while Feed works, and not while the answer is waited for.
func (s *Server) Feed(c *Conn, in, out []byte) (reply []byte, next Next) {
	if s.gil != nil {
		// All of this is what an interpreted program does between two system calls.
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

// Resume is called when the Delay has passed. It appends the answer that was waited for to out, and goes on with the
// input that was kept, as Feed would.
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

// Release gives back what c holds, when the connection has ended.
func (s *Server) Release(c *Conn) {
	s.done(c)
	if c.cell != nil {
		c.cell.Release()
		c.cell = nil
	}
}

// done gives back what the unfinished request of c holds.
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

// counts returns what a request of c counts with.
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
