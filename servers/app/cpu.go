package app

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxCPU = time.Second

	// rateEnv passes the rate to worker processes: they do the same work, and need not measure the
	// rate in their first milliseconds.
	rateEnv = "TIERBENCH_CPU_STEPS_PER_US"

	calibrationRounds = 8
	calibrationRound  = time.Millisecond

	// yieldEvery is the time between two calls of Yield. It is well below the shortest switch
	// interval of an interpreter lock, and so long that the calls cost nothing.
	yieldEvery = 50 // µs
)

// cpu computes for us microseconds of processor time. The number of steps is fixed by calibration,
// so that the work is the same for every model, however often it is interrupted.
var cpu = workload{path: "/cpu", method: "GET", serve: func(req *Request, resp *Response) {
	us, ok := Number(req, resp, "us", "microseconds", 0, maxCPU.Microseconds())
	if !ok {
		return
	}
	Compute(us, req.Yield)
	resp.Body = done
}}

// Compute uses about us microseconds of processor time. It calls yield, if not nil, every
// yieldEvery.
func Compute(us int64, yield func()) {
	rate := Calibrate()
	for us > 0 {
		piece := min(us, yieldEvery)
		steps(int(float64(piece) * rate))
		if us -= piece; us > 0 && yield != nil {
			yield()
		}
	}
}

// sink uses the result of steps, so that the compiler cannot leave the computation out.
var sink atomic.Uint64

// steps does n steps of a xorshift generator. Each step needs the result of the one before; none is
// 0.
func steps(n int) {
	x := uint64(0x9E3779B97F4A7C15)
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	if x == 0 {
		sink.Add(1)
	}
}

var calibrated struct {
	once sync.Once
	rate float64
}

// Calibrate returns how many steps take a microsecond. The first call in the first process of a
// server measures it, in about ten milliseconds. It uses the processor time of its thread, so that
// other programs do not matter. Other processes of the server find the result in their environment.
func Calibrate() float64 {
	calibrated.once.Do(func() {
		if v, err := strconv.ParseFloat(os.Getenv(rateEnv), 64); err == nil && v > 0 && !math.IsInf(v, 0) {
			calibrated.rate = v
			return
		}
		calibrated.rate = measureRate(threadTime)
		_ = os.Setenv(rateEnv, strconv.FormatFloat(calibrated.rate, 'g', -1, 64))
	})
	return calibrated.rate
}

// measureRate times steps on one thread, in several rounds. The fastest counts: caches, other
// hardware threads and a processor that wakes up can only make a round slower.
func measureRate(now func() time.Duration) (best float64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := 1000
	for rounds := 0; rounds < calibrationRounds; {
		begin := now()
		steps(n)
		took := now() - begin
		if took < calibrationRound {
			n *= 2 // too short compared with the cost of reading the clock
			continue
		}
		best = max(best, float64(n)/(float64(took.Nanoseconds())/1e3))
		rounds++
	}
	return best
}
