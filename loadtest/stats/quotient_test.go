package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestQuotient(t *testing.T) {
	for _, tt := range []struct {
		why  string
		a, b []float64
		want Estimate
	}{
		{"nothing on one side", nil, []float64{1}, Estimate{}},
		{"one of each has no interval", []float64{2}, []float64{3}, Estimate{1.5, 1.5, 1.5, 1, NoInterval, 0}},
		{"three of each: too few for 95 %", []float64{1, 2, 4}, []float64{2, 4, 8}, Estimate{2, 0.5, 8, 3, Range, 0.9}},
		{"an even number of quotients: between the middle ones, as logarithms are", []float64{1, 1}, []float64{2, 8}, Estimate{4, 2, 8, 2, Range, 1 - 2.0/6}},
		// Of 16 quotients none can be left out: P(U = 0) is 1/70, P(U ≤ 1) is 2/70 > 0.025.
		{"four of each: the outermost", []float64{1, 1, 1, 1}, []float64{2, 3, 4, 5}, Estimate{math.Sqrt(12), 2, 5, 4, HodgesLehmann, 1 - 2.0/70}},
		// Of 25, two on each side: P(U ≤ 2) is 4/252, P(U ≤ 3) is 7/252 > 0.025.
		{"five of each", []float64{1, 1, 1, 1, 1}, []float64{2, 3, 4, 5, 6}, Estimate{4, 2, 6, 5, HodgesLehmann, 1 - 8.0/252}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Quotient(tt.a, tt.b), cmpopts.EquateApprox(1e-12, 0)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestQuotientCovers draws samples whose quotient is known: the interval must
// hold it about as often as it says.
func TestQuotientCovers(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	const rounds, truth = 2000, 1.3
	held := 0
	for range rounds {
		var a, b []float64
		for range 6 {
			a = append(a, math.Exp(0.2*rnd.NormFloat64()))
			b = append(b, truth*math.Exp(0.2*rnd.NormFloat64()))
		}
		if s := Quotient(a, b); s.Lo <= truth && truth <= s.Hi {
			held++
		}
	}
	if got := float64(held) / rounds; got < 0.94 || got > 0.98 {
		t.Errorf("held in %.3f of the rounds, want 0.95 or a little more", got)
	}
}

func TestMannWhitney(t *testing.T) {
	for _, tt := range []struct {
		why  string
		a, b []float64
		want float64
	}{
		{"nothing to compare", nil, []float64{1}, 1},
		{"three and three apart: 2 of 20 ways", []float64{1, 2, 3}, []float64{4, 5, 6}, 0.1},
		{"four and four apart: 2 of 70 ways", []float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 2.0 / 70},
		{"all the same", []float64{1, 1, 1}, []float64{1, 1, 1}, 1},
	} {
		if got := MannWhitney(tt.a, tt.b); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", tt.why, got, tt.want)
		}
	}
	if got := LeastP(3, 3); math.Abs(got-0.1) > 1e-12 {
		t.Errorf("LeastP(3, 3) = %v", got)
	}
	if got := LeastP(5, 4); math.Abs(got-2.0/126) > 1e-12 {
		t.Errorf("LeastP(5, 4) = %v", got)
	}
}
