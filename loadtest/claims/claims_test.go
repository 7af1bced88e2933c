package claims

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A record is made up cell by cell.
type record struct{ set result.Set }

func newRecord() *record {
	return &record{result.Set{Run: result.Run{ID: "20260301T120000Z-claims", Host: result.Host{Cores: 2}, ClaimRules: RulesVersion}}}
}

// cell adds n repeats of a cell. Their numbers are those that f sets, off by up
// to 1 % from one repeat to the next where f multiplies by its jitter.
func (r *record) cell(k result.Key, n int, f func(r *result.Repeat, jitter float64)) *record {
	r.set.Run.Cells = append(r.set.Run.Cells, k)
	for i := range n {
		rep := result.Repeat{
			Key: k, Repeat: i + 1, Requests: 1000, DurationSec: 1, ThroughputRPS: 1000,
			Service: result.Latency{P50: 0.001, P99: 0.002}, CPUs: result.CPUs{ServerCount: 2}, Gates: result.Gates{Verdict: result.Valid},
			Server: result.Server{Usage: result.Usage{Processes: 1, PSSBytes: 1 << 20}, CPUUserSec: 0.01},
		}
		f(&rep, 1+0.005*float64(i%3-1))
		r.set.Repeats = append(r.set.Repeats, rep)
	}
	return r
}

func (r *record) trial(name, variant string, n int, f func(i int) map[string]float64) *record {
	for i := range n {
		r.set.Trials = append(r.set.Trials, result.Trial{Name: name, Variant: variant, Repeat: i + 1, Values: f(i)})
	}
	return r
}

// rps and latency are what most cells differ in.
func rps(x float64) func(*result.Repeat, float64) {
	return func(r *result.Repeat, j float64) { r.ThroughputRPS = x * j }
}

func tail(sec float64) func(*result.Repeat, float64) {
	return func(r *result.Repeat, j float64) { r.Service.P99 = sec * j }
}

// A decision is what a ledger is expected to say.
type decision struct {
	id, language, column, subject string
	word                          Word
	says                          string // part of the reason or the effects
}

func check(t *testing.T, why string, r *record, want decision) *Verdict {
	t.Helper()
	claim, ok := Find(want.id)
	if !ok {
		t.Fatalf("there is no claim %s", want.id)
	}
	v := evaluate(newEvidence(&r.set), []*Claim{claim}).Of(want.id, want.language, want.column, want.subject)
	if v == nil {
		t.Errorf("%s: %s has no verdict for %s %s %s", why, want.id, want.language, want.column, want.subject)
		return &Verdict{}
	}
	all := v.Why
	for _, f := range v.Effects {
		all += "\n" + f.What + ": " + f.interval()
	}
	all += "\n" + strings.Join(v.Notes, "\n")
	if v.Word != want.word || !strings.Contains(all, want.says) {
		t.Errorf("%s: %s is %q, want %q with %q:\n%s", why, want.id, v.Word, want.word, want.says, all)
	}
	if v.Word != Undecidable {
		if len(v.Effects) == 0 || !v.Effects[0].Known() {
			t.Errorf("%s: %s is %s without an interval", why, want.id, v.Word)
		}
		if len(v.Cells) == 0 && len(v.Trials) == 0 {
			t.Errorf("%s: %s has no cells and no trials", why, want.id)
		}
		if v.Rule == "" || v.Repeats < 2 {
			t.Errorf("%s: rule %q, %d repeats", why, v.Rule, v.Repeats)
		}
	}
	return v
}

func waits(model string, gains map[int]float64, cpu float64) *record {
	r := newRecord().cell(closed("sequential", waitWorkload, 1), 10, rps(20))
	for _, n := range waitTiers {
		g, ok := gains[n]
		if !ok {
			continue
		}
		r.cell(closed(model, waitWorkload, n), 10, func(rep *result.Repeat, j float64) {
			rep.ThroughputRPS = 20 * g * float64(n) * j
			rep.Server.CPUUserSec = cpu * 2
		})
	}
	return r
}

