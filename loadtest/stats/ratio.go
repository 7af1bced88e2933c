package stats

import (
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Comparison compares a model with a peer in one cell.
type Comparison struct {
	Ask  result.Ratio
	Cell *Cell // the model's
	// Suspect says that the ratio uses a suspect repeat.
	Suspect bool
	// Estimate is model ÷ peer: see RatioOf.
	Estimate
	Judgement
}

// Bounds returns the bounds of a ratio.
func Bounds(ask result.Ratio) []Bound {
	var out []Bound
	if ask.AtLeast != 0 {
		out = append(out, AtLeast(Metric{}, ask.AtLeast))
	}
	if ask.AtMost != 0 {
		out = append(out, AtMost(Metric{}, ask.AtMost))
	}
	return out
}

// Compare answers ask for each of the model's cells that it names, in order. It returns
// nothing if the model has none of them.
func Compare(cells []*Cell, ask result.Ratio) []Comparison {
	m, ok := Lookup(ask.Metric)
	if !ok {
		return nil
	}
	var out []Comparison
	for _, c := range cells {
		if c.Model != ask.Model ||
			ask.Protocol != "" && ask.Protocol != c.Protocol ||
			ask.Workload != "" && ask.Workload != c.Workload ||
			ask.AcrossSettings() && ask.Setting != c.Setting {
			continue
		}
		// A metric that the workload lacks is not a failed comparison.
		if c.Workload == result.Idle && m.Name != Memory.Name {
			continue
		}
		cmp := Comparison{Ask: ask, Cell: c}
		want := c.Key
		want.Model = ask.Peer
		if ask.AcrossSettings() {
			want.Setting = ask.PeerSetting
		}
		if p := find(cells, want); p != nil {
			cmp.Estimate = RatioOf(c, p, m)
			cmp.Suspect = c.Verdict() == result.Suspect || p.Verdict() == result.Suspect
		}
		cmp.Judgement = Judge(cmp.Estimate, Bounds(ask)...)
		out = append(out, cmp)
	}
	return out
}

func find(cells []*Cell, k result.Key) *Cell {
	for _, c := range cells {
		if c.Key == k {
			return c
		}
	}
	return nil
}

// RatioOf estimates a ÷ b as the median of the cells' pairs. Either may be nil.
func RatioOf(a, b *Cell, m Metric) Estimate { return MedianOf(Pairs(a, m, b, m)) }

// Pairs divides the metric of a by the metric by of b, repeat by repeat. Repeats of the same
// number were measured close together, so that drift of the host cancels. Pairs leaves out
// repeats that do not count on both sides, and those with a value of 0 in b.
func Pairs(a *Cell, of Metric, b *Cell, by Metric) []float64 {
	if a == nil || b == nil {
		return nil
	}
	under := map[int]float64{}
	for _, r := range b.Counted {
		if v, ok := by.Value(r); ok && v != 0 {
			under[r.Repeat] = v
		}
	}
	var out []float64
	for _, r := range a.Counted {
		v, ok := of.Value(r)
		if d, has := under[r.Repeat]; ok && has {
			out = append(out, v/d)
		}
	}
	return out
}
