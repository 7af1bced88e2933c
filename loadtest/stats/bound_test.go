package stats

import "testing"

func TestBound(t *testing.T) {
	e := func(lo, v, hi float64) Estimate { return Estimate{v, lo, hi, 10, OrderStatistics, 0.97} }
	least, most := AtLeast(Throughput, 100), AtMost(P99, 0.05)
	for _, tt := range []struct {
		why    string
		bounds []Bound
		e      Estimate
		whole  Outcome // of the first bound
		want   Judgement
	}{
		{"all of it above the least", []Bound{least}, e(110, 120, 130), Met, Judgement{Outcome: Met}},
		{"the least itself is allowed", []Bound{least}, e(100, 120, 130), Met, Judgement{Outcome: Met}},
		{"all of it below the least", []Bound{least}, e(70, 80, 90), Missed, Judgement{Outcome: Missed, By: 20}},
		{"the interval includes the least", []Bound{least}, e(90, 110, 130), Undecided, Judgement{Outcome: Met, Undecided: true}},
		{"the least is its upper end", []Bound{least}, e(80, 90, 100), Undecided, Judgement{Outcome: Missed, By: 10, Undecided: true}},
		{"the most itself is allowed", []Bound{most}, e(0.03, 0.04, 0.05), Met, Judgement{Outcome: Met}},
		{"the most is its lower end", []Bound{most}, e(0.05, 0.0625, 0.07), Undecided, Judgement{Outcome: Missed, By: 0.0125, Undecided: true}},
		{"the value decides where there is no interval", []Bound{least}, alone(80, 1), Undecided, Judgement{Outcome: Missed, By: 20}},
		{"nothing was measured", []Bound{least}, Estimate{}, Unmeasured, Judgement{Outcome: Unmeasured}},
		{"one of two is missed", []Bound{AtLeast(Metric{}, 0.5), AtMost(Metric{}, 2)}, e(3, 3, 3), Met, Judgement{Outcome: Missed, By: 1}},
		{"the first of two is missed", []Bound{AtMost(Metric{}, 2), AtLeast(Metric{}, 0.5)}, e(3, 3, 3), Missed, Judgement{Outcome: Missed, By: 1}},
	} {
		if got := tt.bounds[0].Whole(tt.e); got != tt.whole {
			t.Errorf("%s: the whole interval is %q, want %q", tt.why, got, tt.whole)
		}
		if got := Judge(tt.e, tt.bounds...); got.Outcome != tt.want.Outcome || got.Undecided != tt.want.Undecided || got.By-tt.want.By > 1e-12 || tt.want.By-got.By > 1e-12 {
			t.Errorf("%s: got %+v, want %+v", tt.why, got, tt.want)
		}
	}
	if got := Judge(e(1, 1, 1)); got != (Judgement{}) {
		t.Errorf("no bound: %+v", got)
	}
	for b, want := range map[string]string{
		AtMost(P99, 0.05).String(): "≤ 50.0 ms", AtLeast(Throughput, 1e6).String(): "≥ 1.00M/s", AtMost(Errors, 0.001).String(): "≤ 0.1 %",
		AtMost(Errors, 0).String(): "≤ 0 %", AtLeast(Metric{}, 0.95).String(): "≥ 0.95", AtMost(MemoryTotal, 8<<20).String(): "≤ 8.00 MiB",
	} {
		if b != want {
			t.Errorf("%q, want %q", b, want)
		}
	}
}
