package loop

import (
	"sync"
	"testing"
	"time"
)

func TestPool(t *testing.T) {
	const limit, jobs = 3, 50
	p := newPool(limit)
	var all sync.WaitGroup
	var mu sync.Mutex
	ended, most := 0, 0
	for range jobs {
		all.Add(1)
		p.do(time.Millisecond, func() {
			p.mu.Lock()
			busy := p.busy
			p.mu.Unlock()
			mu.Lock()
			ended, most = ended+1, max(most, busy)
			mu.Unlock()
			all.Done()
		})
	}
	all.Wait()
	if ended != jobs || most > limit || most == 0 {
		t.Errorf("%d of %d jobs, %d at once at most; the limit is %d", ended, jobs, most, limit)
	}
	// The last thread is done a little after its job.
	for idle := false; !idle; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		idle = p.busy == 0 && p.queue == nil
		p.mu.Unlock()
	}
	if newPool(0) != nil {
		t.Error("a pool without threads")
	}
}
