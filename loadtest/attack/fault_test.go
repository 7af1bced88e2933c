package attack

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// At the fault, two of five connections are closed, and those that replace them
// are served: the others are unaffected, and none of their requests is lost.
func TestLostClientsAreNotUnaffected(t *testing.T) {
	const at = 200 * time.Millisecond
	var mu sync.Mutex
	var doomed []*net.TCPConn
	accepted := 0
	var original, back atomic.Int64 // answers on the first five connections, and on those after
	addr := serve(t, func(n int, c *net.TCPConn) {
		mu.Lock()
		if accepted++; n < 2 {
			doomed = append(doomed, c)
		}
		mu.Unlock()
		echoUntil(8, func(_ *net.TCPConn, n, _ int, msg []byte) ([]byte, bool) {
			time.Sleep(time.Millisecond)
			if n < 5 {
				original.Add(1)
			} else {
				back.Add(1)
			}
			return msg, false
		})(n, c)
	})
	c := connect(t, echoTarget(addr, 8), 5, Options{Shards: 2})
	work := load.Work{Loop: result.Closed, Length: 1500 * time.Millisecond, Fault: &load.Fault{At: at}}
	w, err := c.Run(t.Context(), work, load.Hooks{Open: func() error {
		time.AfterFunc(at+50*time.Millisecond, func() { // later than planned is as good
			mu.Lock()
			defer mu.Unlock()
			for _, c := range doomed {
				_ = c.Close()
			}
		})
		return nil
	}})
	a := w.Aftermath
	if err != nil || a == nil {
		t.Fatalf("err %v, aftermath %v", err, a)
	}
	if a.Lost != 2 || a.Failed > 2 {
		t.Errorf("%d clients lost with %d requests, want 2", a.Lost, a.Failed)
	}
	if a.Before.TotalCount() == 0 || a.Unaffected.TotalCount() == 0 {
		t.Errorf("%d requests before it, %d of unaffected clients", a.Before.TotalCount(), a.Unaffected.TotalCount())
	}
	mu.Lock()
	defer mu.Unlock()
	if accepted < 7 || back.Load() == 0 {
		t.Errorf("%d connections, %d answers to those that came back", accepted, back.Load())
	}
	if n := a.Before.TotalCount() + a.Unaffected.TotalCount(); n > original.Load() {
		t.Errorf("%d requests before it and of unaffected clients, of %d in all and %d of clients that reconnected", n, original.Load(), back.Load())
	}
}

// A server that is stopped for a while loses no connection, but the clients that
// waited for it are not unaffected.
func TestHeldClientsAreLost(t *testing.T) {
	const at, until = 200 * time.Millisecond, 700 * time.Millisecond
	var mu sync.Mutex
	opened := make(chan struct{})
	var stop time.Time
	addr := serve(t, echoUntil(8, func(_ *net.TCPConn, n, k int, msg []byte) ([]byte, bool) {
		if k == 0 {
			return msg, false
		}
		<-opened
		time.Sleep(time.Millisecond)
		mu.Lock()
		from, to := stop.Add(at), stop.Add(until+50*time.Millisecond)
		mu.Unlock()
		if now := time.Now(); n == 0 && now.After(from) && now.Before(to) {
			time.Sleep(to.Sub(now))
		}
		return msg, false
	}))
	c := connect(t, echoTarget(addr, 8), 4, Options{})
	work := load.Work{Loop: result.Closed, Length: time.Second, Fault: &load.Fault{At: at, Until: until}}
	w, err := c.Run(t.Context(), work, load.Hooks{Open: func() error {
		mu.Lock()
		defer mu.Unlock()
		stop = time.Now()
		close(opened)
		return nil
	}})
	if err != nil || len(w.Errors) != 0 {
		t.Fatalf("err %v, errors %v", err, w.Errors)
	}
	if a := w.Aftermath; a.Lost != 1 || a.Failed != 0 || a.Unaffected.TotalCount() == 0 {
		t.Errorf("%d lost, %d failed, %d answers to unaffected clients", a.Lost, a.Failed, a.Unaffected.TotalCount())
	}
}

// A request that is never answered again counts, although the window is over.
func TestARequestThatIsCutOffHasFailed(t *testing.T) {
	silent := make(chan struct{})
	addr := serve(t, echoUntil(8, func(_ *net.TCPConn, n, k int, msg []byte) ([]byte, bool) {
		time.Sleep(time.Millisecond)
		select {
		case <-silent:
			if n == 0 {
				return nil, false
			}
		default:
		}
		return msg, false
	}))
	c := connect(t, echoTarget(addr, 8), 2, Options{AnswerTimeout: 200 * time.Millisecond})
	work := load.Work{Loop: result.Closed, Length: 400 * time.Millisecond, Fault: &load.Fault{At: 100 * time.Millisecond}}
	w, err := c.Run(t.Context(), work, load.Hooks{Open: func() error {
		time.AfterFunc(200*time.Millisecond, func() { close(silent) })
		return nil
	}})
	if err != nil || w.Errors[result.KindTimeout] != 1 || w.Aftermath.Lost != 1 || w.Aftermath.Failed != 1 {
		t.Errorf("err %v, errors %v, %d lost, %d failed", err, w.Errors, w.Aftermath.Lost, w.Aftermath.Failed)
	}
}

func TestAftermathsOfTwoGeneratorsAreJoined(t *testing.T) {
	one := load.NewAftermath()
	one.Lost, one.Failed = 2, 3
	_ = one.Unaffected.RecordValue(5)
	var w load.Window
	w.Add(&load.Window{Aftermath: one})
	w.Add(&load.Window{Aftermath: one})
	if a := w.Aftermath; a.Lost != 4 || a.Failed != 6 || a.Unaffected.TotalCount() != 2 || a.Before.TotalCount() != 0 {
		t.Errorf("%+v", a)
	}
}
