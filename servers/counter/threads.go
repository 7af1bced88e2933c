package counter

import (
	"sync"
	"sync/atomic"

	"github.com/tierbench/tierbench/servers"
)

// shared is what most counters have in common: all workers may use the same cell, and nothing has to be closed.
type shared struct{}

func (shared) Divided() bool { return false }
func (shared) Release()      {}
func (shared) close()        {}

// none loads and stores, both atomically, so that this is no data race in the sense of Go's memory model, but as if they were
// plain: two workers that load the same value both store the same next one, and one increment is lost. apart is what
// happens in between. A real handler computes there; a server gives its turn to another worker, so that what would be
// rare is shown for certain. On a single event loop there is no other worker, and nothing is lost.
type none struct {
	shared
	n     atomic.Int64
	apart func() // may be nil
}

// Bare is the counter none with nothing between its load and its store: what it costs, and not what it loses, is of interest.
func Bare() servers.Counter { return new(none) }

func (c *none) Cell() servers.Cell { return c }
func (c *none) Add() error {
	n := c.n.Load()
	if c.apart != nil {
		c.apart()
	}
	c.n.Store(n + 1)
	return nil
}
func (c *none) Value() (int64, error) { return c.n.Load(), nil }

type locked struct {
	shared
	mu sync.Mutex
	n  int64
}

func (c *locked) Cell() servers.Cell { return c }
func (c *locked) Add() error {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	return nil
}
func (c *locked) Value() (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n, nil
}

type atomically struct {
	shared
	n atomic.Int64
}

func (c *atomically) Cell() servers.Cell    { return c }
func (c *atomically) Add() error            { c.n.Add(1); return nil }
func (c *atomically) Value() (int64, error) { return c.n.Load(), nil }

// owner is a goroutine that has the number to itself. Who adds does not wait for it, unless the channel is full; who asks
// is told after all that was sent before.
type owner struct {
	shared
	messages chan message
	done     chan struct{}
}

// A message adds one, or asks.
type message struct{ answer chan<- int64 }

// queued is how many messages may wait for the owner.
const queued = 1024

func newOwner() *owner {
	c := &owner{messages: make(chan message, queued), done: make(chan struct{})}
	go c.own()
	return c
}

func (c *owner) own() {
	var n int64
	for {
		select {
		case m := <-c.messages:
			if m.answer == nil {
				n++
			} else {
				m.answer <- n
			}
		case <-c.done:
			return
		}
	}
}

func (c *owner) Cell() servers.Cell { return c }
func (c *owner) Add() error         { c.messages <- message{}; return nil }
func (c *owner) Value() (int64, error) {
	answer := make(chan int64, 1)
	c.messages <- message{answer}
	return <-answer, nil
}
func (c *owner) close() { close(c.done) }

// local has a cell for each worker, which alone writes to it: no two workers ever meet. Who asks adds them up.
type local struct {
	mu   sync.Mutex
	all  []*cell
	free []*cell // of workers that have ended; what they have counted stays
}

// A cell fills a cache line (two, because processors fetch them in pairs), or workers would meet after all.
type cell struct {
	n  atomic.Int64
	of *local
	_  [112]byte
}

func (c *local) Divided() bool { return true }
func (c *local) close()        {}

func (c *local) Cell() servers.Cell {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := len(c.free) - 1; last >= 0 {
		used := c.free[last]
		c.free = c.free[:last]
		return used
	}
	fresh := &cell{of: c}
	c.all = append(c.all, fresh)
	return fresh
}

// Add needs no locked instruction: nobody else writes.
func (c *cell) Add() error {
	c.n.Store(c.n.Load() + 1)
	return nil
}

func (c *cell) Value() (sum int64, err error) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	for _, other := range c.of.all {
		sum += other.n.Load()
	}
	return sum, nil
}

func (c *cell) Release() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.free = append(c.of.free, c)
}
