package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drawnMedian is the bootstrap of what MedianOf has an exact interval for.
func drawnMedian(xs []float64) Estimate {
	return Bootstrap([][]float64{xs}, func(s [][]float64) float64 { return Median(s[0]) })
}

func TestBootstrapIsTheSameEachTime(t *testing.T) {
	xs := []float64{5, 1, 4, 2, 3, 9, 7}
	a, b := drawnMedian(xs), drawnMedian(xs)
	if a != b {
		t.Errorf("%v, then %v", a, b)
	}
	if diff := cmp.Diff([]float64{5, 1, 4, 2, 3, 9, 7}, xs); diff != "" {
		t.Error("it changed its input: ", diff)
	}
	if a.Value != 4 || !(a.Lo >= 1 && a.Lo < 4 && a.Hi > 4 && a.Hi <= 9) || a.N != 7 || a.Few() || a.Method != Percentiles || a.Level != 0.95 {
		t.Errorf("got %+v", a)
	}
}

func TestBootstrapOfFew(t *testing.T) {
	for _, of := range []func([]float64) Estimate{MedianOf, drawnMedian} {
		if e := of(nil); e.Known() || e != (Estimate{}) {
			t.Errorf("of nothing: %+v", e)
		}
		if e := of([]float64{3}); e.Known() || e.Value != 3 {
			t.Errorf("one value has no interval: %+v", e)
		}
		if e := of([]float64{3, 5}); e.Value != 4 || e.Lo != 3 || e.Hi != 5 || e.N != 2 || e.Level != 0.5 || !e.Few() {
			t.Errorf("of two the interval is their range: %+v", e)
		}
		if of(make([]float64, 5)).Few() == false || of(make([]float64, 6)).Few() {
			t.Error("six are the fewest that are not few")
		}
	}
	if !math.IsNaN(Median(nil)) {
		t.Error("nothing has a median")
	}
	if e := Bootstrap([][]float64{{1, 2, 3}, {1}}, func(s [][]float64) float64 { return s[0][0] }); e.Known() {
		t.Errorf("the smallest sample decides: %+v", e)
	}
}

// Of 300 samples of a known distribution, about 95 % of the intervals hold its median.
func TestBootstrapCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	held := 0
	for range 300 {
		xs := make([]float64, 20)
		for i := range xs {
			xs[i] = math.Exp(rng.NormFloat64())
		}
		if e := drawnMedian(xs); e.Lo <= 1 && 1 <= e.Hi {
			held++
		}
	}
	if share := float64(held) / 300; share < 0.91 || share > 0.99 {
		t.Errorf("%.1f %% of the intervals hold the median", 100*share)
	}
}

func TestBounds(t *testing.T) {
	e := func(lo, hi float64) Estimate {
		return Estimate{Value: (lo + hi) / 2, Lo: lo, Hi: hi, N: 10, Method: OrderStatistics}
	}
	for _, tt := range []struct {
		why             string
		e               Estimate
		atLeast, atMost Outcome
	}{
		{"wholly above", e(2.1, 3), Met, Missed},
		{"from the bound on", e(2, 3), Met, Undecided},
		{"it includes the bound", e(1, 3), Undecided, Undecided},
		{"up to the bound", e(1, 2), Undecided, Met},
		{"wholly below", e(1, 1.9), Missed, Met},
		{"the bound itself", e(2, 2), Met, Met},
		{"no interval", alone(9, 1), Undecided, Undecided},
	} {
		if got := tt.e.AtLeast(2); got != tt.atLeast {
			t.Errorf("%s: AtLeast is %s", tt.why, got)
		}
		if got := tt.e.AtMost(2); got != tt.atMost {
			t.Errorf("%s: AtMost is %s", tt.why, got)
		}
	}
	ratio := func(v, lo, hi float64) Estimate {
		return Estimate{Value: v, Lo: lo, Hi: hi, N: 9, Method: OrderStatistics}
	}
	for _, tt := range []struct {
		why  string
		e    Estimate
		want bool
	}{
		{"apart by an interval and by more than 5 %", ratio(1.06, 1.01, 1.1), true},
		{"within 5 %, however sure", ratio(1.04, 1.03, 1.05), false},
		{"the interval holds 1", ratio(1.2, 0.9, 1.4), false},
		{"below", ratio(0.9, 0.8, 0.99), true},
		{"no interval", alone(2, 1), false},
	} {
		if got := Unlike(tt.e); got != tt.want {
			t.Errorf("%s: got %v", tt.why, got)
		}
	}
}

func TestLine(t *testing.T) {
	// Student's t for 3 degrees of freedom is 3.182; residuals ±1 about 2x+1.
	l := LineOf([]float64{1, 2, 3, 4, 5}, []float64{3, 6, 6, 10, 11})
	if l.Distinct != 5 || math.Abs(l.Slope.Value-2) > 1e-9 || math.Abs(l.Intercept.Value-1.2) > 1e-9 {
		t.Errorf("got %+v", l)
	}
	// By hand: residuals −0.2 0.8 −1.2 0.8 −0.2, s² = 2.8/3, Sxx = 10.
	if half := l.Slope.Hi - l.Slope.Value; math.Abs(half-3.18245*math.Sqrt(2.8/3/10)) > 1e-4 {
		t.Errorf("the half-width of the slope's interval is %v", half)
	}
	if math.Abs(l.R2-(1-2.8/42.8)) > 1e-9 {
		t.Errorf("R² is %v", l.R2)
	}
	for _, few := range [][]float64{nil, {1, 2}, {3, 3, 3, 3}} {
		if l := LineOf(few, make([]float64, len(few))); l.Slope.Known() {
			t.Errorf("%v has a line: %+v", few, l)
		}
	}
}
