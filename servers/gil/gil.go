// Package gil emulates the interpreter lock of CPython (3.2 and later): one lock for the whole
// process. A thread holds it while it computes and gives it up while it waits for anything else.
//
// Waiting threads do not take the lock away from its holder. A thread that has waited for a whole
// switch interval, in which the lock has not changed hands, sets a flag that asks the holder to
// give it up. The holder looks at the flag now and then: in CPython between two bytecodes, here
// where a handler calls Checkpoint. If the flag is set, the holder gives the lock up and does not
// take it again before another thread has had it (a forced switch). It is not defined which thread
// that is: the first in the queue is woken, but a thread that arrives meanwhile may be faster.
//
// So a thread that computes for long makes all others wait for the interval each time they want the
// lock back. This is what it costs to serve requests next to it, and why the cost grows with the
// interval. In a process with one thread nobody waits.
package gil

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Lock is the lock of one interpreter. Make it with New.
type Lock struct {
	interval time.Duration
	clock    clock

	threads atomic.Uint32 // the last Thread that NewThread returned
	drop    atomic.Bool   // a waiting thread asks the holder to give the lock up

	mu       sync.Mutex
	held     bool
	last     Thread // that holds the lock, or held it last
	switches uint64 // how often another thread than the last one took it
	waiting  []chan struct{}
	switched []chan struct{} // of threads that may not take it before another has had it
}

// A Thread identifies a thread to a Lock. It is a number and not a pointer, so that a caller's
// connection need not be on the heap.
type Thread uint32

// A clock starts a timer of d, which sends once on c unless it is stopped.
type clock func(d time.Duration) (c <-chan time.Time, stop func() bool)

// New returns a lock whose waiters ask for it after interval, which is more than 0.
func New(interval time.Duration) *Lock {
	return &Lock{interval: interval, clock: func(d time.Duration) (<-chan time.Time, func() bool) {
		t := time.NewTimer(d)
		return t.C, t.Stop
	}}
}

// NewThread returns a Thread that no other thread of l has. It is never 0.
func (l *Lock) NewThread() Thread { return Thread(l.threads.Add(1)) }

// Lock takes the lock for t.
func (l *Lock) Lock(t Thread) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.held {
		before := l.switches
		if !l.wait() && l.held && l.switches == before {
			// The same thread has held it for a whole interval, or holds it again.
			l.drop.Store(true)
		}
	}
	l.held = true
	// The threads that have asked have not asked this holder.
	l.drop.Store(false)
	if l.last == t {
		return
	}
	l.last = t
	l.switches++
	for _, c := range l.switched {
		close(c)
	}
	l.switched = nil
}

// wait unlocks mu until the lock may be free or the interval is over. In the second case it returns
// false.
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
	return true // it was woken at the same moment, and no other thread was woken in its place
}

// Unlock gives the lock up. If a thread has asked for the lock, Unlock returns when another thread
// has taken it.
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

// Checkpoint is called by the holder now and then while it computes. If a thread has asked for the
// lock, another thread has it before the holder has it again. Otherwise Checkpoint only reads a
// flag.
func (l *Lock) Checkpoint() {
	if l.drop.Load() {
		holder := l.last // nobody else changes it while the lock is held
		l.Unlock()
		l.Lock(holder)
	}
}
