package search

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

var clients = Range{From: 1, To: 20000, Whole: true, Within: 0.05, Confirm: 3, Most: 100}

// upTo keeps the promise up to a load.
func upTo(limit float64) func(context.Context, float64) (Sample, error) {
	return func(_ context.Context, load float64) (Sample, error) {
		if load <= limit {
			return Sample{Outcome: stats.Met}, nil
		}
		return Sample{stats.Missed, "too much"}, nil
	}
}

func find(t *testing.T, r Range, measure func(context.Context, float64) (Sample, error)) *Answer {
	t.Helper()
	a, err := Find(t.Context(), r, measure)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Wherever the bound is, the ends enclose it, are close, and are confirmed.
func TestFindEveryBound(t *testing.T) {
	for limit := 1.0; limit < 20000; limit = math.Ceil(limit * 1.013) {
		a := find(t, clients, upTo(limit))
		if a.End != Found || a.Best > limit || a.Next <= limit {
			t.Fatalf("bound %v: %v from %v to %v", limit, a.End, a.Best, a.Next)
		}
		if a.Next > a.Best*1.05 && a.Next > a.Best+1 {
			t.Errorf("bound %v: the ends are %v and %v", limit, a.Best, a.Next)
		}
		if n, m := a.Level(a.Best).Count(stats.Met), a.Level(a.Next).Count(stats.Missed); n != 3 || m != 3 {
			t.Errorf("bound %v: %d and %d samples confirm the ends", limit, n, m)
		}
		if a.Samples > 30 {
			t.Errorf("bound %v: %d samples", limit, a.Samples)
		}
	}
}

func TestOutcomes(t *testing.T) {
	rates := Range{From: 100, To: 12345, Within: 0.05, Confirm: 3, Most: 60}
	for _, tt := range []struct {
		why     string
		in      Range
		measure func(context.Context, float64) (Sample, error)
		outcome End
		best    float64
		next    float64
	}{
		{"it never fails: the end of the range is no bound", rates, upTo(math.Inf(1)), Unbounded, 12345, 0},
		{"the end is never exceeded, as three digits of it would", Range{From: 100, To: 12360, Whole: true, Within: 0.05, Confirm: 3, Most: 60}, upTo(math.Inf(1)), Unbounded, 12360, 0},
		{"it fails at once", rates, upTo(99), None, 0, 100},
		{"a range of one load that is kept", Range{From: 7, To: 7, Whole: true, Within: 0.05, Confirm: 1, Most: 1}, upTo(7), Unbounded, 7, 0},
		{"nothing can be said at the start", rates, func(context.Context, float64) (Sample, error) {
			return Sample{stats.Unmeasured, "late"}, nil
		}, Undecided, 0, 100},
		{"above a load the generator is late: no bound of the server", rates, func(_ context.Context, load float64) (Sample, error) {
			if load > 1000 {
				return Sample{stats.Unmeasured, "late"}, nil
			}
			return Sample{Outcome: stats.Met}, nil
		}, Blocked, 995, 1040},
		{"too many measurements", Range{From: 1, To: 1e6, Whole: true, Within: 0.05, Confirm: 3, Most: 5}, upTo(math.Inf(1)), Undecided, 16, 0},
	} {
		t.Run(tt.why, func(t *testing.T) {
			a := find(t, tt.in, tt.measure)
			if a.End != tt.outcome || a.Best != tt.best || a.Next != tt.next {
				t.Errorf("%v, %v and %v; want %v, %v and %v", a.End, a.Best, a.Next, tt.outcome, tt.best, tt.next)
			}
			if a.Samples > tt.in.Most {
				t.Errorf("%d samples of %d", a.Samples, tt.in.Most)
			}
		})
	}
}

// One stray sample at either end does not decide: it is confirmed by others,
// and the search goes on where they say.
func TestStraySamples(t *testing.T) {
	for _, stray := range []struct {
		why  string
		load float64
		says Sample
	}{
		{"a miss far below the bound", 64, Sample{stats.Missed, "a stall"}},
		{"a miss at the start", 1, Sample{stats.Missed, "a stall"}},
		{"a lucky one above it", 1020, Sample{Outcome: stats.Met}},
		{"one that cannot be used", 128, Sample{stats.Unmeasured, "late"}},
	} {
		t.Run(stray.why, func(t *testing.T) {
			truth := upTo(1000)
			first := true
			a := find(t, Range{From: 1, To: 4096, Whole: true, Within: 0.05, Confirm: 3, Most: 100}, func(ctx context.Context, load float64) (Sample, error) {
				if load == stray.load && first {
					first = false
					return stray.says, nil
				}
				return truth(ctx, load)
			})
			if first {
				t.Fatal("the stray one was never drawn")
			}
			if a.End != Found || a.Best > 1000 || a.Next <= 1000 {
				t.Errorf("%v, %v to %v", a.End, a.Best, a.Next)
			}
		})
	}
}

// Near its bound a real server keeps its promise now and then. The answer is
// then a load at which that is a matter of luck, never one far from it.
func TestNoise(t *testing.T) {
	const bound, width = 3000, 0.10
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		a := find(t, clients, func(_ context.Context, load float64) (Sample, error) {
			if math.Log(load/bound)+width*rnd.NormFloat64() < 0 {
				return Sample{Outcome: stats.Met}, nil
			}
			return Sample{stats.Missed, "too much"}, nil
		})
		if a.End != Found || math.Abs(math.Log(a.Best/bound)) > 3*width {
			t.Errorf("seed %d: %v at %v after %d samples", seed, a.End, a.Best, a.Samples)
		}
		if met, missed := a.Level(a.Best).Count(stats.Met), a.Level(a.Next).Count(stats.Missed); met < 2 || missed < 2 {
			t.Errorf("seed %d: %d and %d samples agree with the ends", seed, met, missed)
		}
	}
}

