package duel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// synthetic is a duel of n pairs of 100 passes A B B A, in which A does rate(at) and
// B does that divided by ratio, at the time of the slice. Spoil may change a slice.
func synthetic(n int, ratio float64, rate func(at float64) float64, spoil func(*rand.Rand, *result.DuelSlice)) *result.Duel {
	random := rand.New(rand.NewPCG(7, 0))
	d := &result.Duel{Sides: []result.DuelSide{{Name: "A"}, {Name: "B"}}, Asked: n}
	for number := range n {
		p := result.DuelPair{Number: number + 1}
		at := 0.0
		for pass := range 100 {
			for i := range 2 {
				s := result.DuelSlice{Side: i ^ pass&1, Pass: pass, Loop: result.Closed, AtSec: at, LengthSec: 0.05}
				r := rate(at) * (1 + 0.02*random.NormFloat64())
				if s.Side == 1 {
					r /= ratio
				}
				s.Answers = int64(r * s.LengthSec)
				s.ServerCPUSec = float64(s.Answers) * 10e-6 * (1 + float64(s.Side)) // B uses twice as much
				if spoil != nil {
					spoil(random, &s)
				}
				p.Slices = append(p.Slices, s)
				at += 0.06
			}
		}
		d.Pairs = append(d.Pairs, p)
	}
	return d
}

func steady(float64) float64 { return 50_000 }

// sums is the ratio of all answers: what the median of slices is compared with.
func sums(d *result.Duel) float64 {
	var n [2]float64
	for _, p := range d.Pairs {
		for _, s := range p.Slices {
			n[s.Side] += float64(s.Answers)
		}
	}
	return n[0] / n[1]
}

func TestTheMedianOfSlicesResists(t *testing.T) {
	for _, tt := range []struct {
		why      string
		ratio    float64
		rate     func(at float64) float64
		spoil    func(*rand.Rand, *result.DuelSlice)
		sumsFail bool
	}{
		{"quiet, equal", 1, steady, nil, false},
		{"quiet, 5 % apart", 1.05, steady, nil, false},
		{"the machine gets slower all the time", 1, func(at float64) float64 { return 80_000 - 6000*at }, nil, false},
		{"bursts that meet some slices of A only", 1, steady, func(r *rand.Rand, s *result.DuelSlice) {
			if s.Side == 0 && r.Float64() < 0.1 {
				s.Answers /= 4
			}
		}, true},
		{"slices of B that count what was late", 1.05, steady, func(r *rand.Rand, s *result.DuelSlice) {
			if s.Side == 1 && r.Float64() < 0.1 {
				s.Answers *= 10
			}
		}, true},
		{"slices without an answer", 0.95, steady, func(r *rand.Rand, s *result.DuelSlice) {
			if r.Float64() < 0.3 {
				s.Answers = 0
			}
		}, false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			d := synthetic(6, tt.ratio, tt.rate, tt.spoil)
			r := Compare(d, Throughput, 0, 1)
			if off := math.Abs(r.Value/tt.ratio - 1); off > 0.01 {
				t.Errorf("ratio %.4f, want %.2f within 1 %%", r.Value, tt.ratio)
			}
			if off := math.Abs(sums(d)/tt.ratio - 1); (off > 0.05) != tt.sumsFail {
				t.Errorf("the ratio of sums is off by %.3f; the case should fail it: %v", off, tt.sumsFail)
			}
			if len(r.Pairs) != 6 || r.N != 6 || r.Method != stats.OrderStatistics || r.Level < 0.95 || r.Lo > r.Value || r.Hi < r.Value {
				t.Errorf("%+v", r)
			}
			back := Compare(d, Throughput, 1, 0)
			for _, v := range [][2]float64{{back.Value, r.Value}, {back.Lo, r.Hi}, {back.Hi, r.Lo}} {
				if math.Abs(v[0]*v[1]-1) > 1e-9 {
					t.Errorf("B ÷ A is %+v, and A ÷ B %+v", back.Estimate, r.Estimate)
				}
			}
		})
	}
}

func TestCPUIsPerRequest(t *testing.T) {
	d := synthetic(6, 2, steady, nil)
	if r := Compare(d, CPU, 0, 1); math.Abs(r.Value-0.5) > 1e-9 {
		t.Errorf("ratio %v, want 0.5", r.Value)
	}
	for i := range d.Pairs[0].Slices {
		d.Pairs[0].Slices[i].ServerCPUSec = 0 // not known
	}
	if r := Compare(d, CPU, 0, 1); r.N != 5 {
		t.Errorf("%d pairs count, want the 5 whose CPU time is known", r.N)
	}
}

func TestAPairThatFailedDoesNotCount(t *testing.T) {
	d := synthetic(6, 1, steady, nil)
	d.Pairs[2].Failure = "A: it ended"
	if r := Compare(d, Throughput, 0, 1); r.N != 5 || r.Method != stats.Range {
		t.Errorf("%+v", r)
	}
	if r := Compare(d, P50, 0, 1); r.N != 0 || r.Verdict(0) != Undecided {
		t.Errorf("without an open loop: %+v", r)
	}
}

func TestVerdicts(t *testing.T) {
	of := func(lo, v, hi float64) Ratio {
		return Ratio{Quantity: Throughput, Estimate: stats.Estimate{Value: v, Lo: lo, Hi: hi, N: 6, Method: stats.OrderStatistics, Level: 0.97}}
	}
	few := of(0.4, 0.5, 0.6)
	few.N, few.Method, few.Level = 2, stats.Range, 0.5
	alone := Ratio{Quantity: Throughput, Estimate: stats.Estimate{Value: 2, Lo: 2, Hi: 2, N: 1}}
	cpu := of(0.8, 0.85, 0.9)
	cpu.Quantity = CPU
	for _, tt := range []struct {
		why       string
		r         Ratio
		margin    float64
		want      Verdict
		regressed stats.Outcome // by more than 5 %
	}{
		{"far apart", of(0.52, 0.53, 0.54), 0, Differs, stats.Missed},
		{"B is slower", of(1.06, 1.08, 1.1), 0, Differs, stats.Met},
		{"B is slower, by less than that perhaps", of(1.03, 1.08, 1.1), 0, Differs, stats.Undecided},
		{"the interval includes 1", of(0.98, 1.004, 1.02), 0, NoDifference, stats.Missed},
		{"within the margin", of(1.005, 1.01, 1.015), 0.02, NoDifference, stats.Missed},
		{"beyond the margin", of(1.03, 1.04, 1.045), 0.02, Differs, stats.Missed},
		{"across the margin", of(1.01, 1.02, 1.03), 0.02, Undecided, stats.Missed},
		{"across both ends of the margin", of(0.9, 1, 1.04), 0.02, Undecided, stats.Missed},
		{"too few pairs to say a word", few, 0, Undecided, stats.Undecided},
		{"one pair", alone, 0, Undecided, stats.Undecided},
		{"B takes more CPU time", cpu, 0, Differs, stats.Met},
	} {
		if got := tt.r.Verdict(tt.margin); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.why, got, tt.want)
		}
		if got := tt.r.Regressed(0.05); got != tt.regressed {
			t.Errorf("%s: regressed: %s, want %s", tt.why, got, tt.regressed)
		}
	}
	if got := of(0.98, 1.004, 1.03).Seen(); math.Abs(got-0.03) > 1e-9 {
		t.Errorf("seen %v, want 0.03", got)
	}
}
