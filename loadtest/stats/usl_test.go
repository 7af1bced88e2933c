package stats

import (
	"math"
	"strings"
	"testing"
)

// once is each throughput as the only repeat of its number of clients.
func once(xs ...float64) (out [][]float64) {
	for _, x := range xs {
		out = append(out, []float64{x})
	}
	return out
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within*math.Abs(want)) {
		t.Errorf("%s is %.6g, want %.6g within %.2g", what, got, want, within)
	}
}

// The SPEC SDM91 results of a Sun SPARCcenter 2000 with 16 CPUs, in scripts an
// hour against simulated users: the example of Gunther's Guerrilla Capacity
// Planning (Springer 2007). Expected is what the R package usl (S. Möding), which
// carries the table as its data set specsdm91, prints of it in its README: its
// fit is by nonlinear least squares, too.
func TestUSLOfTheSDM91Example(t *testing.T) {
	s := USL([]float64{1, 18, 36, 72, 108, 144, 216}, once(64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2))
	if s.Refused != "" {
		t.Fatal(s.Refused)
	}
	near(t, "rate", s.Rate.Value, 89.9952, 0.001)
	near(t, "contention", s.Contention.Value, 0.0277285, 0.001)
	near(t, "coherency", s.Coherency.Value, 0.0001044, 0.001)
	near(t, "peak", s.Peak.Value, 96.5, 0.002)
	if s.Contention.Known() {
		t.Error("it has an interval, though each tier was measured once")
	}
}

// Parameters that are put in come out.
func TestUSLOfItsOwnCurve(t *testing.T) {
	ns := []float64{1, 10, 50, 100, 200, 500, 1000, 2000, 5000, 10000}
	for _, u := range []usl{{20, 0.02, 0.0000005}, {90e3, 0.95, 0}, {10e3, 0, 0.0001}, {20, 0, 0}} {
		var xs [][]float64
		for i, n := range ns {
			x := u.at(n)
			jitter := []float64{0.99, 1, 1.01}
			xs = append(xs, []float64{x * jitter[i%3], x * jitter[(i+1)%3], x * jitter[(i+2)%3]})
		}
		s := USL(ns, xs)
		if s.Refused != "" && u.sigma < 0.9 {
			t.Errorf("%+v: %s", u, s.Refused)
			continue
		}
		for _, p := range []struct {
			what string
			e    Estimate
			v    float64
		}{{"rate", s.Rate, u.rate}, {"contention", s.Contention, u.sigma}, {"coherency", s.Coherency, u.kappa}} {
			slack := 0.002*p.v + 1e-5
			if u.sigma < 0.9 && !(p.e.Lo-slack <= p.v && p.v <= p.e.Hi+slack) {
				t.Errorf("%+v: %s is %.6g (%.6g – %.6g), want %.6g", u, p.what, p.e.Value, p.e.Lo, p.e.Hi, p.v)
			}
		}
	}
}

func TestUSLIsRefused(t *testing.T) {
	ns := []float64{1, 10, 100, 1000, 5000, 10000}
	for _, tt := range []struct {
		why string
		ns  []float64
		xs  [][]float64
		say string
	}{
		{"four tiers are too few", ns[:4], once(1, 9, 80, 500), "4 numbers of clients; it takes 5"},
		{"a tier without a repeat does not count", ns[:5], append(once(1, 9, 80, 500), nil), "4 numbers of clients"},
		{"it goes up and down", ns, once(10, 200, 10, 200, 10, 200), "below 0.97"},
		{"nothing was answered", ns, once(0, 0, 0, 0, 0, 0), "no throughput"},
	} {
		if got := USL(tt.ns, tt.xs).Refused; !strings.Contains(got, tt.say) {
			t.Errorf("%s: refused is %q, want %q", tt.why, got, tt.say)
		}
	}
	// Both sides of the bound.
	for _, tt := range []struct {
		off     float64
		refused bool
	}{{0.05, false}, {0.40, true}} {
		var xs [][]float64
		for i, n := range ns {
			u := usl{100, 0.01, 0.000001}
			sign := float64(1 - 2*(i%2))
			xs = append(xs, []float64{u.at(n) * (1 + sign*tt.off)})
		}
		s := USL(ns, xs)
		if (s.Refused != "") != tt.refused || (s.R2 < LeastR2) != tt.refused {
			t.Errorf("values ±%.0f %% off: R² %.4f, refused %q", 100*tt.off, s.R2, s.Refused)
		}
	}
}

// The curve's interval holds the value, narrows to it where all repeats are one,
// and is not there where each tier was measured once or the law is refused.
func TestScalingAt(t *testing.T) {
	ns := []float64{1, 10, 50, 100, 200, 500}
	u := usl{20, 0.02, 0.0001}
	var one, some [][]float64
	for _, n := range ns {
		x := u.at(n)
		one = append(one, []float64{x})
		some = append(some, []float64{0.97 * x, x, 1.03 * x})
	}
	s := USL(ns, some)
	for _, n := range []float64{1, 30, 98, 500} {
		e := s.At(n)
		near(t, "the curve", e.Value, u.at(n), 0.02)
		if !e.Known() || !(e.Lo < e.Value && e.Value < e.Hi) || e.Hi/e.Lo > 1.15 {
			t.Errorf("at %v clients it is %.6g (%.6g – %.6g), of values 3 %% off", n, e.Value, e.Lo, e.Hi)
		}
	}
	s = USL(ns, one)
	if e := s.At(30); e.Known() || math.IsNaN(e.Value) {
		t.Errorf("measured once, the curve is %+v", e)
	}
	s = USL(ns[:4], some[:4])
	if e := s.At(30); e != (Estimate{}) {
		t.Errorf("refused, the curve is %+v", e)
	}
}
