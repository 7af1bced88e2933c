package claims

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// What B2 to B6 ask for.
const (
	counterLoad    = "counter"
	counterClients = 10
	priceTrial     = "increment"
	priceValue     = "increment_sec"
	lostTrial      = "lost-update"
	startTrial     = "start"
	startValue     = "start_sec"
	leastTrials    = 10
)

// trialOf is what a trial is called in a language.
func trialOf(language, name string) string {
	if language == CPython {
		return "python-" + name
	}
	return name
}

func counterKey(model, way string) result.Key {
	k := closed(model, counterLoad, counterClients)
	if way != "" {
		k.Setting = "counter " + way
	}
	return k
}

// counted is a value of the count at the end. Increments that were not
// answered may or may not have been made: the count is right with and without
// them.
func counted(f func(c *result.Count) float64) func(*result.Repeat) (float64, bool) {
	return func(r *result.Repeat) (float64, bool) {
		if r.Count == nil || r.Count.Increments == 0 {
			return 0, false
		}
		return f(r.Count), true
	}
}

var (
	miscount = stats.Metric{Name: "miscount", Value: counted(func(c *result.Count) float64 {
		off := max(c.Increments-c.Value, c.Value-c.Increments-c.Unanswered, 0)
		return float64(off) / float64(c.Increments)
	})}
	// seen is what the process that has most has of the increments that were made.
	seen = stats.Metric{Name: "seen", Value: counted(func(c *result.Count) float64 {
		return float64(c.Value) / float64(c.Increments)
	})}
)

// exact holds if the count is right in every repeat.
func (e *evidence) exact(model, way string) point {
	k := counterKey(model, way)
	p := point{at: model + " " + way}
	c := e.cell(k)
	if c == nil {
		p.missing = e.lack(k)
		return p
	}
	vs := values(c, miscount)
	if len(vs) == 0 {
		p.missing = "a count in the record of " + k.String()
		return p
	}
	off := mean(vs)
	p.cells = keys(c)
	p.effects = []Effect{{What: strings.TrimSpace(p.at) + ": part of the increments that is lost", Estimate: off, Bound: "0"}}
	if off.Known() {
		if p.holds = 1; off.Value > 0 {
			p.holds = -1
		}
	}
	return p
}

func mean(vs []float64) stats.Estimate {
	return stats.Bootstrap([][]float64{vs}, func(s [][]float64) float64 {
		var sum float64
		for _, v := range s[0] {
			sum += v
		}
		return sum / float64(len(s[0]))
	})
}

// diverges holds if no process has all increments.
func (e *evidence) diverges(model, way string) point {
	k := counterKey(model, way)
	p := point{at: model + ": a plain variable"}
	c := e.cell(k)
	if c == nil {
		p.missing = e.lack(k)
		return p
	}
	part := stats.MedianOf(values(c, seen))
	if part.N == 0 {
		p.missing = "a count in the record of " + k.String()
		return p
	}
	p.cells = keys(c)
	p.effects = []Effect{{What: p.at + ": part of the increments that the process with most has", Estimate: part, Bound: "< 1"}}
	p.holds = below(part, 1)
	return p
}

// exactTrial holds if the count was right in every trial of a way, with all
// workers adding at once.
func (e *evidence) exactTrial(language, way string) point {
	name := trialOf(language, priceTrial)
	p := point{at: way, trials: []string{name + " " + way}}
	want, got := e.trialValues(name, way, "want"), e.trialValues(name, way, "got")
	if len(want) != len(got) || len(want) < leastTrials {
		p.missing = e.lackTrials(name, way, min(len(want), len(got)), leastTrials)
		return p
	}
	off := make([]float64, len(want))
	for i := range want {
		off[i] = math.Abs(got[i]-want[i]) / want[i]
	}
	lost := mean(off)
	p.effects = []Effect{{What: way + ": part of the increments that is lost", Estimate: lost, Bound: "0"}}
	if p.holds = 1; lost.Value > 0 {
		p.holds = -1
	}
	return p
}

// price is what an increment costs, as a note.
func (e *evidence) price(language string, p point, ways ...string) point {
	name := trialOf(language, priceTrial)
	for _, way := range ways {
		if vs := e.trialValues(name, way, priceValue); len(vs) > 0 {
			p.notes = append(p.notes, fmt.Sprintf("an increment by %s takes %s", way, Effect{Estimate: stats.MedianOf(vs), Unit: stats.Seconds}.interval()))
			if t := name + " " + way; !slices.Contains(p.trials, t) {
				p.trials = append(p.trials, t)
			}
		}
	}
	return p
}

