package trial

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// threads runs work on n kernel threads, which begin together, and returns when all have ended.
func threads(n int, work func(i int)) {
	// As many processors, or Go would take turns between the threads instead of the kernel.
	if before := runtime.GOMAXPROCS(0); before < n {
		runtime.GOMAXPROCS(n)
		defer runtime.GOMAXPROCS(before)
	}
	var ended sync.WaitGroup
	var ready atomic.Int64
	for i := range n {
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			// Threads that are woken one after the other might do all their work one after the other. Who waits here
			// is running already when the last one comes.
			ready.Add(1)
			for spins := 0; ready.Load() < int64(n); spins++ {
				if spins > patience {
					runtime.Gosched() // there are more threads than cores, or others use them
				}
			}
			work(i)
		})
	}
	ended.Wait()
}

// patience is how often a thread looks whether all are there before it lets others run.
const patience = 1 << 20

// lostUpdate is the textbook's: two threads change one variable, one adds 1, the other subtracts 2, equally often.
var lostUpdate = Trial{
	Name:       "lost-update",
	Doc:        "two threads, x+1 and x-2, as often as --increments says: is x what it should be?",
	Variants:   []string{"unlocked", "locked"},
	increments: map[string]int{"": 10_000_000},
	run: func(_ context.Context, o Options) (map[string]float64, error) {
		// Loads and stores are atomic, each by itself: nothing here is undefined, and the loss is the algorithm's.
		var x atomic.Int64
		var mu sync.Mutex
		steps := [2]int64{+1, -2}
		threads(2, func(i int) {
			for range o.Increments {
				if o.Variant == "locked" {
					mu.Lock()
				}
				before := x.Load()
				x.Store(before + steps[i])
				if o.Variant == "locked" {
					mu.Unlock()
				}
			}
		})
		want, got := -int64(o.Increments), x.Load()
		return map[string]float64{
			"want": float64(want),
			"got":  float64(got),
			"lost": float64(max(want-got, got-want)), // how far off: updates of 1 and of 2 make up for each other
		}, nil
	},
}
