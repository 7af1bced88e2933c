package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tierbench/tierbench/loadtest/result"
)

func TestMedianOf(t *testing.T) {
	for _, tt := range []struct {
		why  string
		xs   []float64
		want Estimate
		said string
	}{
		{"nothing", nil, Estimate{}, ""},
		{"one repeat says nothing of the spread", []float64{7}, Estimate{7, 7, 7, 1, NoInterval, 0}, ""},
		{"of two the median is between them", []float64{4, 2}, Estimate{3, 2, 4, 2, Range, 0.5}, "range of 2 repeats"},
		{"the order they came in does not matter", []float64{9, 1, 5}, Estimate{5, 1, 9, 3, Range, 0.75}, "range of 3 repeats"},
		{"an outlier moves the range, not the median", []float64{1, 2, 3, 4, 1000}, Estimate{3, 1, 1000, 5, Range, 15.0 / 16}, "range of 5 repeats"},
		{"six are the fewest with a 95 % interval: 1 − 2/64", []float64{1, 2, 3, 4, 5, 6}, Estimate{3.5, 1, 6, 6, OrderStatistics, 62.0 / 64}, "95 % CI of 6 repeats"},
		{"of eight one can be left out on one side: 1 − 1/256 − 9/256 is 96 %", []float64{1, 2, 3, 4, 5, 6, 7, 8}, Estimate{4.5, 1, 7, 8, OrderStatistics, 246.0 / 256}, "95 % CI of 8 repeats"},
		{"of nine the outermost are: 1 − 2·10/512 is 96 %", []float64{1, 2, 3, 4, 5, 6, 7, 8, 900}, Estimate{5, 2, 8, 9, OrderStatistics, 492.0 / 512}, "95 % CI of 9 repeats"},
		{"of ten the outermost are", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, Estimate{5.5, 2, 9, 10, OrderStatistics, 1002.0 / 1024}, "95 % CI of 10 repeats"},
		{"a fault that is never recovered from takes for ever", []float64{1, 2, math.Inf(1), math.Inf(1)}, Estimate{math.Inf(1), 1, math.Inf(1), 4, Range, 0.875}, "range of 4 repeats"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got := MedianOf(tt.xs)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
				t.Error(diff)
			}
			if s := Intervals([]*Cell{{Counted: make([]*result.Repeat, len(tt.xs))}}); s != tt.said {
				t.Errorf("the interval is a %q, want %q", s, tt.said)
			}
		})
	}
}

func TestMedianOfKeepsItsInput(t *testing.T) {
	xs := []float64{3, 1, 2}
	MedianOf(xs)
	if diff := cmp.Diff([]float64{3, 1, 2}, xs); diff != "" {
		t.Error(diff)
	}
}

// The intervals of medians of six repeats and more contain the true median at
// least as often as they say.
func TestMedianOfCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	for _, n := range []int{6, 8, 10, 15, 31} {
		const rounds = 2000
		held, level := 0, 0.0
		for range rounds {
			xs := make([]float64, n)
			for i := range xs {
				xs[i] = math.Exp(rng.NormFloat64())
			}
			e := MedianOf(xs)
			if level = e.Level; e.Lo <= 1 && 1 <= e.Hi {
				held++
			}
		}
		if got := float64(held) / rounds; level < confidence || math.Abs(got-level) > 0.015 {
			t.Errorf("of %d values: %.3f of the intervals contain the median, and the level is said to be %.3f", n, got, level)
		}
	}
}

func TestSpread(t *testing.T) {
	if got := (Estimate{Value: 100, Lo: 98, Hi: 105, Method: Range, N: 3}).Spread(); got != 0.05 {
		t.Errorf("the larger half: got %v, want 0.05", got)
	}
	if got := (Estimate{Value: 100, Lo: 100, Hi: 100, N: 1}).Spread(); !math.IsNaN(got) {
		t.Errorf("one repeat: got %v, want NaN", got)
	}
}