// priceRatio is what an increment by one way costs beside another.
func (e *evidence) priceRatio(language string, p point, way, other string) point {
	name := trialOf(language, priceTrial)
	a, b := e.trialValues(name, way, priceValue), e.trialValues(name, other, priceValue)
	if len(a) > 0 && len(b) > 0 && p.missing == "" {
		ratio := stats.Bootstrap([][]float64{a, b}, func(s [][]float64) float64 { return stats.Median(s[0]) / stats.Median(s[1]) })
		p.effects = append(p.effects, Effect{What: fmt.Sprintf("price of an increment, %s ÷ %s", way, other), Estimate: ratio})
	}
	return p
}

var channels = &Claim{
	ID: "B2", Title: "Processes communicate by a file, shared memory, a message pipe",
	Charts:     []string{"throughput"},
	Quote:      "How do process communicate with each other? … a file on disk … shared memory … message pipe",
	Definition: "A counter that all processes increment is right over each of the three: a file under flock(2), a mapped page with atomics, a pipe to an owner.",
	Experiment: "B2: 10 clients increment in prefork over each; the price by the trials increment. In CPython two forked processes increment at once in the trials python-increment, and the page is guarded by a lock: its standard library has no atomic addition",
	Metric:     "part of the increments that is lost or made up; µs of an increment",
	Lesson:     "Processes share nothing by themselves, so what they share goes through the kernel or a page that both map. A locked file costs several system calls an increment, a pipe a hand-over to its owner and back, a shared page one atomic instruction.",
	Rule:       Rule{"1", "Supported if the count is exact after M increments from all workers under load, in every repeat, over all three; refuted if it is over none. An increment that was not answered may count or not."},
	decide: func(e *evidence) []Verdict {
		var goes, python []point
		for _, way := range []string{"flock", "shm", "pipe"} {
			goes = append(goes, e.price(Go, e.exact("prefork", way), way))
			python = append(python, e.price(CPython, e.exactTrial(CPython, way), way))
		}
		return []Verdict{judge(subject{language: Go}, "the channel", goes...), judge(subject{language: CPython}, "the channel", python...)}
	},
}

var sharedSpace = &Claim{
	ID: "B3", Title: "Threads share globals and the heap",
	Charts:     []string{"throughput"},
	Quote:      "threads can access global variables defined in the program; can access heap memory",
	Definition: "A counter in memory is one for all threads, and one for each process.",
	Experiment: "B3: 10 clients increment in thread under a mutex, an atomic and an owner fed by a channel, and in process a plain variable; in CPython a variable under a lock, in threads and in forked processes",
	Metric:     "part of the increments that is lost; part that the process with most has",
	Lesson:     "One variable in memory is the same for all threads, and right if they take turns at it. Forked processes each have a copy: every one of them counts only what it did itself.",
	Rule:       Rule{"1", "Supported if the threads' count is exact in every repeat by each way, and the processes' diverges: no process has all increments, by the whole interval."},
	decide: func(e *evidence) []Verdict {
		return []Verdict{
			judge(subject{language: Go}, "the way",
				e.price(Go, e.exact("thread", "mutex"), "mutex"), e.price(Go, e.exact("thread", "atomic"), "atomic"), e.price(Go, e.exact("thread", "owner"), "owner"), e.diverges("process", "none")),
			judge(subject{language: CPython}, "the way", e.price(CPython, e.exact("python-threads", ""), "mutex", "owner"), e.diverges("python-fork", "")),
		}
	},
}

var lostUpdate = &Claim{
	ID: "B4", Title: "Unsynchronised updates lose; a lock guards the critical section",
	Quote:      "a lock is a synchronization mechanism for enforcing access to sensitive/critical areas of program code",
	Definition: "Two threads add 1 and subtract 2, M times each, reading and writing apart: without a lock the result is not −M.",
	Experiment: "B4: the trials lost-update and python-lost-update, unlocked and locked; the accesses are atomic, so that nothing is undefined",
	Metric:     "part of M by which the result is off",
	Lesson:     "x+1 is a read, an addition and a write. If another thread writes between the read and the write, its update is lost. A lock makes the three one step, as nobody else gets in between. The interpreter lock is no such lock: it changes hands between the steps of a program, only not within one.",
	Rule:       Rule{"1", "Supported if result ≠ −M without the lock in ≥ 1 of 10 trials, and = −M in all with it."},
	decide: func(e *evidence) []Verdict {
		var out []Verdict
		for _, language := range Languages {
			out = append(out, judge(subject{language: language}, "the lock", e.off(language, "unlocked"), e.off(language, "locked")))
		}
		return out
	},
}

