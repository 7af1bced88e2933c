package advise

import (
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Prediction predicts a measured cell from the others of its model and workload.
type Prediction struct {
	Model, Asked string
	Clients      int
	What         string // "CPU per request", "throughput" or "memory"
	Unit         stats.Unit
	Predicted    float64
	Measured     float64
	Spread       float64 // half the interval of the measured value, as a fraction; NaN without one
	Outside      bool    // the cell is the smallest or the largest
}

// Error returns how far off the prediction is, as a fraction of the measured value.
func (p Prediction) Error() float64 { return p.Predicted/p.Measured - 1 }

// Check leaves out one number of clients after the other, and predicts it from the others
// like Advise. It takes at least three.
func Check(set *result.Set) []Prediction {
	cells := stats.Cells(&set.Run, set.Repeats)
	var out []Prediction
	type id struct {
		model    string
		question result.Key
	}
	done := map[id]bool{}
	for _, c := range cells {
		this := id{c.Model, c.Question()}
		if !usable(c) || done[this] {
			continue
		}
		done[this] = true
		m := newModel(set, cells, c.Model, c)
		if len(m.cells) < 3 {
			continue
		}
		for _, left := range m.cells {
			out = append(out, m.leave(left)...)
		}
	}
	return out
}

// leave predicts one of the model's cells.
func (m *model) leave(c *stats.Cell) []Prediction {
	n := float64(c.Clients)
	all := m.memory
	m.learn(c)
	defer m.learn(nil)
	var out []Prediction
	add := func(what string, u stats.Unit, e estimate, s stats.Estimate) {
		if s.Value <= 0 {
			return
		}
		out = append(out, Prediction{
			Model: m.name, Asked: m.asked, Clients: c.Clients, What: what, Unit: u,
			Predicted: e.value, Measured: s.Value, Spread: s.Spread(), Outside: e.outside,
		})
	}
	cpu, ok := m.cpu.at(n, logarithmic)
	if ok {
		add("CPU per request", stats.Seconds, cpu, c.Median(stats.CPU))
	}
	if busy, ok2 := m.busy.at(n, logarithmic); ok && ok2 && cpu.value > 0 {
		x := busy.value / cpu.value
		if m.wait > 0 {
			x = math.Min(n/(m.wait+cpu.value), m.cores/cpu.value)
		}
		add("throughput", stats.PerSecond, estimate{value: x, outside: cpu.outside}, c.Median(stats.Throughput))
	}
	if memory, ok := m.memory.at(n, linear); ok {
		if measured, ok := all.at(n, linear); ok {
			add("memory", stats.Bytes, memory, stats.Estimate{Value: measured.value, Lo: measured.value, Hi: measured.value, N: 1})
		}
	}
	return out
}

// An Accuracy is how far off the predictions of one number are, as fractions of the
// measured values.
type Accuracy struct {
	What             string
	Outside          bool
	N                int
	Median, P90, Max float64
}

// Accuracies sums up predictions by the number they predict. It separates those between
// measured numbers of clients from those outside.
func Accuracies(all []Prediction) []Accuracy {
	var out []Accuracy
	for _, outside := range []bool{false, true} {
		for _, what := range []string{"CPU per request", "throughput", "memory"} {
			var errs []float64
			for _, p := range all {
				if p.What == what && p.Outside == outside {
					errs = append(errs, math.Abs(p.Error()))
				}
			}
			if len(errs) > 0 {
				out = append(out, Accuracy{what, outside, len(errs), stats.Median(errs), stats.Quantile(errs, 0.9), slices.Max(errs)})
			}
		}
	}
	return out
}
