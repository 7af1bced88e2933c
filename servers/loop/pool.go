package loop

import (
	"sync"
	"time"

	"github.com/tierbench/tierbench/servers/app"
)

// A pool makes blocking calls on threads of its own, so that no loop has to. It has as many threads as are needed, up to a
// limit; what comes then waits for its turn. It is shared by all loops of a process.
type pool struct {
	limit int

	mu    sync.Mutex
	busy  int
	queue []job // in the order of coming; at most one of each connection
}

type job struct {
	time time.Duration
	then func() // called on a thread of the pool
}

// newPool returns nil when there are to be no threads.
func newPool(threads int) *pool {
	if threads == 0 {
		return nil
	}
	return &pool{limit: threads}
}

// do has a thread block for d and then call then. It does not wait for it.
func (p *pool) do(d time.Duration, then func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy == p.limit {
		p.queue = append(p.queue, job{d, then})
		return
	}
	p.busy++
	// A goroutine is a thread as long as a system call blocks it; Go keeps threads for the next ones.
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
