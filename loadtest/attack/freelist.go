package attack

import (
	"runtime"
	"sync/atomic"
)

// A freelist is a stack of small numbers for many goroutines, without a lock.
// vegeta gives its workers no state of their own, so they take a connection
// for each hit from here.
type freelist struct {
	// head is the number on top plus one (0: empty) in its lower half, and in
	// its upper half a count that changes with every operation: a goroutine
	// that slept between reading and swapping then fails, even if the same
	// number is on top again.
	head atomic.Uint64
	next []atomic.Uint32
}

func newFreelist(n int) *freelist {
	f := &freelist{next: make([]atomic.Uint32, n)}
	for i := n - 1; i >= 0; i-- {
		f.push(i)
	}
	return f
}

func (f *freelist) push(i int) {
	for {
		old := f.head.Load()
		f.next[i].Store(uint32(old))
		if f.head.CompareAndSwap(old, (old>>32+1)<<32|uint64(i+1)) {
			return
		}
	}
}

// pop takes a number. There are as many numbers as workers, so it waits only
// for the moment in which a consumer has a result in hand and has not put its
// number back.
func (f *freelist) pop() int {
	for {
		old := f.head.Load()
		top := uint32(old)
		if top == 0 {
			runtime.Gosched()
			continue
		}
		next := f.next[top-1].Load()
		if f.head.CompareAndSwap(old, (old>>32+1)<<32|uint64(next)) {
			return int(top - 1)
		}
	}
}
