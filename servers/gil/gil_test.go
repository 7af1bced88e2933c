package gil

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// timers is a clock whose intervals are over when the test says so.
type timers chan chan time.Time

func (t timers) clock(time.Duration) (<-chan time.Time, func() bool) {
	c := make(chan time.Time, 1)
	t <- c
	return c, func() bool { return true }
}

func fake() (*Lock, timers) {
	t := make(timers, 10)
	l := New(time.Millisecond)
	l.clock = t.clock
	return l, t
}

// goes runs f and returns a channel that is closed at its end.
func goes(f func()) chan struct{} {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	return done
}

func over(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestHandOverAfterTheInterval(t *testing.T) {
	l, timers := fake()
	a, b := l.NewThread(), l.NewThread()
	l.Lock(a)
	got := goes(func() { l.Lock(b) })
	first := <-timers // b waits
	l.Checkpoint()
	if l.drop.Load() || over(got) {
		t.Fatal("the lock was asked for before the interval was over")
	}
	first <- time.Time{}
	<-timers // b waits on: it has asked
	if !l.drop.Load() || over(got) {
		t.Fatal("after an interval the holder has not been asked, or not been waited for")
	}
	back := goes(func() { l.Checkpoint() })
	<-got    // b has it, although a computes on
	<-timers // and a waits for it like anybody
	if over(back) {
		t.Fatal("two hold the lock")
	}
	if l.drop.Load() {
		t.Error("b is asked for what a was asked for")
	}
	l.Unlock()
	<-back
}

// A switch is forced: a holder that gives the lock up because another thread has asked gets it back
// only after another thread.
func TestForcedSwitch(t *testing.T) {
	l, timers := fake()
	a, b := l.NewThread(), l.NewThread()
	l.Lock(a)
	got := goes(func() { l.Lock(b) })
	<-timers <- time.Time{}
	<-timers
	// As if b were slow to wake: the lock is free, but not for a.
	l.mu.Lock()
	asleep := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	unlocked := goes(l.Unlock)
	for { // until a has given it up
		l.mu.Lock()
		waits := len(l.switched) > 0
		l.mu.Unlock()
		if waits {
			break
		}
		runtime.Gosched()
	}
	if over(unlocked) || over(got) {
		t.Fatal("the holder did not wait for another to take the lock")
	}
	asleep[0] <- struct{}{}
	<-got
	<-unlocked
}

// The interval counts against one holder: when the lock has changed hands meanwhile, the new one is
// not asked.
func TestNewHolderIsNotAsked(t *testing.T) {
	l, timers := fake()
	a, b, c := l.NewThread(), l.NewThread(), l.NewThread()
	l.Lock(a)
	got := goes(func() { l.Lock(c) })
	first := <-timers
	// b takes it as soon as a gives it up, before c wakes.
	l.mu.Lock()
	l.last, l.switches = b, l.switches+1
	l.mu.Unlock()
	first <- time.Time{}
	second := <-timers
	if l.drop.Load() {
		t.Fatal("b is asked for what c has waited for with a")
	}
	// But a thread that gives it up and takes it again at once, because it reads and writes, is the
	// same holder.
	l.mu.Lock()
	l.waiting, l.held = append(l.waiting[:0:0], l.waiting...), false
	asleep := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	l.Lock(b)
	l.mu.Lock()
	l.waiting = asleep
	l.mu.Unlock()
	second <- time.Time{}
	<-timers
	if !l.drop.Load() {
		t.Error("b is not asked: it has had the lock for a whole interval")
	}
	l.Unlock()
	<-got
}

func TestUnlockedWhileItWaits(t *testing.T) {
	l, _ := fake()
	a, b := l.NewThread(), l.NewThread()
	l.Lock(a)
	l.Unlock() // a waits for something else
	l.Lock(b)  // in this goroutine: nothing could give it to b but that it is free
	l.Unlock()
	l.Lock(b)
	l.Checkpoint()
	l.Unlock()
	if len(l.waiting) > 0 || len(l.switched) > 0 || l.held {
		t.Errorf("left over: %d waiting, %d switched, held = %v", len(l.waiting), len(l.switched), l.held)
	}
}

// One at a time, and everybody's turn comes: a lost wake-up would hang here.
func TestManyThreads(t *testing.T) {
	const threads, rounds = 16, 300
	l := New(50 * time.Microsecond)
	n, inside := 0, 0
	var all sync.WaitGroup
	for i := range threads {
		all.Go(func() {
			who := l.NewThread()
			for range rounds {
				l.Lock(who)
				if inside++; inside != 1 {
					t.Error("two hold the lock")
				}
				for range i % 4 * 50 { // some compute longer
					inside--
					l.Checkpoint()
					if inside++; inside != 1 {
						t.Error("two hold the lock")
					}
				}
				n++
				inside--
				l.Unlock()
				if i%3 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	all.Wait()
	if n != threads*rounds {
		t.Errorf("%d rounds, want %d", n, threads*rounds)
	}
	if len(l.waiting) > 0 || len(l.switched) > 0 || l.held {
		t.Errorf("left over: %d waiting, %d switched, held = %v", len(l.waiting), len(l.switched), l.held)
	}
}

func BenchmarkUncontended(b *testing.B) {
	l := New(5 * time.Millisecond)
	who := l.NewThread()
	b.ReportAllocs()
	for b.Loop() {
		l.Lock(who)
		l.Checkpoint()
		l.Unlock()
	}
}
