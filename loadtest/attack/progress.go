package attack

import (
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
)

// A progress reports the intervals of a window, each once all shards are past it.
type progress struct {
	clients *Clients
	report  func(n int, s *load.Interval) // may be nil
	n       int                           // interval that is reported next
	stop    chan struct{}
	stopped chan struct{}
}

// follow starts to report the intervals. finish must be called on what it returns.
func (c *Clients) follow(report func(n int, s *load.Interval)) *progress {
	p := &progress{clients: c, report: report, stop: make(chan struct{}), stopped: make(chan struct{})}
	if report == nil {
		close(p.stopped)
		return p
	}
	go p.watch()
	return p
}

func (p *progress) watch() {
	defer close(p.stopped)
	c := p.clients
	tick := time.NewTicker(slice)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		opened := c.edges.opened.Load()
		if opened == 0 || c.edges.closed.Load() != 0 {
			continue
		}
		past := never
		for _, sh := range c.shards {
			past = min(past, time.Duration(sh.passed.Load()))
		}
		if past > time.Duration(opened)+time.Duration(p.n+1)*time.Second {
			p.next()
		}
	}
}

// next reports an interval, of all shards together.
func (p *progress) next() {
	s := load.NewInterval(p.clients.work.Loop)
	for _, sh := range p.clients.shards {
		if part := sh.recorder.intervals[p.n]; part != nil {
			s.Add(part)
		}
	}
	p.report(p.n, s)
	p.n++
}

// finish reports the intervals that are left. The shards must be at rest.
func (p *progress) finish() {
	close(p.stop)
	<-p.stopped
	if p.report == nil || p.clients.edges.opened.Load() == 0 {
		return
	}
	for n := p.clients.intervals(); p.n < n; {
		p.next()
	}
}

// intervals returns how many there are up to the last in which something happened.
func (c *Clients) intervals() int {
	n := 0
	for _, sh := range c.shards {
		for i, s := range sh.recorder.intervals {
			if s != nil {
				n = max(n, i+1)
			}
		}
	}
	return n
}
