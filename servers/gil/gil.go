// Package gil emulates the interpreter lock of CPython (3.2 and later): one lock for the whole process, held by the thread
// that computes and given up while it waits for anything else.
//
// Threads that wait for the lock do not take it away from its holder. One that has waited for a whole switch interval, in
// which the lock has not changed hands, asks the holder to give it up: it sets a flag. The holder looks at the flag now
// and then, in CPython between two bytecodes, here where a handler calls Checkpoint. If it is set, it gives the lock up
// and does not take it again before another thread has had it (a forced switch). Which thread that is, nobody promises:
// the first in the queue is woken, and one that comes by meanwhile may be faster.
//
// So a thread that computes long makes all others wait for the interval, each time they want the lock back: that is what
// it costs to serve requests beside it, and why it grows with the interval. In a process with one thread nobody waits.
package gil

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Lock is one interpreter's lock. Make it with New.
type Lock struct {
	interval time.Duration
	clock    clock

	drop atomic.Bool // somebody asks the holder to give the lock up

	mu       sync.Mutex
	held     bool
	last     any    // who holds it or has held it last
	switches uint64 // how often it was taken by another than the last one
	waiting  []chan struct{}
	switched []chan struct{} // of those that may not take it before another has had it
}

// A clock starts a timer of d, which sends once on c unless it is stopped.
type clock func(d time.Duration) (c <-chan time.Time, stop func() bool)

// New returns a lock whose waiters ask for it after interval, which is more than 0.
func New(interval time.Duration) *Lock {
	return &Lock{interval: interval, clock: func(d time.Duration) (<-chan time.Time, func() bool) {
		t := time.NewTimer(d)
		return t.C, t.Stop
	}}
}

// Lock takes the lock for who: a pointer, by which a thread is known again.
func (l *Lock) Lock(who any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.held {
		before := l.switches
		if !l.wait() && l.held && l.switches == before {
			// A whole interval, and the same thread has it still, or again.
			l.drop.Store(true)
		}
	}
	l.held = true
	// Whoever asked has not asked this holder.
	l.drop.Store(false)
	if l.last == who {
		return
	}
	l.last = who
	l.switches++
	for _, c := range l.switched {
		close(c)
	}
	l.switched = nil
}

// wait gives up mu until the lock may be free, or the interval is over, when it returns false.
func (l *Lock) wait() (woken bool) {
	wake := make(chan struct{}, 1)
	l.waiting = append(l.waiting, wake)
	l.mu.Unlock()
	over, stop := l.clock(l.interval)
	select {
	case <-wake:
		woken = true
	case <-over:
	}
	stop()
	l.mu.Lock()
	if woken {
		return true
	}
	for i, c := range l.waiting {
		if c == wake {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return false
		}
	}
	return true // it was woken at the same moment: nobody else was in its place
}

// Unlock gives the lock up. If somebody has asked for it, Unlock returns when another has taken it.
func (l *Lock) Unlock() {
	l.mu.Lock()
	l.held = false
	if len(l.waiting) > 0 {
		l.waiting[0] <- struct{}{}
		l.waiting = l.waiting[1:]
	}
	if !l.drop.Load() {
		l.mu.Unlock()
		return
	}
	taken := make(chan struct{})
	l.switched = append(l.switched, taken)
	l.mu.Unlock()
	<-taken
}

// Checkpoint is called by the holder now and then while it computes. If somebody has asked for the lock, another has it
// before the holder has it again. Otherwise it costs a look at a flag.
func (l *Lock) Checkpoint() {
	if l.drop.Load() {
		who := l.last // the holder, as long as it holds it
		l.Unlock()
		l.Lock(who)
	}
}