func TestWaiting(t *testing.T) {
	of := func(word Word, says string) decision { return decision{"T1", Go, Threads, "thread", word, says} }
	all := func(g float64) map[int]float64 { return map[int]float64{1: g, 10: g, 100: g, 1000: g} }
	check(t, "gain above 0.9·N", waits("thread", all(0.93), 0.1), of(Supported, "gain ÷ 1,000 slots at 1,000 clients"))
	check(t, "gain below 0.9·N", waits("thread", all(0.88), 0.1), of(Refuted, ""))
	check(t, "the interval includes 0.9", waits("thread", all(0.9), 0.1), of(Undecidable, "the interval includes the bound"))
	check(t, "server CPU just under 30 %", waits("thread", all(0.95), 0.29), of(Supported, ""))
	check(t, "server CPU at 30 %", waits("thread", all(0.95), 0.3), of(Refuted, "server CPU"))
	check(t, "up to 100 clients only", waits("thread", map[int]float64{1: 1, 10: 1, 100: 0.95, 1000: 0.4}, 0.1), of(Depends, "not so at 1,000 clients"))
	check(t, "a tier is missing", waits("thread", map[int]float64{10: 1, 100: 1}, 0.1), of(Undecidable, "missing: the cell thread http/wait-50ms closed clients=1000,"))
	check(t, "nothing was measured", newRecord(), of(Undecidable, "did not ask for"))
	check(t, "one is one's own baseline", waits("thread", all(1), 0.1), decision{"T1", Go, Processes, "", Undecidable, "process: missing"})

	once := waits("thread", all(1), 0.1)
	for i := 0; i < len(once.set.Repeats); i++ {
		if once.set.Repeats[i].Repeat > 1 {
			once.set.Repeats[i].Gates.Verdict = result.Invalid
		}
	}
	check(t, "one repeat that counts has no interval", once, of(Undecidable, "fewer than two"))

	// A pool of as many processes as cores has that many slots.
	pool := newRecord()
	for n, x := range map[int]float64{1: 20, 10: 39, 100: 39} {
		pool.cell(closed("python-prefork", waitWorkload, n), 10, rps(x))
	}
	check(t, "two slots", pool, decision{"T1", CPython, Processes, "python-prefork", Supported, "gain ÷ 2 slots at 10 clients"})
}

func TestIllusion(t *testing.T) {
	for _, tt := range []struct {
		why  string
		x    float64
		word Word
	}{
		{"faster", 21, Supported}, {"the same", 20, Undecidable}, {"slower", 19, Refuted},
	} {
		r := newRecord().cell(with(closed("sequential", waitWorkload, 1), onOneCPU), 10, rps(20)).
			cell(with(closed("thread", waitWorkload, illusionN), onOneCPU), 10, func(rep *result.Repeat, j float64) { rep.ThroughputRPS = tt.x * j * j })
		check(t, tt.why, r, decision{"I1", Go, Threads, "thread", tt.word, ""})
	}
}

func computes(model string, e, busy float64, cpus int) *record {
	k := closed(model, cpuWorkload, cpuClients)
	return newRecord().cell(with(k, onOneCPU), 10, rps(1000)).cell(k, 10, func(rep *result.Repeat, j float64) {
		rep.ThroughputRPS = e * 1000 * float64(cpus) * j * j
		rep.CPUs.ServerCount = cpus
		rep.Server.CPUUserSec = busy * float64(cpus)
	})
}

func TestCores(t *testing.T) {
	for _, tt := range []struct {
		why    string
		model  string
		column string
		e, use float64
		cpus   int
		word   Word
		says   string
	}{
		{"processes that use them", "process", Processes, 0.72, 0.91, 2, Supported, "efficiency on 2 cores"},
		{"efficiency below 0.7", "process", Processes, 0.68, 0.95, 2, Refuted, ""},
		{"the interval includes 0.7", "process", Processes, 0.7, 0.95, 2, Undecidable, ""},
		{"cores that idle", "process", Processes, 0.8, 0.89, 2, Refuted, ""},
		{"threads that use them refute a no", "thread", Threads, 0.9, 0.95, 2, Refuted, ""},
		{"threads that do not support it", "thread", Threads, 0.5, 0.5, 2, Supported, ""},
		{"a loop that does not supports it", "eventloop", Async, 0.5, 0.5, 2, Supported, ""},
		{"one core says nothing", "process", Processes, 1, 1, 1, Undecidable, "cores: the server may use 1"},
	} {
		check(t, tt.why, computes(tt.model, tt.e, tt.use, tt.cpus), decision{"T2", Go, tt.column, tt.model, tt.word, tt.says})
	}
	// A column is decided by all of its models.
	both := computes("process", 0.9, 0.95, 2)
	other := computes("prefork", 0.9, 0.95, 2)
	both.set.Run.Cells = append(both.set.Run.Cells, other.set.Run.Cells...)
	both.set.Repeats = append(both.set.Repeats, other.set.Repeats...)
	check(t, "both kinds of processes", both, decision{"T2", Go, Processes, "", Supported, "process: efficiency"})
	check(t, "one kind does not stand for the other", computes("process", 0.9, 0.95, 2), decision{"T2", Go, Processes, "", Undecidable, "prefork: missing"})
}

func TestParallel(t *testing.T) {
	all := func(busy float64) *record {
		r := computes("process", 0.9, busy, 2)
		for _, model := range []string{"prefork", "thread", "eventloop"} {
			other := computes(model, 0.9, 0.5, 2)
			r.set.Run.Cells = append(r.set.Run.Cells, other.set.Run.Cells...)
			r.set.Repeats = append(r.set.Repeats, other.set.Repeats...)
		}
		return r
	}
	for busy, word := range map[float64]Word{0.76: Supported, 0.74: Refuted} {
		check(t, fmt.Sprintf("%g of 2 cores", busy), all(busy), decision{"I2", Go, "", "", word, "process: CPU time ÷ wall"})
	}
	check(t, "one that was not measured might", computes("process", 0.9, 0.74, 2), decision{"I2", Go, "", "", Undecidable, "missing: the cell prefork"})
	check(t, "one that does is enough", computes("process", 0.9, 0.76, 2), decision{"I2", Go, "", "", Supported, ""})
	check(t, "one core", computes("process", 1, 1, 1), decision{"I2", Go, "", "", Undecidable, "it takes 2"})
}

