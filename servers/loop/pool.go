package loop

import (
	"sync"
	"time"

	"github.com/tierbench/tierbench/servers/app"
)

// A pool makes blocking calls on threads of its own, so that no loop must. It has as many threads
// as it needs, up to a limit; further calls wait in a queue. All loops of a process share it.
type pool struct {
	limit int

	mu    sync.Mutex
	busy  int
	queue []job // in the order of arrival; at most one for each connection
}

type job struct {
	time time.Duration
	then func() // called on a thread of the pool
}

// newPool returns nil for no threads.
func newPool(threads int) *pool {
	if threads == 0 {
		return nil
	}
	return &pool{limit: threads}
}

// do lets a thread block for d and then call then. It does not wait for it.
func (p *pool) do(d time.Duration, then func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy == p.limit {
		p.queue = append(p.queue, job{d, then})
		return
	}
	p.busy++
	// A goroutine has a thread to itself while a system call blocks it. Go keeps idle threads.
	go p.work(job{d, then})
}

func (p *pool) work(j job) {
	for more := true; more; {
		app.BlockThread(j.time)
		j.then()
		j, more = p.next()
	}
}

// next returns the next job, or ends this thread's work.
func (p *pool) next() (j job, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.queue = nil
		p.busy--
		return job{}, false
	}
	j = p.queue[0]
	p.queue[0] = job{}
	p.queue = p.queue[1:]
	return j, true
}
