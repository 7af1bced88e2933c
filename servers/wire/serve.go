package wire

import (
	"time"

	"github.com/tierbench/tierbench/servers/app"
)

const (
	bulkSize   = 64 << 10  // the read buffer after a read that has filled the small one
	firstReply = 512       // how large a reply buffer starts
	keepReply  = 256 << 10 // a larger reply buffer is not kept
)

// A Blocker is a connection with a thread or goroutine of its own, which may block in these
// methods.
type Blocker interface {
	// Receive waits for bytes, no longer than the timeout that applies. It returns 0 at the end of
	// the connection.
	Receive(buf []byte) (n int)
	Send(reply []byte) bool // writes all of reply; false: the connection is lost
	Wait(time.Duration)     // for app.Wait, in the way of the model
}

// Serve reads and answers until b ends, or until the last answer to c has been sent. Then it
// reports true: what the client still sends must be read and discarded before the connection is
// closed (see servers.LingerTimeout).
//
// It reads into buf, and into a larger buffer while the client sends more than buf has room for.
func (s *Server) Serve(c *Conn, b Blocker, buf []byte) (answered bool) {
	in := buf
	var bulk *[]byte
	defer func() {
		if bulk != nil {
			s.bulk.Put(bulk)
		}
	}()
	for {
		n := b.Receive(in)
		if n == 0 {
			return false
		}
		reply := s.replies.Get().(*[]byte)
		out, next, ok := s.exchange(c, b, in[:n], *reply)
		if kept := s.Reuse(out); kept != nil {
			*reply = kept
		}
		s.replies.Put(reply)
		if !ok || next == Close {
			return ok
		}
		switch {
		case n == len(in) && n < bulkSize:
			bulk = s.bulk.Get().(*[]byte)
			in = *bulk
		case bulk != nil && n <= len(buf):
			s.bulk.Put(bulk)
			bulk, in = nil, buf
		}
	}
}

// Reuse returns reply without its content, as the buffer for the next reply. It returns nil where
// reply must not be used again: the reply of echo is the input itself, and a very large buffer
// would stay as large for ever.
func (s *Server) Reuse(reply []byte) []byte {
	if !s.http || cap(reply) > keepReply {
		return nil
	}
	return reply[:0]
}

// exchange feeds in to c, sends the answers to b and lets every Delay pass. It returns the last
// reply. next is Keep or Close; ok is false when the connection is lost.
func (s *Server) exchange(c *Conn, b Blocker, in, out []byte) (reply []byte, next Next, ok bool) {
	reply, next = s.Feed(c, in, out)
	for {
		if len(reply) > 0 && !b.Send(reply) {
			return reply, next, false
		}
		if next != Later {
			return reply, next, true
		}
		switch d := c.Delay(); d.Kind {
		case app.Block:
			s.block(d.Time)
		default:
			b.Wait(d.Time)
		}
		reply, next = s.Resume(c, reply[:0])
	}
}

func (s *Server) block(d time.Duration) {
	if s.Blocks != nil {
		s.Blocks <- struct{}{}
		defer func() { <-s.Blocks }()
	}
	app.BlockThread(d)
}