// climbs is a model's ladder in both workloads: throughput and p99 by rung.
func climbs(r *record, model string, x, p99 func(n int) float64, rungs ...int) *record {
	for _, w := range scaleWorkloads {
		for _, n := range rungs {
			k := result.Key{Model: model, Protocol: w.protocol, Workload: w.workload, Clients: n, Loop: result.Closed}
			r.cell(k, 5, func(rep *result.Repeat, j float64) { rep.ThroughputRPS = x(n) * j })
			k.Loop, k.Rate = result.Open, ofCapacity
			r.cell(k, 5, func(rep *result.Repeat, j float64) {
				rep.RateRPS = 0.7 * x(n)
				rep.Response = &result.Latency{P99: p99(n) * j}
			})
		}
	}
	return r
}

func flat(v float64) func(int) float64 { return func(int) float64 { return v } }

// from is a until n, and b from there on.
func from(n int, a, b float64) func(int) float64 {
	return func(m int) float64 {
		if m < n {
			return a
		}
		return b
	}
}

func TestScale(t *testing.T) {
	rungs := []int{1, 10, 50, 100, 500, 1000, 5000}
	of := func(column, model string, word Word, says string) decision {
		return decision{"T3", Go, column, model, word, says}
	}
	up := func(model string, x, p99 func(int) float64) *record {
		return climbs(newRecord(), model, x, p99, rungs...)
	}
	ms := flat(0.001)
	check(t, "throughput at 92 % of its best passes", up("thread", from(1000, 1000, 920), ms), of(Threads, "thread", Refuted, "no failure up to 5,000 clients: 5,000"))
	check(t, "throughput at 88 % does not", up("thread", from(1000, 1000, 880), ms), of(Threads, "thread", Supported, "fails at 1,000: throughput: 88 % of its best: 500 (500 – 500"))
	check(t, "a tail of 2.9 times passes", up("thread", flat(1000), from(1000, 0.001, 0.0029)), of(Threads, "thread", Refuted, "no failure up to"))
	check(t, "a tail of 3.1 times does not", up("thread", flat(1000), from(1000, 0.001, 0.0031)), of(Threads, "thread", Supported, "fails at 1,000: tail: p99 is 3.1 times that at 10 clients"))
	check(t, "throughput that grows has not failed", up("eventloop", func(n int) float64 { return 20 * float64(n) }, ms), of(Async, "eventloop", Supported, "no failure up to"))
	check(t, "the last pass is below the band", up("eventloop", from(1000, 1000, 100), ms), of(Async, "eventloop", Refuted, "500"))
	check(t, "the last pass is in it", up("eventloop", from(5000, 1000, 100), ms), of(Async, "eventloop", Supported, "1,000"))
	check(t, "ones and tens", up("process", from(100, 1000, 100), ms), of(Processes, "process", Supported, "fails at 100"))
	check(t, "processes that go further", up("process", from(500, 1000, 100), ms), of(Processes, "process", Refuted, "fails at 500"))
	check(t, "a failure from the first rung on is no band", up("thread", from(10, 1000, 100), ms), of(Threads, "thread", Refuted, "fails at 10"))

	// Between 50 and 500 lies the edge of the band.
	check(t, "the rungs leave the band open", climbs(newRecord(), "process", from(500, 1000, 100), ms, 1, 10, 50, 500), of(Processes, "process", Undecidable, ""))
	check(t, "it was not taken far enough", climbs(newRecord(), "thread", flat(1000), ms, 1, 10, 100, 500), of(Threads, "thread", Undecidable, "more clients of thread in echo: no failure up to 500"))

	broken := up("thread", flat(1000), ms)
	for i := range broken.set.Repeats {
		if r := &broken.set.Repeats[i]; r.Clients == 1000 && r.Repeat == 1 {
			r.Errors = map[string]int64{"refused": 7}
		}
	}
	check(t, "an error ends it", broken, of(Threads, "thread", Supported, "fails at 1,000: errors: 7 of repeat 1"))

	gates := func(invalid int) *record {
		r := up("thread", flat(1000), ms)
		for i := range r.set.Repeats {
			if rep := &r.set.Repeats[i]; rep.Clients == 1000 && rep.Repeat <= invalid {
				rep.Gates = result.Gates{Verdict: result.Invalid, Reasons: []result.Reason{{Gate: result.GateLittlesLaw, Text: "clients starve"}}}
			}
		}
		return r
	}
	check(t, "two invalid repeats of five are noise", gates(2), of(Threads, "thread", Refuted, "no failure up to"))
	check(t, "three end it", gates(3), of(Threads, "thread", Supported, "fails at 1,000: gate: clients starve"))

	limited := up("thread", flat(1000), ms)
	for i := range limited.set.Repeats {
		if rep := &limited.set.Repeats[i]; rep.Clients == 5000 {
			rep.Failure, rep.Gates = "no more threads", result.Gates{Verdict: result.Invalid, Reasons: []result.Reason{{Gate: result.GateFinished, Text: "no more threads"}}}
		}
	}
	check(t, "a limit is named", limited, of(Threads, "thread", Refuted, "limit: no more threads"))

	mixed := up("thread", flat(1000), ms)
	for i := range mixed.set.Repeats {
		if rep := &mixed.set.Repeats[i]; rep.Protocol == "echo" && rep.Clients >= 1000 {
			rep.ThroughputRPS *= 0.1
		}
	}
	check(t, "one workload in the band and one above", mixed, of(Threads, "thread", Depends, "on the workload; so at echo; not so at wait 50 ms"))

	wide := up("thread", flat(1000), ms)
	for i := range wide.set.Repeats {
		if rep := &wide.set.Repeats[i]; rep.Clients == 1000 && rep.Loop == result.Closed {
			rep.ThroughputRPS = []float64{1000, 1000, 1000, 600, 600}[rep.Repeat-1]
		}
	}
	check(t, "the interval of S includes the edge", wide, of(Threads, "thread", Undecidable, ""))

	three := func(p, th, ev int) *record {
		r := climbs(newRecord(), "process", from(p, 1000, 100), ms, rungs...)
		climbs(r, "thread", from(th, 1000, 100), ms, rungs...)
		return climbs(r, "eventloop", from(ev, 1000, 100), ms, rungs...)
	}
	const order = "the order: processes < threads < async"
	check(t, "in order", three(50, 500, 5000), decision{"T3", Go, "", order, Supported, ""})
	check(t, "touching ends are disjoint", three(100, 500, 1000), decision{"T3", Go, "", order, Supported, ""})
	check(t, "two overlap", three(50, 500, 500), decision{"T3", Go, "", order, Undecidable, ""})
	check(t, "the other way round", three(5000, 500, 50), decision{"T3", Go, "", order, Refuted, ""})
	check(t, "a law that fits is shown", up("thread", func(n int) float64 { return 20 * float64(n) / (1 + 0.01*float64(n-1)) }, ms), of(Threads, "thread", Refuted, "contention σ 0.01"))
	check(t, "one that does not is refused", up("thread", func(n int) float64 { return map[bool]float64{true: 1000, false: 100}[n == 50 || n == 500] }, ms), of(Threads, "thread", Refuted, "Universal Scalability Law: refused, R²"))
}