func TestFindStops(t *testing.T) {
	boom := errors.New("disk full")
	n := 0
	a, err := Find(t.Context(), clients, func(ctx context.Context, load float64) (Sample, error) {
		if n++; n == 4 {
			return Sample{}, boom
		}
		return Sample{Outcome: stats.Met}, nil
	})
	if !errors.Is(err, boom) || a.Samples != 3 || len(a.Levels) != 3 || a.End != Undecided {
		t.Errorf("%+v, err %v", a, err)
	}
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		why    string
		change func(*Range)
		wrong  bool
	}{
		{"as it is", func(*Range) {}, false},
		{"from nothing", func(r *Range) { r.From = 0 }, true},
		{"from no number", func(r *Range) { r.From = math.NaN() }, true},
		{"backwards", func(r *Range) { r.To = 0.5 }, true},
		{"from a part of a client", func(r *Range) { r.From = 1.5 }, true},
		{"to a part of a client", func(r *Range) { r.To = 99.5 }, true},
		{"to no end", func(r *Range) { r.Whole, r.To = false, math.Inf(1) }, true},
		{"closer than three digits", func(r *Range) { r.Within = 0.001 }, true},
		{"an even number of repeats can be tied", func(r *Range) { r.Confirm = 2 }, true},
		{"none", func(r *Range) { r.Confirm = -1 }, true},
		{"too few measurements to confirm an end", func(r *Range) { r.Most = 2 }, true},
	} {
		r := clients
		tt.change(&r)
		if got := r.Mistake(); (got != "") != tt.wrong {
			t.Errorf("%s: %q", tt.why, got)
		}
	}
}

