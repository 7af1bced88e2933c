package prefork

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	b := backoff{workers: 2}
	now := time.Now()
	next := func(after, want time.Duration, reason string) {
		t.Helper()
		now = now.Add(after)
		if got := b.next(now); got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
	next(0, 0, "the first start of a worker")
	next(0, 0, "the first start of the other")
	next(time.Second, 0, "one has died")
	next(0, 0, "the other too, of the same cause perhaps")
	next(0, firstDelay, "one keeps dying")
	next(firstDelay, 2*firstDelay, "again")
	for range 8 {
		now = now.Add(maxDelay)
		_ = b.next(now)
	}
	next(maxDelay, maxDelay, "and again: not longer than this")
	next(healthy+time.Second, 0, "after a long life, a death is the first one")
	for range 10_000 {
		now = now.Add(maxDelay)
		if d := b.next(now); d > maxDelay {
			t.Fatalf("a delay of %v", d)
		}
	}
	if len(b.recent) > 20 {
		t.Errorf("%d restarts are remembered", len(b.recent))
	}
}