func blocks(model, setting, kind string, i float64) *record {
	r := newRecord()
	r.cell(closed(model, bystander, blockClients), 10, tail(0.001))
	return r.cell(with(closed(model, mixed(kind, decidingShare), blockClients), result.ParseSetting(setting)), 10, func(rep *result.Repeat, j float64) {
		rep.Service.P99 = 0.1
		rep.Mix = []result.MixPart{{Workload: bystander, Requests: 990, Service: result.Latency{P99: 0.001 * i * j * j}}, {Workload: kind + "-100ms", Requests: 10, Service: result.Latency{P99: 0.1}}}
	})
}

func TestBlocking(t *testing.T) {
	for _, tt := range []struct {
		why    string
		model  string
		column string
		i      float64
		word   Word
		says   string
	}{
		{"threads at 1.97 times", "thread", Threads, 1.97, Supported, "I at 1% block"},
		{"the interval includes 2", "thread", Threads, 2, Undecidable, ""},
		{"threads at 2.03 times", "thread", Threads, 2.03, Depends, "it waits 2.03 times as long"},
		{"threads at 9.8 times", "thread", Threads, 9.8, Depends, ""},
		{"threads at 10.2 times", "thread", Threads, 10.2, Refuted, ""},
		{"a loop at 10.2 times", "eventloop", Async, 10.2, Supported, "closed form: a blocking request freezes 1/loops"},
		{"a loop at 10 times", "eventloop", Async, 10, Undecidable, ""},
		{"a loop at 9.8 times", "eventloop", Async, 9.8, Depends, ""},
		{"a loop that is not held up", "eventloop", Async, 1, Refuted, ""},
	} {
		check(t, tt.why, blocks(tt.model, "", "block", tt.i), decision{"T4", Go, tt.column, tt.model, tt.word, tt.says})
	}
	const pool = "eventloop, blocking calls offloaded to a pool"
	check(t, "a pool keeps it free", blocks("eventloop", "offload", "block", 1.9), decision{"T4", Go, "", pool, Supported, ""})
	check(t, "a pool does not", blocks("eventloop", "offload", "block", 2.1), decision{"T4", Go, "", pool, Refuted, ""})
	check(t, "the loop's own timer", blocks("eventloop", "", "wait", 1.9), decision{"R4", Go, "", "", Supported, ""})
	check(t, "a timer that delays others", blocks("eventloop", "", "wait", 2.1), decision{"R4", Go, "", "", Refuted, ""})
}