func TestJudge(t *testing.T) {
	closed := func(change func(*result.Repeat)) *result.Repeat {
		r := &result.Repeat{
			Key:      result.Key{Model: "m", Protocol: "http", Workload: "plaintext", Clients: 100, Loop: result.Closed},
			AskedSec: 2, DurationSec: 2, Requests: 20000, ThroughputRPS: 10000,
			Service:     result.Latency{Mean: 10e-3, P50: 9e-3, P99: 30e-3, Max: 70e-3},
			Generator:   result.Generator{Name: "vegeta"},
			Established: result.Established{Server: result.Ends{Start: 100, End: 100}, Generator: result.Ends{Start: 100, End: 100}},
		}
		change(r)
		return r
	}
	open := func(p99, lag float64, done int64) *result.Repeat {
		return closed(func(r *result.Repeat) {
			r.Loop, r.Rate.PerSecond, r.RateRPS = result.Open, 10000, 10000
			r.Requests, r.ThroughputRPS = done, float64(done)/2
			r.Response = &result.Latency{Mean: 1e-3, P99: p99}
			r.Service.P99 = 1e-3
			r.Generator.SendLagP99Sec = lag
		})
	}
	p99 := func(most float64) Promise {
		return Promise{stats.AtMost(stats.P99, most), stats.AtMost(stats.Errors, 0)}
	}
	for _, tt := range []struct {
		why     string
		promise Promise
		repeat  *result.Repeat
		want    stats.Outcome
	}{
		{"all is kept", p99(50e-3), closed(func(*result.Repeat) {}), stats.Met},
		{"the tail is too long", p99(20e-3), closed(func(*result.Repeat) {}), stats.Missed},
		{"one of two bounds", Promise{stats.AtMost(stats.P50, 1), stats.AtMost(stats.Max, 60e-3), stats.AtMost(stats.Errors, 0)}, closed(func(*result.Repeat) {}), stats.Missed},
		{"no errors are allowed", p99(1), closed(func(r *result.Repeat) { r.Errors = map[string]int64{"timeout": 1} }), stats.Missed},
		{"some are", Promise{stats.AtMost(stats.P99, 1), stats.AtMost(stats.Errors, 0.001)}, closed(func(r *result.Repeat) { r.Errors = map[string]int64{"timeout": 20} }), stats.Met},
		{"so many are not", Promise{stats.AtMost(stats.P99, 1), stats.AtMost(stats.Errors, 0.001)}, closed(func(r *result.Repeat) { r.Errors = map[string]int64{"timeout": 21} }), stats.Missed},
		{"the server ended", p99(1), closed(func(r *result.Repeat) { r.Failure = "the server ended while it was measured" }), stats.Missed},
		{"the generator ran out of descriptors", p99(1), closed(func(r *result.Repeat) {
			r.Failure = "connect 100 clients to 127.0.0.1:1: got 7: last failure (emfile): too many open files"
			r.FailureKind = "emfile"
		}), stats.Unmeasured},
		{"it was not what was asked for", p99(1), closed(func(r *result.Repeat) { r.Established.Server.End = 90 }), stats.Unmeasured},
		{"too long, at the generator's ceiling", p99(20e-3), closed(func(r *result.Repeat) { r.Generator.CeilingRPS = 10500 }), stats.Unmeasured},
		{"kept at the generator's ceiling", p99(50e-3), closed(func(r *result.Repeat) { r.Generator.CeilingRPS = 10500 }), stats.Met},
		{"response time counts in an open loop", p99(50e-3), open(60e-3, 1e-3, 20000), stats.Missed},
		{"the generator was late itself", p99(50e-3), open(60e-3, 40e-3, 20000), stats.Unmeasured},
		{"late, but still in time", p99(50e-3), open(40e-3, 30e-3, 20000), stats.Met},
		{"the rate was not reached", p99(50e-3), open(10e-3, 0, 19000), stats.Missed},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got := tt.promise.Judge(tt.repeat)
			if got.Outcome != tt.want || (got.Why == "") != (tt.want == stats.Met) {
				t.Errorf("%+v, want %s", got, tt.want)
			}
		})
	}
}
