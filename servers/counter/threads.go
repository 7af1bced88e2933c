package counter

import (
	"sync"
	"sync/atomic"

	"github.com/tierbench/tierbench/servers"
)

// shared is what most counters have in common: all may use the same cell, and nothing must be
// closed.
type shared struct{}

func (shared) Divided() bool { return false }
func (shared) Release()      {}
func (shared) close()        {}

// none loads and stores. Both are atomic, so that Go's memory model calls it no data race, but two
// threads that load the same value store the same sum, and one increment is lost. apart runs in
// between: a real handler would compute there, and a server lets another goroutine run, so that the
// loss, which would be rare, shows reliably. On a single event loop no other goroutine counts, and
// nothing is lost.
type none struct {
	shared
	n     atomic.Int64
	apart func() // may be nil
}

// Bare returns the counter none with nothing between load and store: to measure its cost, not its
// loss.
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

// owner is a goroutine that alone uses the number. Add does not wait for it, unless the channel is
// full. The answer of Value includes all increments that were sent before.
type owner struct {
	shared
	messages chan message
	done     chan struct{}
}

// A message adds one, or asks for the count if it has a channel.
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

// local has a cell for each thread, goroutine or loop, which alone writes to it, so that they never
// share a cache line. Value adds the cells up.
type local struct {
	mu   sync.Mutex
	all  []*cell
	free []*cell // released; their counts stay
}

// A cell fills two cache lines, because processors fetch them in pairs.
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

// Add needs no locked instruction, because nothing else writes to the cell.
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