// locked is the echo's p99 under several intervals of the lock.
func locked(s server, workload string, intervals []string, p99 func(sec float64) float64) *record {
	r := newRecord()
	secs := map[string]float64{"500us": 0.0005, "5ms": 0.005, "20ms": 0.02, "50ms": 0.05}
	for _, i := range intervals {
		r.cell(lockKey(s, workload, i), 5, func(rep *result.Repeat, j float64) {
			rep.Service.P99 = p99(secs[i]) * j
			rep.Mix = []result.MixPart{{Workload: lockBystander, Requests: 900, Service: rep.Service}}
		})
	}
	return r
}

func TestLock(t *testing.T) {
	grows := func(sec float64) float64 { return 0.001 + sec }
	same := func(float64) float64 { return 0.001 }
	thread, process := contestants[2], contestants[0]
	python := contestants[6]
	for _, tt := range []struct {
		why       string
		s         server
		intervals []string
		p99       func(float64) float64
		word      Word
	}{
		{"threads that wait for the lock", thread, lockIntervals, grows, Supported},
		{"threads that do not", thread, lockIntervals, same, Refuted},
		{"processes that do", process, lockIntervals, grows, Refuted},
		{"processes that do not", process, lockIntervals, same, Supported},
		{"CPython, by the command's name", python, lockIntervals, grows, Supported},
		{"three intervals make a line", thread, lockIntervals[:3], grows, Supported},
		{"two do not", thread, lockIntervals[:2], grows, Undecidable},
	} {
		check(t, tt.why, locked(tt.s, lockMix, tt.intervals, tt.p99), decision{"T5", tt.s.language, tt.s.column, tt.s.model, tt.word, ""})
	}
	check(t, "without one that computes the interval does not matter", locked(thread, lockBystander, lockIntervals, same), decision{"R5", Go, "", "", Supported, ""})
	check(t, "it does", locked(thread, lockBystander, lockIntervals, grows), decision{"R5", Go, "", "", Refuted, ""})
}

// combined is prefork-thread with its parents.
func combined(x, p99, lastX, lastP99, crash float64) *record {
	return mixOf("prefork-thread", "process", "thread", x, p99, lastX, lastP99, crash)
}

// mixOf is a mix with its parents, with the same ratios in every cell but the
// last of each parent.
func mixOf(mix, perClient, over string, x, p99, lastX, lastP99, crash float64) *record {
	r := newRecord()
	for i, k := range combineCells {
		for _, parent := range []string{perClient, over} {
			k.Model = parent
			r.cell(k, 10, rps(1000))
		}
		fx, fp := x, p99
		if i == len(combineCells)-1 {
			fx, fp = lastX, lastP99
		}
		k.Model = mix
		r.cell(k, 10, func(rep *result.Repeat, j float64) {
			rep.ThroughputRPS, rep.Service.P99 = 1000*fx*j*j, 0.002*fp*j
			rep.Server.ConnsPerProcess = []int{60, 40}
		})
	}
	fault := func(model string, lost float64) {
		r.cell(faultKey(server{model: model}, "kill"), 10, func(rep *result.Repeat, j float64) {
			rep.Fault = &result.Fault{Kind: "kill", Workers: 2, Open: 1000, Lost: int(1000 * lost * j)}
		})
	}
	fault(over, 0.9)
	fault(mix, 0.9*crash)
	return r
}

func TestCombine(t *testing.T) {
	of := func(word Word, says string) decision { return decision{"R2", Go, "", "prefork-thread", word, says} }
	check(t, "6 % faster", combined(1.07, 1, 1.07, 1, 0.5), of(Supported, "its busiest worker has 1.20"))
	check(t, "4 % faster is not enough", combined(1.03, 1, 1.03, 1, 0.5), of(Refuted, ""))
	check(t, "a p99 6 % shorter", combined(1, 0.93, 1, 0.93, 0.5), of(Supported, ""))
	check(t, "a p99 4 % shorter", combined(1, 0.97, 1, 0.97, 0.5), of(Refuted, ""))
	check(t, "one cell slower by 8 %", combined(1.5, 1, 0.92, 1, 0.5), of(Supported, ""))
	check(t, "one cell slower by 12 %", combined(1.5, 1, 0.88, 1, 0.5), of(Refuted, ""))
	check(t, "one cell with a p99 longer by 12 %", combined(1.5, 1, 1.5, 1.12, 0.5), of(Refuted, ""))
	check(t, "a crash costs as much", combined(1.5, 1, 1.5, 1, 1.2), of(Depends, "not so at the parent thread"))
	check(t, "in CPython", mixOf("python-prefork-asyncio", "python-fork", "python-asyncio", 1.5, 1, 1.5, 1, 0.5),
		decision{"R2", CPython, "", "python-prefork-asyncio", Supported, "its busiest worker has 1.20"})
}

