package trial

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// threads runs work on n kernel threads at the same time, and returns when all have ended.
func threads(n int, work func(i int)) {
	// As many processors, or Go instead of the kernel would take turns between the threads.
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
			// Threads that are woken one after the other might also do their work one after the
			// other. Threads that spin here are already running when the last one arrives.
			ready.Add(1)
			for spins := 0; ready.Load() < int64(n); spins++ {
				if spins > maxSpins {
					runtime.Gosched() // there are more threads than free cores
				}
			}
			work(i)
		})
	}
	ended.Wait()
}

// maxSpins is how often a thread looks whether all have arrived before it lets others run.
const maxSpins = 1 << 20

// lostUpdate is the textbook example: two threads change one variable equally often. One adds 1,
// the other subtracts 2.
var lostUpdate = Trial{
	Name:       "lost-update",
	Doc:        "two threads do x+1 and x-2, --increments times each: is x right at the end?",
	Variants:   []string{"unlocked", "locked"},
	increments: map[string]int{"": 10_000_000},
	run: func(_ context.Context, o Options) (map[string]float64, error) {
		// Each load and each store is atomic: nothing here is undefined, and only the algorithm
		// loses updates.
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
			"lost": float64(max(want-got, got-want)), // lost updates of 1 and 2 can cancel out
		}, nil
	},
}