func TestTied(t *testing.T) {
	r := func(lo, med, hi float64) Estimate { return Estimate{med, lo, hi, 3, Range, 0.75} }
	for _, tt := range []struct {
		why  string
		a, b Estimate
		want bool
	}{
		{"within 5 % of the larger", r(100, 100, 100), r(95, 95, 95), true},
		{"just beyond 5 %, apart", r(100, 100, 100), r(94, 94.9, 95), false},
		{"far apart, but the intervals overlap", r(80, 100, 110), r(60, 70, 81), true},
		{"the intervals touch", r(80, 100, 110), r(60, 70, 80), true},
		{"one repeat each has no interval to overlap", alone(100, 1), alone(90, 1), false},
		{"nothing ties with nothing", Estimate{}, Estimate{}, false},
		{"nothing ties with a value", Estimate{}, r(0, 0, 0), false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if got := tt.a.Tied(tt.b); got != tt.want {
				t.Errorf("got %v", got)
			}
			if got := tt.b.Tied(tt.a); got != tt.want {
				t.Errorf("the other way round: got %v", got)
			}
		})
	}
}

func key(model string, clients int) result.Key {
	return result.Key{Model: model, Protocol: "http", Workload: "plaintext", Clients: clients, Loop: result.Closed}
}

func rep(k result.Key, n int, rps float64, v result.Verdict) result.Repeat {
	return result.Repeat{Key: k, Repeat: n, Requests: int64(rps), ThroughputRPS: rps, Gates: result.Gates{Verdict: v}}
}

