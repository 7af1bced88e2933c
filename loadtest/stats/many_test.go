package stats

import (
	"math"
	"testing"

	"github.com/aclements/go-moremath/stats"
)

func TestLeftOut(t *testing.T) {
	for n := 1; n <= 12; n++ {
		for m := 1; m <= 12; m++ {
			u := stats.UDist{N1: n, N2: m}
			want := -1
			for u.CDF(float64(want+1)) <= 0.025 {
				want++
			}
			if got := leftOut(n, m); got != want {
				t.Errorf("%d and %d values: %d, want %d", n, m, got, want)
			}
		}
	}
	// Where the exact sum ends, the normal distribution goes on.
	exact := float64(leftOut(exactly, exactly))
	if got := float64(leftOut(exactly, exactly+1)); math.Abs(got/exact-1) > 0.03 {
		t.Errorf("%d and %d values: %v, and with one more %v", exactly, exactly, exact, got)
	}
	if got := leftOut(1, 1000); got != 24 {
		t.Errorf("of one value and a thousand the outermost 25 in 1001 are improbable: %d, want 24", got)
	}
}

// A config may ask for a thousand repeats. To add up the distribution of U for them takes days.
func TestQuotientOfManyRepeats(t *testing.T) {
	var a, b []float64
	for i := range 1000 {
		a = append(a, 100+float64(i%10))
		b = append(b, 200+2*float64(i%10))
	}
	q := Quotient(a, b)
	if q.Method != HodgesLehmann || q.N != 1000 || !(q.Lo <= 2 && 2 <= q.Hi) || q.Hi-q.Lo > 0.1 {
		t.Errorf("%+v, want a close interval around 2", q)
	}
}
