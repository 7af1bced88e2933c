package attack

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// edges are the ends of the measured window on the clock, 0 while it has none.
type edges struct{ opened, closed atomic.Int64 }

// contain reports whether a time lies in the window.
func (e *edges) contain(t time.Duration) bool {
	opened, closed := e.opened.Load(), e.closed.Load()
	return opened != 0 && int64(t) >= opened && (closed == 0 || int64(t) <= closed)
}

// window opens and closes the measured window, under load.
func (c *Clients) window(ctx context.Context, w *load.Window, m load.Hooks) (err error) {
	if !sleep(ctx, c.work.Warmup) {
		return context.Cause(ctx)
	}
	if c.work.Loop == result.Open && c.work.Warmup > 0 {
		if c.drain(ctx); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if err := call(m.Open); err != nil {
		return err
	}
	w.Started = time.Now()
	opened := c.clock.now()
	c.edges.opened.Store(int64(opened))
	defer func() {
		closed := c.clock.now()
		c.edges.closed.Store(int64(closed))
		w.Length = closed - opened
		err = errors.Join(err, call(m.Close))
	}()
	length := c.work.Length
	for at := time.Second; ; at += time.Second {
		until := opened + min(at, length)
		if enough, ok := c.await(ctx, until, m.Enough); !ok {
			return context.Cause(ctx)
		} else if enough || at >= length {
			return nil
		}
		if m.Second != nil {
			if err := m.Second(at); err != nil {
				return err
			}
		}
	}
}

// await waits until a time on the clock. It reports whether the window has enough
// before that, by the number of answers or because enough is closed, and whether
// ctx is still not done.
func (c *Clients) await(ctx context.Context, until time.Duration, enough <-chan struct{}) (ended, ok bool) {
	for {
		if c.work.Requests > 0 && c.Answers() >= c.work.Requests {
			return true, true
		}
		left := until - c.clock.now()
		if left <= 0 {
			return false, ctx.Err() == nil
		}
		if c.work.Requests > 0 {
			left = min(left, countEvery)
		}
		t := time.NewTimer(left)
		select {
		case <-ctx.Done():
			t.Stop()
			return false, false
		case <-enough:
			t.Stop()
			return true, true
		case <-t.C:
		}
	}
}

// Answers returns how many there were within the window so far. It may be called
// from any goroutine.
func (c *Clients) Answers() (n int64) {
	for _, sh := range c.shards {
		n += sh.recorder.answers.Load()
	}
	return n
}

func call(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

// sleep waits for a while. It reports whether that passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
