package fault

import (
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// recoveryShare is the part of the throughput before a fault at which a server
// has recovered. recoverySlices is how many slices in a row are averaged for
// that: 250 ms, because a single slice varies too much by chance.
const (
	recoveryShare  = 0.95
	recoverySlices = 5
)

// Observe writes what the clients saw of a fault to its record, which says when
// the fault was injected.
func Observe(f *result.Fault, w *load.Window) {
	if a := w.Aftermath; a != nil {
		f.Lost, f.Failed = int(a.Lost), a.Failed
		f.P99, f.UnaffectedP99 = load.Latency(a.Before).P99, load.Latency(a.Unaffected).P99
	}
	f.SliceSec = load.SliceLength.Seconds()
	f.RPS = make([]float64, len(w.Slices))
	for i, n := range w.Slices {
		f.RPS[i] = float64(n) / f.SliceSec
	}
	at := min(int(f.AtSec/f.SliceSec), len(f.RPS))
	before, after := f.RPS[:at], f.RPS[at:]
	f.Before, f.After = mean(before), mean(after[max(0, len(after)-int(math.Round(1/f.SliceSec))):])
	if len(after) > 0 {
		f.Low = slices.Min(after)
	}
	f.RecoverySec = -1
	if n := recovered(before, after); n >= 0 {
		f.RecoverySec = max(0, float64(at+n)*f.SliceSec-f.AtSec)
	}
}

// recovered returns the first slice after a fault from which on throughput stays
// what it was before; negative if there is none. Any recoverySlices slices in a
// row must reach recoveryShare of the mean before the fault, or the worst such
// group there: a dip that also came without the fault is no sign of one.
func recovered(before, after []float64) int {
	asked := recoveryShare * mean(before)
	for i := 0; i+recoverySlices <= len(before); i++ {
		asked = min(asked, mean(before[i:i+recoverySlices]))
	}
	n := -1
	for i := len(after) - recoverySlices; i >= 0 && mean(after[i:i+recoverySlices]) >= asked; i-- {
		n = i
	}
	return n
}

func mean(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