// weighs gives each model its bytes for each client.
func weighs(workload string, tiers int, perClient map[string]float64) *record {
	r := newRecord()
	for model, b := range perClient {
		for i := range tiers {
			n := 100 * (i + 1)
			r.cell(result.Key{Model: model, Protocol: "echo", Workload: workload, Clients: n, Loop: result.Closed}, 3, func(rep *result.Repeat, j float64) {
				rep.Server.PSSBytes = int64(10<<20 + b*float64(n)*j)
				rep.Server.KernelStackBytes = 0
				rep.Server.SocketBytes = int64(4000 * n)
			})
		}
	}
	return r
}

func both2(a, b *record) *record {
	a.set.Repeats = append(a.set.Repeats, b.set.Repeats...)
	a.set.Run.Cells = append(a.set.Run.Cells, b.set.Run.Cells...)
	return a
}

func TestMemory(t *testing.T) {
	order := map[string]float64{"process": 5 << 20, "thread": 26 << 10, "eventloop": 600}
	other := map[string]float64{"process": 26 << 10, "thread": 5 << 20, "eventloop": 600}
	level := map[string]float64{"process": 26 << 10, "thread": 26 << 10, "eventloop": 600}
	of := func(word Word, says string) decision { return decision{"R3", Go, "", "", word, says} }
	check(t, "in order, idle and active", both2(weighs(result.Idle, 5, order), weighs("echo", 5, order)), of(Supported, "sockets, the floor 3.91 KiB"))
	check(t, "in another", both2(weighs(result.Idle, 5, other), weighs("echo", 5, other)), of(Refuted, ""))
	check(t, "overlapping slopes are a tie", both2(weighs(result.Idle, 5, level), weighs("echo", 5, level)), of(Undecidable, ""))
	check(t, "it depends on what they do", both2(weighs(result.Idle, 5, order), weighs("echo", 5, other)), of(Depends, "on what the clients do"))
	check(t, "four tiers are no slope", weighs(result.Idle, 4, order), of(Undecidable, "4 were measured, a slope needs 5"))
}

func TestMoney(t *testing.T) {
	carry := func(others float64, cpu float64, p99 func(n int) float64) *record {
		r := newRecord()
		for _, s := range of(contestants, Go, "") {
			for _, n := range []int{1000, 5000} {
				mem, busy, late := others, cpu, 0.001
				if s.model == "eventloop" {
					mem, busy, late = 100, 0.1, p99(n)
				}
				r.cell(result.Key{Model: s.model, Protocol: "http", Workload: sloLoad, Clients: n, Loop: result.Open, Rate: sloRate}, 10, func(rep *result.Repeat, j float64) {
					rep.Server.PSSBytes, rep.Server.CPUUserSec = int64(mem*j*(1<<20)), busy*j
					rep.Response = &result.Latency{P99: late}
				})
			}
		}
		return r
	}
	of := func(word Word, says string) decision { return decision{"R6", Go, "", "", word, says} }
	fast := flat(0.001)
	check(t, "ahead in both", carry(200, 0.2, fast), of(Supported, "clients per GiB, eventloop at 5,000 ÷ process at 5,000"))
	check(t, "worse in both", carry(50, 0.05, fast), of(Refuted, ""))
	check(t, "level", carry(100, 0.1, fast), of(Undecidable, ""))
	check(t, "ahead in one", carry(200, 0.05, fast), of(Depends, "on the resource; so at memory; not so at cores"))
	check(t, "at 50 ms it is within the SLO", carry(200, 0.2, from(5000, 0.001, 0.05)), of(Supported, "eventloop at 5,000"))
	check(t, "at 51 ms it is not, and carries fewer", carry(200, 0.02, from(5000, 0.001, 0.051)), of(Refuted, "eventloop at 1,000"))
	check(t, "it never is", carry(200, 0.2, flat(0.06)), of(Undecidable, "it does not carry 1,000"))
}

func faults(model, language string, f func(kind string) result.Fault) *record {
	r := newRecord()
	for _, kind := range faultKinds {
		r.cell(faultKey(server{language: language, model: model}, kind), 10, func(rep *result.Repeat, _ float64) {
			fault := f(kind)
			fault.Kind = kind
			rep.Fault = &fault
		})
	}
	return r
}

