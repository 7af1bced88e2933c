package claims

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

var ownMemory = &Claim{
	ID: "B6", Title: "Each process has its own address space; threads share one",
	Charts:     []string{"memory"},
	Quote:      "A process has its own virtual memory or an address space; threads share their encompassing process's address space",
	Definition: "No other process sees what a process writes; all threads see what a thread writes.",
	Experiment: "B3's counters; R3's idle connections for the memory of a worker",
	Metric:     "fraction of the increments in the process with the most; fraction that the threads lose; PSS and shared pages of a worker",
	Lesson:     "The same address means a different page in another process. So processes cannot damage each other's memory, and share it only on request. Pages that nobody has written to are shared all the same, which makes the copies cheaper than they look.",
	Rule:       Rule{"1", "Supported if the processes' count diverges and the threads' is exact; refuted if neither is so. The memory is shown, and decides nothing."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, x := range []struct{ language, process, plain, thread, locked string }{
			{Go, "process", "none", "thread", "mutex"},
			{CPython, "python-fork", "", "python-threads", ""},
		} {
			v := judge(subject{language: x.language}, "the model", e.diverges(x.process, x.plain), e.exact(x.thread, x.locked))
			for _, model := range []string{x.process, x.thread} {
				if note := e.workerMemory(model); note != "" {
					v.Notes = append(v.Notes, note)
				}
			}
			out = append(out, v)
		}
		return out
	},
}

// workerMemory describes the memory of a process of a model, at the most idle clients.
func (e *evidence) workerMemory(model string) string {
	tiers := e.tiers(result.Key{Model: model, Protocol: "echo", Workload: result.Idle, Loop: result.Closed})
	for i := len(tiers) - 1; i >= 0; i-- {
		c := tiers[i]
		per := func(f func(*result.Server) int64) Effect {
			return Effect{Unit: stats.Bytes, Estimate: stats.MedianOf(c.Values(stats.Metric{Value: func(r *result.Repeat) (float64, bool) {
				return float64(f(&r.Server)) / float64(max(1, r.Server.Processes)), r.Server.Processes > 0
			}}))}
		}
		if pss := per(func(s *result.Server) int64 { return s.PSSBytes }); pss.N > 0 {
			return fmt.Sprintf("%s: per process at %s idle clients: PSS %s, pages shared with others %s", model, stats.Group(c.Clients), pss.interval(), per(func(s *result.Server) int64 { return s.SharedBytes }).interval())
		}
	}
	return ""
}
