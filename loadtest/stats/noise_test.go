package stats

import (
	"math"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
)

func TestNoiseFloor(t *testing.T) {
	a, b, alone := key("a", 10), key("b", 10), key("c", 10)
	aa, bb := a, b
	b.Setting = result.ParseSetting("gil 5ms")
	aa.Setting, bb.Setting, alone.Setting = result.ParseSetting("A/A"), result.ParseSetting("gil 5ms, A/A"), result.Setting{AA: true}
	reps := []result.Repeat{rep(alone, 1, 500, result.Valid)}
	for i := range 10 {
		reps = append(reps, rep(a, i+1, 1000, result.Valid), rep(aa, i+1, 1000+float64(10*i), result.Valid))
	}
	reps = append(reps, rep(b, 1, 1000, result.Valid), rep(bb, 1, 800, result.Valid), rep(bb, 2, 1, result.Valid))
	n := NoiseFloor(Cells(&result.Run{}, reps), Throughput)
	if n.Cells != 2 || n.Ratio.N != 11 {
		t.Errorf("%d cells and %d pairs, want 2 and 11: those with a partner", n.Cells, n.Ratio.N)
	}
	if math.Abs(n.Floor-0.2) > 1e-9 || math.Abs(n.Ratio.Value-1.04) > 1e-9 {
		t.Errorf("the floor is %v and the ratio %v, want 0.2 and 1.04", n.Floor, n.Ratio.Value)
	}
	if n := NoiseFloor(Cells(&result.Run{}, reps[:1]), Throughput); n.Cells != 0 || n.Floor != 0 || n.Ratio.Known() {
		t.Errorf("nothing was measured twice: %+v", n)
	}
}
