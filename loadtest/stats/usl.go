package stats

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/optimize"
)

// A Scaling is the Universal Scalability Law fitted to throughput against
// clients (N. Gunther, Guerrilla Capacity Planning, Springer 2007):
//
//	X(N) = Rate·N ÷ (1 + Contention·(N−1) + Coherency·N·(N−1))
//
// Contention (σ) is the part that only one client at a time can do. Coherency (κ) is the
// cost of each pair of clients. If κ is above 0, throughput peaks at √((1−σ)÷κ).
type Scaling struct {
	Rate       Estimate `json:"rate_rps"`
	Contention Estimate `json:"contention"`
	Coherency  Estimate `json:"coherency"`
	// Peak is in clients. It has no value if κ is 0: throughput then only levels off.
	Peak Estimate `json:"peak_clients"`
	R2   float64  `json:"r2"`
	// Refused says why the law must not be used here; empty if it may be.
	Refused string `json:"refused,omitempty"`

	fit     *usl  // nil if the law is refused
	drawn   []usl // the fits of the bootstrap's draws; without them there is no interval
	repeats int
}

// At returns the throughput of the fitted law at n clients, in requests per second, with the
// interval of the curve at that point. It has no value if the law is refused.
func (s *Scaling) At(n float64) Estimate {
	if s.fit == nil {
		return Estimate{}
	}
	at := make([]float64, len(s.drawn))
	for i := range s.drawn {
		at[i] = s.drawn[i].at(n)
	}
	return percentilesOf(s.fit.at(n), s.repeats, at)
}

// LeastR2 is the goodness of fit below which the law is refused.
const LeastR2 = 0.97

// LeastTiers is how many different numbers of clients it takes to fit three parameters.
const LeastTiers = 5

// uslResamples is how often the fit is repeated with resampled repeats. It is less than
// resamples, as each fit is a search.
const uslResamples = 200

// USL fits the law to the throughputs measured at each number of clients. The bootstrap
// draws from the repeats of each number; with one repeat each there are no intervals. The
// fit minimises the sum of the squared differences from all values, by Nelder and Mead's
// search over parameters that cannot be negative.
func USL(clients []float64, throughput [][]float64) Scaling {
	s := Scaling{}
	var ns []float64
	var xs [][]float64
	for i, n := range clients {
		if len(throughput[i]) > 0 {
			ns, xs = append(ns, n), append(xs, throughput[i])
		}
	}
	if len(ns) < LeastTiers {
		s.Refused = fmt.Sprintf("%d numbers of clients; it takes %d to fit three parameters", len(ns), LeastTiers)
		return s
	}
	fit, err := fitUSL(ns, xs, nil)
	if err != nil {
		s.Refused = "no fit: " + err.Error()
		return s
	}
	s.R2 = fit.r2(ns, xs)
	if s.R2 < LeastR2 {
		s.Refused = fmt.Sprintf("R² is %.3f, below %.2f", s.R2, LeastR2)
	}
	s.repeats = smallest(xs)
	if s.Refused == "" {
		s.fit = fit
		draw(xs, uslResamples, func(drawn [][]float64) float64 {
			f, err := fitUSL(ns, drawn, fit)
			if err == nil {
				s.drawn = append(s.drawn, *f)
			}
			return math.NaN()
		})
	}
	of := func(parameter func(*usl) float64) Estimate {
		if math.IsInf(parameter(fit), 0) {
			return Estimate{}
		}
		drawn := make([]float64, len(s.drawn))
		for i := range s.drawn {
			drawn[i] = parameter(&s.drawn[i])
		}
		return percentilesOf(parameter(fit), s.repeats, drawn)
	}
	s.Rate = of(func(u *usl) float64 { return u.rate })
	s.Contention = of(func(u *usl) float64 { return u.sigma })
	s.Coherency = of(func(u *usl) float64 { return u.kappa })
	s.Peak = of((*usl).peak)
	return s
}

type usl struct{ rate, sigma, kappa float64 }

func (u *usl) at(n float64) float64 {
	return u.rate * n / (1 + u.sigma*(n-1) + u.kappa*n*(n-1))
}

// peak returns infinity if coherency costs nothing.
func (u *usl) peak() float64 {
	if u.kappa < 1e-12 {
		return math.Inf(1)
	}
	return math.Sqrt(math.Max(0, 1-u.sigma) / u.kappa)
}

func (u *usl) squares(ns []float64, xs [][]float64) (sum float64) {
	for i, n := range ns {
		for _, x := range xs[i] {
			d := x - u.at(n)
			sum += d * d
		}
	}
	return sum
}

func (u *usl) r2(ns []float64, xs [][]float64) float64 {
	all := slices.Concat(xs...)
	var mean, sst float64
	for _, x := range all {
		mean += x / float64(len(all))
	}
	for _, x := range all {
		sst += (x - mean) * (x - mean)
	}
	if sst == 0 {
		return 1
	}
	return 1 - u.squares(ns, xs)/sst
}

// fitUSL searches from several starting points, or only from near if it is not nil.
func fitUSL(ns []float64, xs [][]float64, near *usl) (*usl, error) {
	// Squaring keeps the parameters from being negative; the units make each about 1.
	scale := 0.0
	for i, n := range ns {
		for _, x := range xs[i] {
			scale = math.Max(scale, x/n)
		}
	}
	if scale == 0 {
		return nil, fmt.Errorf("no throughput")
	}
	most := slices.Max(ns)
	of := func(p []float64) *usl {
		return &usl{rate: scale * p[0] * p[0], sigma: p[1] * p[1], kappa: p[2] * p[2] / most}
	}
	total := (&usl{}).squares(ns, xs)
	problem := optimize.Problem{Func: func(p []float64) float64 { return of(p).squares(ns, xs) / total }}
	starts := [][]float64{{1, 0.1, 0.01}, {1, 0.5, 0.1}, {1, 1, 0.5}, {1, 0.02, 0.3}}
	until := &optimize.Settings{Converger: &optimize.FunctionConverge{Absolute: 1e-14, Iterations: 200}, MajorIterations: 5000}
	if near != nil {
		starts = [][]float64{{math.Sqrt(near.rate / scale), math.Sqrt(near.sigma), math.Sqrt(near.kappa * most)}}
		until = &optimize.Settings{Converger: &optimize.FunctionConverge{Absolute: 1e-9, Iterations: 40}, MajorIterations: 1000}
	}
	var best *usl
	least := math.Inf(1)
	var failed error
	for _, from := range starts {
		// Search again from where it ended, since the simplex may have collapsed.
		for range 2 {
			r, err := optimize.Minimize(problem, from, until, &optimize.NelderMead{})
			if r == nil {
				failed = err
				break
			}
			if from = r.X; r.F < least {
				least, best = r.F, of(r.X)
			}
		}
	}
	if best == nil {
		return nil, failed
	}
	return best, nil
}
