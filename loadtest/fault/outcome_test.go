package fault

import (
	"slices"
	"testing"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }

func TestRecovery(t *testing.T) {
	repeated := func(parts ...int64) (all []int64) { // value, times, …
		for i := 0; i < len(parts); i += 2 {
			all = append(all, slices.Repeat([]int64{parts[i]}, int(parts[i+1]))...)
		}
		return all
	}
	for _, tt := range []struct {
		reason                       string
		slices                       []int64
		before, after, low, recovery float64
	}{
		{"nothing changed", repeated(10, 60), 200, 200, 200, 0},
		{"nothing for a second", repeated(10, 20, 0, 20, 10, 40), 200, 200, 0, 1},
		{"half for a second", repeated(10, 20, 5, 20, 10, 40), 200, 200, 100, 1},
		{"never again", repeated(10, 20, 0, 40), 200, 0, 0, -1},
		{"nearly", repeated(100, 20, 94, 40), 2000, 1880, 1880, -1},
		{"near enough", repeated(100, 20, 96, 40), 2000, 1920, 1920, 0},
		{"only for a while", repeated(10, 20, 0, 5, 10, 20, 2, 20), 200, 40, 0, -1},
		{"a dip as there was before", repeated(100, 10, 50, 5, 100, 5, 100, 10, 50, 5, 100, 25), 1750, 2000, 1000, 0},
		{"half a slice of chance", repeated(10, 20, 0, 4, 10, 10, 9, 1, 10, 20), 200, 200, 0, 0.2},
	} {
		f := result.Fault{AtSec: 1}
		Observe(&f, &load.Window{Slices: tt.slices})
		if !near(f.Before, tt.before) || !near(f.After, tt.after) || !near(f.Low, tt.low) || !near(f.RecoverySec, tt.recovery) {
			t.Errorf("%s: before %g after %g low %g recovery %g, want %g %g %g %g", tt.reason,
				f.Before, f.After, f.Low, f.RecoverySec, tt.before, tt.after, tt.low, tt.recovery)
		}
		if len(f.RPS) != len(tt.slices) || f.SliceSec != 0.05 {
			t.Errorf("%s: %d slices of %g s", tt.reason, len(f.RPS), f.SliceSec)
		}
	}
	f := result.Fault{AtSec: 9} // a window that was cut off before it
	if Observe(&f, &load.Window{Slices: []int64{1, 2}}); f.RecoverySec != -1 || f.Before != 30 {
		t.Errorf("%+v", f)
	}
}