func TestCells(t *testing.T) {
	a, b, c, d := key("a", 10), key("b", 10), key("c", 10), key("d", 10)
	d.Loop, d.Rate.Capacity = result.Open, 0.7
	e, f := d, a
	e.Rate.Capacity, f.Setting.Active.Fraction = 0.9, 0.01
	rate := func(r result.Repeat, rps float64) result.Repeat { r.RateRPS = rps; return r }
	run := &result.Run{Cells: []result.Key{b, a, b}}
	repeats := []result.Repeat{
		rep(a, 2, 20, result.Valid),
		rep(c, 1, 30, result.Suspect),
		rep(a, 1, 10, result.Valid),
		rep(a, 3, 99, result.Invalid),
		rate(rep(d, 1, 50, result.Valid), 200),
		rate(rep(d, 2, 40, result.Valid), 100),
		rate(rep(e, 1, 60, result.Valid), 300),
		rep(c, 2, 31, ""),
		rep(c, 3, 32, result.Valid),
		rep(f, 1, 99, result.Invalid),
	}
	type cell struct {
		Key     result.Key
		Rate    float64
		All     []int
		Counted int
		Median  float64
		Verdict result.Verdict
		Asked   string
		At      string
	}
	want := []cell{
		{b, 0, nil, 0, 0, "", "http plaintext", "10"},                                        // listed, not measured; once, though listed twice
		{a, 0, []int{1, 2, 3}, 2, 15, result.Valid, "http plaintext", "10"},                  // by number, the invalid one in no median
		{c, 0, []int{1, 2, 3}, 2, 31, result.Suspect, "http plaintext", "10"},                // a suspect one counts, one without a verdict does not
		{d, 150, []int{1, 2}, 2, 45, result.Valid, "http plaintext, open loop", "10 at 70%"}, // what 70 % is may drift
		{e, 300, []int{1}, 1, 60, result.Valid, "http plaintext, open loop", "10 at 90%"},    // two rates are two cells
		{f, 0, []int{1}, 0, 0, result.Invalid, "http plaintext, active 1%", "10"},            // so are two settings
	}
	var got []cell
	for _, c := range Cells(run, repeats) {
		x := cell{c.Key, c.RateRPS, nil, len(c.Counted), c.Median(Throughput).Value, c.Verdict(), c.Asked(), c.At()}
		for _, r := range c.Repeats {
			x.All = append(x.All, r.Repeat)
		}
		got = append(got, x)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCPUs(t *testing.T) {
	cell := func(cpus ...result.CPUs) *Cell {
		c := &Cell{}
		for _, u := range cpus {
			c.Repeats = append(c.Repeats, &result.Repeat{CPUs: u})
		}
		return c
	}
	all := result.CPUs{Server: "0-3", Generator: "0-3", ServerCount: 4, GeneratorCount: 4, Shared: 4}
	for _, tt := range []struct {
		why   string
		cells []*Cell
		want  string
	}{
		{"nothing was measured", []*Cell{cell()}, ""},
		{"a record from before cores could be kept apart", []*Cell{cell(result.CPUs{})}, "shared cores"},
		{"all for both", []*Cell{cell(all, all), cell(all)}, "shared cores"},
		{"apart", []*Cell{cell(result.CPUs{Server: "0-2", Generator: "3", ServerCount: 3, GeneratorCount: 1})}, "server on CPUs 0-2, generator on CPUs 3"},
		{"one in both", []*Cell{cell(result.CPUs{Server: "0-2", Generator: "2-3", ServerCount: 3, GeneratorCount: 2, Shared: 1})}, "shared cores (server on CPUs 0-2, generator on CPUs 2-3)"},
		{"some so, some so", []*Cell{cell(all), cell(result.CPUs{Server: "0", Generator: "1", ServerCount: 1, GeneratorCount: 1})}, "shared cores; or server on CPUs 0, generator on CPUs 1"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if got := CPUs(tt.cells); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBest(t *testing.T) {
	cells := func(rps ...float64) []*Cell {
		var out []*Cell
		for i, v := range rps {
			verdict := result.Valid
			if v < 0 {
				v, verdict = -v, result.Invalid
			}
			r := rep(key(string(rune('a'+i)), 10), 1, v, verdict)
			out = append(out, Cells(&result.Run{}, []result.Repeat{r})...)
		}
		return out
	}
	for _, tt := range []struct {
		why   string
		cells []*Cell
		want  []int
	}{
		{"no model", nil, nil},
		{"no repeat counts", cells(-10), nil},
		{"the highest", cells(50, 90, 70), []int{1}},
		{"a tie with the best, whichever comes first", cells(96, 100, 70), []int{0, 1}},
		{"an invalid one does not win", cells(50, -90), []int{0}},
		{"ties are with the best, not along a chain", cells(100, 96, 92), []int{0, 1}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Best(tt.cells, Throughput)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	r := &result.Repeat{
		Key: key("a", 100), Requests: 1000, ThroughputRPS: 200,
		Service:   result.Latency{Mean: 1, P50: 2, P90: 3, P99: 4, P999: 5, Max: 6},
		Generator: result.Generator{CPUSec: 2},
		Server: result.Server{
			CPUUserSec: 1, CPUSysSec: 3, CtxSwitches: 500,
			Usage:  result.Usage{PSSBytes: 5000, KernelStackBytes: 300, Threads: 7, Processes: 2},
			Before: result.Usage{PSSBytes: 1000},
		},
	}
	want := map[string]float64{
		"throughput": 200, "mean": 1, "p50": 2, "p90": 3, "p99": 4, "p999": 5, "max": 6,
		"service_p50": 2, "service_p99": 4,
		"cpu": 0.004, "cpu_user": 0.001, "cpu_sys": 0.003, "generator-cpu": 0.002, "ctx_switches": 0.5,
		"memory": 40, "memory_total": 5300, "pss": 5000, "kernel_stacks": 300, "threads": 7, "processes": 2,
	}
	got := map[string]float64{}
	for _, m := range Metrics {
		if v, ok := m.Value(r); ok {
			got[m.Name] = v
		}
		if l, ok := Lookup(m.Name); !ok || l.Title != m.Title {
			t.Errorf("Lookup(%q) finds %q", m.Name, l.Title)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	for _, tt := range []struct {
		why    string
		change func(*result.Repeat)
		metric Metric
		want   float64
		ok     bool
	}{
		{"an idle repeat has no throughput", func(r *result.Repeat) { r.Workload = result.Idle }, Throughput, 0, false},
		{"nor a latency", func(r *result.Repeat) { r.Workload = result.Idle }, P99, 0, false},
		{"but its memory is what it is for", func(r *result.Repeat) { r.Workload = result.Idle }, Memory, 40, true},
		{"nothing answered costs nothing per request", func(r *result.Repeat) { r.Requests = 0 }, CPU, 0, false},
		{"open loop: response time, not service time", func(r *result.Repeat) { r.Response = &result.Latency{P99: 9} }, P99, 9, true},
		{"and service time beside it", func(r *result.Repeat) { r.Response = &result.Latency{P99: 9} }, ServiceP99, 4, true},
		{"a closed loop has no rate to achieve", func(r *result.Repeat) { r.RateRPS = 400 }, Achieved, 0, false},
		{"an open one has", func(r *result.Repeat) { r.Loop, r.RateRPS = result.Open, 400 }, Achieved, 0.5, true},
		{"a generator that sends in time has a lag of 0", func(r *result.Repeat) { r.Loop = result.Open }, SendLag, 0, true},
		{"how even the answers are is not always known", func(r *result.Repeat) {}, Jain, 0, false},
		{"the busiest of several processes", func(r *result.Repeat) { r.Server.ConnsPerProcess = []int{60, 40} }, Busiest, 1.2, true},
		{"the least busy", func(r *result.Repeat) { r.Server.ConnsPerProcess = []int{60, 40} }, LeastBusy, 0.8, true},
		{"a single process has no share", func(r *result.Repeat) { r.Server.ConnsPerProcess = []int{100} }, Busiest, 0, false},
		{"a server that was never sampled has no threads", func(r *result.Repeat) { r.Server = result.Server{} }, Threads, 0, false},
		{"nor memory", func(r *result.Repeat) { r.Server = result.Server{} }, MemoryTotal, 0, false},
		{"memory can shrink", func(r *result.Repeat) { r.Server.PSSBytes = 500 }, Memory, -5, true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			c := *r
			tt.change(&c)
			if v, ok := tt.metric.Value(&c); v != tt.want || ok != tt.ok {
				t.Errorf("got %v, %v, want %v, %v", v, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	// cells makes a model and its peer from their throughputs by repeat; a
	// negative one is not valid.
	cells := func(model, peer []float64) []*Cell {
		var rs []result.Repeat
		for _, m := range []struct {
			name string
			rps  []float64
		}{{"m", model}, {"p", peer}} {
			for i, v := range m.rps {
				verdict := result.Valid
				if v < 0 {
					v, verdict = -v, result.Invalid
				}
				rs = append(rs, rep(key(m.name, 16), i+1, v, verdict))
			}
		}
		return Cells(&result.Run{}, rs)
	}
	atLeast := func(b float64) result.Ratio {
		return result.Ratio{Model: "m", Peer: "p", Metric: "throughput", AtLeast: b}
	}
	atMost := func(b float64) result.Ratio {
		return result.Ratio{Model: "m", Peer: "p", Metric: "throughput", AtMost: b}
	}
	type got struct {
		Estimate
		Outcome   Outcome
		By        float64
		Undecided bool
	}
	for _, tt := range []struct {
		why         string
		model, peer []float64
		ask         result.Ratio
		want        []got
	}{
		{"every pair above the bound", []float64{110, 120, 130}, []float64{100, 100, 100}, atLeast(1),
			[]got{{Estimate{1.2, 1.1, 1.3, 3, Range, 0.75}, Met, 0, false}}},
		{"the drift of the host cancels in the pairs", []float64{100, 50}, []float64{80, 40}, atLeast(1.25),
			[]got{{Estimate{1.25, 1.25, 1.25, 2, Range, 0.5}, Met, 0, false}}},
		{"the median falls short", []float64{70, 75, 80}, []float64{100, 100, 100}, atLeast(1),
			[]got{{Estimate{0.75, 0.7, 0.8, 3, Range, 0.75}, Missed, 0.25, false}}},
		{"the median passes, the interval includes the bound", []float64{75, 125, 150}, []float64{100, 100, 100}, atLeast(1),
			[]got{{Estimate{1.25, 0.75, 1.5, 3, Range, 0.75}, Met, 0, true}}},
		{"an upper bound", []float64{250, 300, 350}, []float64{100, 100, 100}, atMost(2),
			[]got{{Estimate{3, 2.5, 3.5, 3, Range, 0.75}, Missed, 1, false}}},
		{"no bound asked", []float64{50}, []float64{100}, atLeast(0),
			[]got{{Estimate{0.5, 0.5, 0.5, 1, NoInterval, 0}, Unbounded, 0, false}}},
		{"pairs need both sides to count", []float64{50, -60, 75}, []float64{-100, 100, 100}, atLeast(0.5),
			[]got{{Estimate{0.75, 0.75, 0.75, 1, NoInterval, 0}, Met, 0, false}}},
		{"no number counts on both sides", []float64{50, -60}, []float64{-100, 100}, atLeast(0.5),
			[]got{{Estimate{}, Unmeasured, 0, false}}},
		{"no such peer", []float64{50}, nil, atLeast(0.5), []got{{Estimate{}, Unmeasured, 0, false}}},
		{"no such model", nil, []float64{50}, atLeast(0.5), nil},
		{"another protocol was asked", []float64{50}, []float64{50}, result.Ratio{Model: "m", Peer: "p", Metric: "throughput", Protocol: "echo"}, nil},
		{"no such metric", []float64{50}, []float64{50}, result.Ratio{Model: "m", Peer: "p", Metric: "beauty"}, nil},
		{"the peer answered nothing", []float64{50}, []float64{0}, atLeast(1), []got{{Estimate{}, Unmeasured, 0, false}}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var out []got
			for _, c := range Compare(cells(tt.model, tt.peer), tt.ask) {
				out = append(out, got{c.Estimate, c.Outcome, c.By, c.Undecided})
			}
			if diff := cmp.Diff(tt.want, out); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompareSaysWhatIsSuspect(t *testing.T) {
	m, p := rep(key("m", 16), 1, 100, result.Valid), rep(key("p", 16), 1, 100, result.Suspect)
	got := Compare(Cells(&result.Run{}, []result.Repeat{m, p}), result.Ratio{Model: "m", Peer: "p", Metric: "throughput"})
	if len(got) != 1 || !got[0].Suspect || got[0].N != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestCompareAcrossSettings(t *testing.T) {
	one, other := key("m", 16), key("m", 16)
	other.Setting.PerRequest = true
	cells := Cells(&result.Run{}, []result.Repeat{rep(one, 1, 100, result.Valid), rep(other, 1, 25, result.Valid)})
	for _, tt := range []struct {
		why  string
		ask  result.Ratio
		want []float64
	}{
		{"of one model in two settings", result.Ratio{Setting: other.Setting}, []float64{0.25}},
		{"the other way round", result.Ratio{PeerSetting: other.Setting}, []float64{4}},
		{"none named: each beside its like", result.Ratio{}, []float64{1, 1}},
		{"one that is not there", result.Ratio{Setting: result.Setting{Name: "nothing"}}, nil},
	} {
		tt.ask.Model, tt.ask.Peer, tt.ask.Metric = "m", "m", "throughput"
		var got []float64
		for _, c := range Compare(cells, tt.ask) {
			got = append(got, c.Value)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.why, diff)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		unit Unit
		v    float64
		want string
	}{
		{PerSecond, 12345, "12.3k/s"},
		{PerSecond, 999.7, "1.00k/s"},
		{PerSecond, 850, "850/s"},
		{PerSecond, 1.5e6, "1.50M/s"},
		{PerSecond, 0, "0/s"},
		{Seconds, 0.00124, "1.24 ms"},
		{Seconds, 8.1e-6, "8.10 µs"},
		{Seconds, 0.9999, "1.00 s"},
		{Seconds, 141, "141 s"},
		{Seconds, 4e-10, "0.40 ns"},
		{Seconds, 0, "0 s"},
		{Bytes, 591, "591 B"},
		{Bytes, 1023.4, "1023 B"},
		{Bytes, 1023.6, "1.00 KiB"},
		{Bytes, 26 << 10, "26.0 KiB"},
		{Bytes, 1000 << 10, "1000 KiB"},
		{Bytes, 24 << 30, "24.0 GiB"},
		{Bytes, -2048, "−2.00 KiB"},
		{Count, 1003, "1,003"},
		{Count, 1003.5, "1.00k"},
		{Count, 0.214, "0.21"},
		{Count, 9.999, "10.0"},
		{Count, math.NaN(), "–"},
	} {
		if got := tt.unit.Format(tt.v); got != tt.want {
			t.Errorf("%q.Format(%v) = %q, want %q", tt.unit, tt.v, got, tt.want)
		}
	}
	for _, tt := range []struct {
		unit    Unit
		v, like float64
		want    string
	}{
		{PerSecond, 100e3, 100e3, "100k"},
		{PerSecond, 2500, 10000, "2.5k"},
		{Seconds, 5e-5, 5e-5, "50 µs"},
		{Seconds, 0.5e-3, 1.5e-3, "0.5 ms"}, // one unit for an axis
		{Seconds, 0, 1, "0"},
		{Bytes, 64 << 20, 64 << 20, "64 MiB"},
		{Count, 3000, 3000, "3k"},
		{Count, 1e6, 1e6, "1M"},
	} {
		if got := tt.unit.Tick(tt.v, tt.like); got != tt.want {
			t.Errorf("%q.Tick(%v, %v) = %q, want %q", tt.unit, tt.v, tt.like, got, tt.want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1008000: "1,008,000", -1234: "−1,234", -123: "−123", math.MinInt64: "−9,223,372,036,854,775,808"} {
		if got := Group(n); got != want {
			t.Errorf("Group(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestBand(t *testing.T) {
	for n, want := range map[int]string{1: "ones", 9: "ones", 10: "tens", 99: "tens", 100: "hundreds", 999: "hundreds", 1000: "thousands+", 1000000: "thousands+"} {
		if got := Band(n); got != want {
			t.Errorf("Band(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestIntervals(t *testing.T) {
	of := func(ns ...int) []*Cell {
		var out []*Cell
		for i, n := range ns {
			c := &Cell{Key: key("a", i)}
			for range n {
				c.Counted = append(c.Counted, &result.Repeat{})
			}
			out = append(out, c)
		}
		return out
	}
	for _, tt := range []struct {
		ns   []int
		want string
	}{
		{nil, ""},
		{[]int{0, 1}, ""},
		{[]int{3, 3, 0}, "range of 3 repeats"},
		{[]int{3, 2, 1}, "range of 2 to 3 repeats"},
		{[]int{10, 9, 4}, "95 % CI of 9 to 10 repeats or range of 4 repeats"},
	} {
		if got := Intervals(of(tt.ns...)); got != tt.want {
			t.Errorf("Intervals of %v = %q, want %q", tt.ns, got, tt.want)
		}
	}
}

func TestPercentilesOfFewAnswersAreNotShown(t *testing.T) {
	r := &result.Repeat{Service: result.Latency{P50: 1, P99: 2, P999: 3, Max: 4}}
	for _, tt := range []struct {
		requests                int64
		p50, p99, p999, service bool
	}{
		{1, true, false, false, false},
		{999, true, false, false, false},
		{1_000, true, true, false, true},
		{9_999, true, true, false, true},
		{10_000, true, true, true, true},
	} {
		r.Requests = tt.requests
		for _, m := range []struct {
			Metric
			want bool
		}{{P50.Shown(), tt.p50}, {ShownP99, tt.p99}, {ShownP999, tt.p999}, {ShownServiceP99, tt.service}, {Max.Shown(), true}} {
			if _, ok := m.Value(r); ok != m.want {
				t.Errorf("%s of %d answers: shown %v, want %v", m.Name, tt.requests, ok, m.want)
			}
		}
		if v, ok := P99.Value(r); !ok || v != 2 {
			t.Errorf("the p99 of %d answers is not in the record: %v", tt.requests, v)
		}
	}
}