// off is by how much the trials of a variant missed.
func (e *evidence) off(language, variant string) point {
	name := trialOf(language, lostTrial)
	p := point{at: variant, trials: []string{name + " " + variant}}
	want, got := e.trialValues(name, variant, "want"), e.trialValues(name, variant, "got")
	if len(want) != len(got) || len(want) < leastTrials {
		p.missing = e.lackTrials(name, variant, min(len(want), len(got)), leastTrials)
		return p
	}
	wrong := 0
	by := make([]float64, len(want))
	for i := range want {
		if want[i] != got[i] {
			wrong++
		}
		by[i] = math.Abs(got[i]-want[i]) / math.Max(1, math.Abs(want[i]))
	}
	p.effects = []Effect{{What: fmt.Sprintf("%s: part of M by which the result is off; %d of %d trials are", variant, wrong, len(want)), Estimate: stats.MedianOf(by), Bound: map[string]string{"unlocked": "> 0 in one", "locked": "0 in all"}[variant]}}
	if p.holds = -1; (wrong > 0) == (variant == "unlocked") {
		p.holds = 1
	}
	return p
}

var messages = &Claim{
	ID: "B5", Title: "Threads pass information as events and arguments",
	Charts:     []string{"throughput"},
	Quote:      `threads may communicate (important) information to one another or to the main program in several ways; some of those ways are by: (a) creating "events"; (b) passing information as arguments`,
	Definition: "An owner that is sent messages keeps a count right without a lock of the program.",
	Experiment: "B5: 10 clients increment in thread by messages to an owner goroutine, and in the event loop, which all requests are messages to; the price by the trials increment. In CPython threads put messages in the queue of an owner, in the trials python-increment, and clients increment in an asyncio loop",
	Metric:     "part of the increments that is lost; price of an increment by the owner ÷ by a mutex",
	Lesson:     "If only one owner touches the count and the others send it messages, no two updates can cross. The queue does the locking; a hand-over costs more than a lock that is free.",
	Rule:       Rule{"1", "Supported if the count is exact in every repeat for the owner and for the loop; refuted if it is for neither. The price is shown beside the lock's, and decides nothing."},
	decide: func(e *evidence) []Verdict {
		priced := func(language string, owner point) point {
			return e.priceRatio(language, e.price(language, owner, "owner", "mutex"), "owner", "mutex")
		}
		return []Verdict{
			judge(subject{language: Go}, "who owns it", priced(Go, e.exact("thread", "owner")), e.exact("eventloop", "local")),
			judge(subject{language: CPython}, "who owns it", priced(CPython, e.exactTrial(CPython, "owner")), e.exact("python-asyncio", "")),
		}
	},
}

var ownMemory = &Claim{
	ID: "B6", Title: "Each process has its own address space; threads share one",
	Charts:     []string{"memory"},
	Quote:      "A process has its own virtual memory or an address space; threads share their encompassing process's address space",
	Definition: "What one process writes no other sees; what one thread writes all do.",
	Experiment: "B3's counters; R3's idle connections for the memory of a worker",
	Metric:     "part of the increments that the process with most has; part that the threads lose; PSS and shared pages of a worker",
	Lesson:     "The same address means another page in another process. So processes cannot disturb each other's memory, and cannot share it unless they ask; pages that nobody has written to are shared all the same, which keeps the copies cheaper than they look.",
	Rule:       Rule{"1", "Supported if the processes' count diverges and the threads' is exact; refuted if neither. The memory is shown, and decides nothing."},
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

// workerMemory is that of a process of a model, at the most idle clients.
func (e *evidence) workerMemory(model string) string {
	tiers := e.tiers(result.Key{Model: model, Protocol: "echo", Workload: result.Idle, Loop: result.Closed})
	for i := len(tiers) - 1; i >= 0; i-- {
		c := tiers[i]
		per := func(f func(*result.Server) int64) Effect {
			return Effect{Unit: stats.Bytes, Estimate: stats.MedianOf(values(c, stats.Metric{Value: func(r *result.Repeat) (float64, bool) {
				return float64(f(&r.Server)) / float64(max(1, r.Server.Processes)), r.Server.Processes > 0
			}}))}
		}
		if pss := per(func(s *result.Server) int64 { return s.PSSBytes }); pss.N > 0 {
			return fmt.Sprintf("%s: of a process at %s idle clients: PSS %s, pages shared with others %s", model, stats.Group(c.Clients), pss.interval(), per(func(s *result.Server) int64 { return s.SharedBytes }).interval())
		}
	}
	return ""
}