func TestIsolation(t *testing.T) {
	one := func(change func(kind string, f *result.Fault)) func(string) result.Fault {
		return func(kind string) result.Fault {
			f := result.Fault{AtSec: 0.5, Workers: 2, Open: 100, Hit: 50, Lost: 50, RecoverySec: 0.2, P99: 0.001, UnaffectedP99: 0.001}
			if kind == "crashes" {
				f.Crashes, f.EndSec = 3, f.AtSec+1e-9
			}
			change(kind, &f)
			return f
		}
	}
	for _, tt := range []struct {
		why    string
		change func(kind string, f *result.Fault)
		word   Word
		says   string
	}{
		{"each takes its own share", func(string, *result.Fault) {}, Supported, "blast radius × workers"},
		{"a worker with 1.5 shares", func(_ string, f *result.Fault) {
			f.Hit, f.Lost = 75, 75
		}, Supported, "1.50"},
		{"more than 1.5 shares", func(_ string, f *result.Fault) {
			f.Hit, f.Lost = 76, 76
		}, Refuted, ""},
		{"a connection of another worker", func(_ string, f *result.Fault) { f.Lost++ }, Depends, "so at crashes; not so at panic"},
		{"a crash that took all, of several that took half", func(kind string, f *result.Fault) {
			if kind == "crashes" {
				f.Hit = 100
			}
		}, Depends, "not so at crashes"},
		{"crashes are counted from the last", func(kind string, f *result.Fault) {
			if kind == "crashes" {
				f.EndSec, f.RecoverySec = 1.1, 1.5
			}
		}, Supported, ""},
		{"an old record does not say when that was", func(kind string, f *result.Fault) {
			if kind == "crashes" {
				f.EndSec = 0
			}
		}, Undecidable, "at crashes"},
		{"recovery in a second", func(_ string, f *result.Fault) { f.RecoverySec = 1 }, Supported, ""},
		{"recovery in more", func(_ string, f *result.Fault) { f.RecoverySec = 1.01 }, Refuted, ""},
		{"none at all", func(_ string, f *result.Fault) { f.RecoverySec = -1 }, Refuted, "recovery: ∞"},
		{"one kind of fault is not isolated", func(kind string, f *result.Fault) {
			if kind == "leak" {
				f.RecoverySec = -1
			}
		}, Depends, "on the fault; so at panic, fatal, kill, stop and crashes; not so at leak"},
		{"a stop is counted from its end", func(kind string, f *result.Fault) {
			if kind == "stop" {
				f.EndSec, f.RecoverySec = 1.5, 1.9
			}
		}, Supported, ""},
		{"a stopped process has lost its connections", func(kind string, f *result.Fault) {
			if kind == "stop" {
				f.Lost, f.Hit = 0, 80
			}
		}, Depends, "not so at stop"},
	} {
		check(t, tt.why, faults("prefork", Go, one(tt.change)), decision{"B1", Go, Processes, "prefork", tt.word, tt.says})
	}
	thread := func(lost int) func(string) result.Fault {
		return func(string) result.Fault {
			return result.Fault{AtSec: 0.5, Workers: 1, Open: 100, Hit: 100, Lost: lost, RecoverySec: 0.1}
		}
	}
	never := func(kind string) result.Fault {
		f := thread(1)(kind)
		f.Hit = 1
		return f
	}
	check(t, "threads that fall together", faults("thread", Go, thread(100)), decision{"B1", Go, Threads, "thread", Supported, "blast radius × clients"})
	check(t, "threads that fall alone", faults("thread", Go, never), decision{"B1", Go, Threads, "thread", Refuted, ""})
	threads := faults("python-threads", CPython, func(kind string) result.Fault {
		if kind == "fatal" {
			return thread(100)(kind)
		}
		return never(kind)
	})
	check(t, "an exception ends a thread, and an abort all", threads, decision{"B1", CPython, Threads, "python-threads", Supported, "fatal: blast radius × clients: 100"})
	check(t, "CPython", faults("python-fork", CPython, one(func(string, *result.Fault) {})), decision{"B1", CPython, Processes, "python-fork", Supported, ""})
}

func counts(r *record, model, way string, f func(c *result.Count)) *record {
	return r.cell(counterKey(model, way), 10, func(rep *result.Repeat, _ float64) {
		rep.Count = &result.Count{Increments: 1000, Value: 1000}
		f(rep.Count)
	})
}

