package chart

import (
	"math"
	"slices"

	"github.com/tierbench/tierbench/loadtest/stats"
)

var faultsChart = Chart{
	Name: "faults", Title: "Throughput around a fault",
	note:  "requests answered in each slice of the measured window; the vertical line is when the fault was injected, the shade how long it lasted · higher is better",
	build: faults,
}

// An event happened in a panel whose axis is time.
type event struct {
	from, to float64 // equal if it lasted no time
	name     string
}

// faults draws throughput around a fault, slice by slice.
func faults(f *Figure, src *Source) {
	first := len(f.rows)
	lines(f, src, stats.PerSecond, func(c *stats.Cell) []point {
		var each [][]float64 // by slice
		width := 0.0
		for _, r := range c.Counted {
			if r.Fault == nil || r.Fault.SliceSec <= 0 {
				continue
			}
			width = r.Fault.SliceSec
			for i, v := range r.Fault.RPS {
				for len(each) <= i {
					each = append(each, nil)
				}
				each[i] = append(each[i], v)
			}
		}
		if len(each) < 2 {
			return nil
		}
		var out []point
		for i, vs := range each {
			out = append(out, point{(float64(i) + 0.5) * width, stats.MedianOf(vs), c})
		}
		return out
	}, secondAxis)
	for _, r := range f.rows[first:] {
		for i := range r.panels {
			r.panels[i].events = eventsOf(r.panels[i].series)
		}
	}
}

// eventsOf returns the faults of the cells, each once, at the median of its times.
func eventsOf(all []series) []event {
	var kinds []string
	from, to := map[string][]float64{}, map[string][]float64{}
	for _, s := range all {
		for _, r := range s.cell.Counted {
			if r.Fault == nil {
				continue
			}
			k := r.Fault.Kind
			if !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
			from[k] = append(from[k], r.Fault.AtSec)
			to[k] = append(to[k], math.Max(r.Fault.AtSec, r.Fault.EndSec))
		}
	}
	var out []event
	for _, k := range kinds {
		out = append(out, event{stats.MedianOf(from[k]).Value, stats.MedianOf(to[k]).Value, k})
	}
	return out
}
