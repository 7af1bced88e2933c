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
)

// Next is what a model has to do once it has written a reply.
type Next uint8

const (
	Keep  Next = iota // go on reading
	Close             // read no more requests: half-close, discard for a while, close
)

// A Server answers the connections of one process. Its methods may be called by many goroutines at once.
type Server struct {
	http     bool
	limits   servers.Limits
	draining atomic.Bool

	// Scratch memory is held only while a request is processed. Header blocks come in two sizes, so that a process
	// with thousands of threads does not keep a buffer of the largest allowed header for each.
	small, large sync.Pool // of *scratch
	partials     sync.Pool // of *partial
}

// New returns the protocol of cfg, which has been checked and has its defaults.
func New(cfg servers.Config) *Server {
	s := &Server{http: cfg.Protocol == servers.HTTP, limits: cfg.Limits}
	s.small.New = func() any { return newScratch(min(smallHeader, cfg.Limits.HeaderBytes)) }
	s.large.New = func() any { return newScratch(cfg.Limits.HeaderBytes) }
	s.partials.New = func() any { return new(partial) }
	return s
}

// Drain makes every connection end with its next answer.
func (s *Server) Drain() { s.draining.Store(true) }

// Draining reports whether Drain was called.
func (s *Server) Draining() bool { return s.draining.Load() }

// A Conn is the state of one connection between two calls of Feed. The zero value is a new connection, and a
// connection without an unfinished request is a zero value but for a counter: a model may throw it away and start
// from zero again, so that an idle connection costs nothing.
type Conn struct {
	p       *partial
	started uint32
}

// Partial reports whether a request has begun to arrive and has not ended: the read timeout holds, not the idle one.
func (c *Conn) Partial() bool { return c.p != nil }

// Started counts the requests that were left unfinished at the end of a Feed. While it is the same, so is the request.
func (c *Conn) Started() uint32 { return c.started }

// Feed takes all of in, which is not empty, and returns the answers to the requests that it completes, appended to out,
// so that pipelined requests take one write. The reply may be a part of in itself (echo copies nothing); Feed keeps
// no reference to in, out or reply. After Close, c must be fed no more.
func (s *Server) Feed(c *Conn, in, out []byte) (reply []byte, next Next) {
	if s.http {
		return s.feedHTTP(c, in, out)
	}
	if s.draining.Load() {
		return in, Close
	}
	return in, Keep
}

// Release gives back what an unfinished request of c holds, when the connection has ended.
func (s *Server) Release(c *Conn) {
	if c.p != nil {
		s.putPartial(c.p)
		c.p = nil
	}
}
