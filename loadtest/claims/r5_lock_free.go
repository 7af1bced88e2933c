package claims

import (
	"github.com/tierbench/tierbench/loadtest/stats"
)

var lockFree = &Claim{
	ID: "R5", Title: "Programs without threads, or mostly I/O-bound, are not affected",
	Charts:     []string{"latency"},
	Quote:      "there are a lot of applications that are not affected by the GIL, namely (a) those that do not use threads, or (b) those that do use threads but are mostly I/O-bound",
	Definition: "Without a client that computes, it does not matter how long a thread may keep the lock.",
	Experiment: "R5: T5 without the client that computes, for the threads (b); T5's processes cover (a)",
	Metric:     "slope of the echo's p99 against the interval",
	Lesson:     "A thread that waits for a client or a disk gives the lock back first. If no thread computes for long, the lock is free when a thread wants it, and it does not matter how long it could be kept.",
	Rule:       Rule{"1", "Supported if the slope's interval includes 0, refuted if it excludes 0."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, language := range Languages {
			s := of(contestants, language, Threads)[0]
			out = append(out, judge(subject{language: language}, "", e.lockSlope(s, lockBystander, stats.P99).flip()))
		}
		return out
	},
}
