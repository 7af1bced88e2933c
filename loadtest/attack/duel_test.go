package attack

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// turnOf is a turn of either loop, with a warm-up.
func turnOf(loop string, rate float64) load.Work {
	return load.Work{Loop: loop, Pace: load.Pace{Rate: rate}, Warmup: 2 * time.Millisecond, Length: 20 * time.Millisecond}
}

func TestTurnsOfTwoServers(t *testing.T) {
	const clients = 20
	type side struct {
		conns, answers atomic.Int64
		clients        *Clients
	}
	sides := make([]side, 2)
	for i := range sides {
		s := &sides[i]
		addr := serve(t, func(n int, c *net.TCPConn) {
			s.conns.Add(1)
			echoUntil(32, func(_ *net.TCPConn, _, _ int, msg []byte) ([]byte, bool) {
				s.answers.Add(1)
				return msg, false
			})(n, c)
		})
		s.clients = connect(t, echoTarget(addr, 32), clients, Options{Shards: 2})
	}
	var counted int64
	for n := range 12 {
		s, other := &sides[n%2], &sides[1-n%2]
		work := turnOf(result.Closed, 0)
		if n%3 == 2 { // clients that are free stay so from one open turn to the next
			work = turnOf(result.Open, 2000)
		}
		before, resting := s.answers.Load(), other.answers.Load()
		var opened, closed int
		w, err := s.clients.Turn(t.Context(), work, load.Hooks{
			Open:  func() error { opened++; return nil },
			Close: func() error { closed++; return nil },
		})
		if err != nil || len(w.Errors) > 0 || opened != 1 || closed != 1 || w.Length < work.Length {
			t.Fatalf("turn %d: err %v, errors %v, %d opened, %d closed, length %v", n, err, w.Errors, opened, closed, w.Length)
		}
		got := w.Whole()
		answers := got.Service.TotalCount()
		counted += answers
		if all := s.answers.Load() - before; answers > all {
			t.Errorf("turn %d counted %d answers; the server gave %d", n, answers, all)
		}
		if now := other.answers.Load(); now != resting {
			t.Errorf("turn %d: the other server answered %d meanwhile", n, now-resting)
		}
		if work.Loop == result.Open && answers > 0 && got.Response.TotalCount() != answers {
			t.Errorf("turn %d: %d responses of %d answers", n, got.Response.TotalCount(), answers)
		}
	}
	if counted == 0 {
		t.Error("no turn counted an answer")
	}
	for i := range sides {
		if s := &sides[i]; s.conns.Load() != clients || s.clients.Established() != clients {
			t.Errorf("server %d saw %d connections, %d are left; want the same %d", i, s.conns.Load(), s.clients.Established(), clients)
		}
	}
}

func TestAServerThatDiesInATurn(t *testing.T) {
	var conns atomic.Int64
	addr := serve(t, func(n int, c *net.TCPConn) {
		conns.Add(1)
		echoUntil(32, func(_ *net.TCPConn, _, k int, msg []byte) ([]byte, bool) { return msg, k == 50 })(n, c)
	})
	c := connect(t, echoTarget(addr, 32), 5, Options{Shards: 1})
	work := turnOf(result.Closed, 0)
	work.Length = time.Minute
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	w, err := c.Turn(ctx, work, load.Hooks{})
	if !errors.Is(err, context.DeadlineExceeded) || c.Established() != 0 || conns.Load() != 5 {
		t.Errorf("err %v, errors %v, %d established, %d connections made; want none to connect again", err, w.Errors, c.Established(), conns.Load())
	}
}

func TestATurnEndsWithItsContext(t *testing.T) {
	c := connect(t, echoTarget(serve(t, echoUntil(32, well)), 32), 5, Options{Shards: 2})
	why := errors.New("enough")
	ctx, stop := context.WithCancelCause(t.Context())
	work := turnOf(result.Closed, 0)
	work.Length = time.Hour
	_, err := c.Turn(ctx, work, load.Hooks{Open: func() error { stop(why); return nil }})
	if !errors.Is(err, why) {
		t.Errorf("err %v, want %v", err, why)
	}
}

func TestATurnWhoseHookFails(t *testing.T) {
	c := connect(t, echoTarget(serve(t, echoUntil(32, well)), 32), 3, Options{})
	why := errors.New("cannot read")
	if _, err := c.Turn(t.Context(), turnOf(result.Closed, 0), load.Hooks{Open: func() error { return why }}); !errors.Is(err, why) {
		t.Errorf("err %v, want %v", err, why)
	}
}