func TestState(t *testing.T) {
	right := func(*result.Count) {}
	value := func(v, unanswered int64) func(*result.Count) {
		return func(c *result.Count) { c.Value, c.Unanswered = v, unanswered }
	}
	three := func(flock, shm, pipe func(*result.Count)) *record {
		return counts(counts(counts(newRecord(), "prefork", "flock", flock), "prefork", "shm", shm), "prefork", "pipe", pipe)
	}
	b2 := func(word Word, says string) decision { return decision{"B2", Go, "", "", word, says} }
	check(t, "exact over all three", three(right, right, right), b2(Supported, "prefork flock"))
	check(t, "one short", three(value(999, 0), value(999, 0), value(999, 0)), b2(Refuted, ""))
	check(t, "one too many", three(value(1001, 0), value(1001, 0), value(1001, 0)), b2(Refuted, ""))
	check(t, "the one too many was not answered", three(value(1001, 1), right, right), b2(Supported, ""))
	check(t, "two too many", three(value(1002, 1), right, right), b2(Depends, "on the channel; so at prefork shm and prefork pipe; not so at prefork flock"))
	last := three(right, right, right)
	last.set.Repeats[9].Count.Value = 999
	check(t, "one repeat of ten is enough", last, b2(Depends, "prefork flock"))
	price := three(right, right, right).trial("increment", "flock", 10, func(int) map[string]float64 { return map[string]float64{"increment_sec": 3e-6} })
	check(t, "the price is shown with it", price, b2(Supported, "an increment by flock takes 3.00 µs"))

	b3 := func(process func(*result.Count)) *record {
		r := newRecord()
		for _, way := range []string{"mutex", "atomic", "owner"} {
			counts(r, "thread", way, right)
		}
		return counts(r, "process", "none", process)
	}
	own := func(c *result.Count) { c.Value, c.Values = 100, []int64{100, 100, 100} }
	check(t, "threads share and processes do not", b3(own), decision{"B3", Go, "", "", Supported, ""})
	check(t, "processes share too", b3(right), decision{"B3", Go, "", "", Depends, "not so at process: a plain variable"})
	check(t, "each its own space", b3(own), decision{"B6", Go, "", "", Supported, ""})
	check(t, "one space", b3(right), decision{"B6", Go, "", "", Depends, ""})
	check(t, "CPython", counts(counts(newRecord(), "python-threads", "", right), "python-fork", "", own), decision{"B3", CPython, "", "", Supported, ""})

	lost := func(n, wrong int, locked float64) *record {
		return newRecord().trial("lost-update", "unlocked", n, func(i int) map[string]float64 {
			if i < wrong {
				return map[string]float64{"want": -1000, "got": -400}
			}
			return map[string]float64{"want": -1000, "got": -1000}
		}).trial("lost-update", "locked", n, func(i int) map[string]float64 { return map[string]float64{"want": -1000, "got": -1000 + locked} })
	}
	b4 := func(word Word, says string) decision { return decision{"B4", Go, "", "", word, says} }
	check(t, "one of ten lost", lost(10, 1, 0), b4(Supported, "1 of 10 trials are"))
	check(t, "none lost", lost(10, 0, 0), b4(Depends, "not so at unlocked"))
	check(t, "the lock loses too", lost(10, 10, 1), b4(Depends, "not so at locked"))
	python := newRecord()
	for variant, got := range map[string]float64{"unlocked": -400, "locked": -1000} {
		python.trial("python-lost-update", variant, 10, func(int) map[string]float64 { return map[string]float64{"want": -1000, "got": got} })
	}
	check(t, "CPython loses too", python, decision{"B4", CPython, "", "", Supported, "10 of 10 trials are"})
	check(t, "nine trials are too few", lost(9, 9, 0), b4(Undecidable, "9 were made, it takes 10"))

	owner := func(f func(*result.Count)) *record {
		r := counts(counts(newRecord(), "thread", "owner", f), "eventloop", "local", f)
		for way, sec := range map[string]float64{"owner": 3e-7, "mutex": 1e-7} {
			r.trial("increment", way, 10, func(int) map[string]float64 { return map[string]float64{"increment_sec": sec} })
		}
		return r
	}
	check(t, "messages are exact", owner(right), decision{"B5", Go, "", "", Supported, "price of an increment, owner ÷ mutex: 3.00"})
	ways := func(got float64, of ...string) *record {
		r := newRecord()
		for _, way := range of {
			r.trial("python-increment", way, 10, func(i int) map[string]float64 {
				v := map[string]float64{"want": 1000, "got": 1000, "increment_sec": 2e-6}
				if i == 9 {
					v["got"] = got
				}
				return v
			})
		}
		return r
	}
	pythonB2 := func(word Word, says string) decision { return decision{"B2", CPython, "", "", word, says} }
	check(t, "CPython's channels", ways(1000, "flock", "shm", "pipe"), pythonB2(Supported, "an increment by flock takes 2.00 µs"))
	check(t, "one short in one trial of ten", ways(999, "flock", "shm", "pipe"), pythonB2(Refuted, ""))
	check(t, "one channel not tried", ways(1000, "flock", "shm"), pythonB2(Undecidable, "trials of python-increment pipe: 0 were made"))
	check(t, "CPython's messages", counts(ways(1000, "owner", "mutex"), "python-asyncio", "", right), decision{"B5", CPython, "", "", Supported, "price of an increment, owner ÷ mutex: 1.00"})
	check(t, "messages are lost", owner(value(998, 0)), decision{"B5", Go, "", "", Refuted, ""})
}

// A server that is not here is what is missing.
func TestAbsent(t *testing.T) {
	r := newRecord()
	r.set.Run.Absent = map[string]string{"python-threads": "python3: not found"}
	check(t, "no python3", r, decision{"T2", CPython, Threads, "", Undecidable, "missing: python-threads (python3: not found)"})
	r.set.Run.Absent = map[string]string{result.AbsentTrial("python-lost-update"): "python3: not found"}
	check(t, "no python3 for a trial", r, decision{"B4", CPython, "", "", Undecidable, "trials of python-lost-update (python3: not found)"})
}

// A claim is found by its name: its file begins with its id.
func TestEachClaimHasAFileNamedByItsID(t *testing.T) {
	for _, c := range All {
		files, err := filepath.Glob(strings.ToLower(c.ID) + "_*.go")
		if err != nil || len(files) != 1 {
			t.Errorf("%s: files %q, err %v; want one", c.ID, files, err)
			continue
		}
		if text, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(text), `ID: "`+c.ID+`"`) {
			t.Errorf("%s does not define %s (err %v)", files[0], c.ID, err)
		}
	}
}
