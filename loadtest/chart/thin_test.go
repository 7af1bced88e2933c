package chart

import (
	"testing"

	"github.com/tierbench/tierbench/loadtest/stats"
)

func TestThin(t *testing.T) {
	p := panel{x: axis{log: true, min: 1, max: 1e4, ticks: []float64{1000}}, y: axis{log: true, min: 1, max: 1e4}}
	at := func(x, y, hi float64) point {
		return point{x: x, Estimate: stats.Estimate{Value: y, Lo: y, Hi: hi, N: 1, Method: stats.Range}}
	}
	for _, tt := range []struct {
		why    string
		points []point
		want   []float64
	}{
		{"none", nil, nil},
		{"on a line of the logarithms", []point{at(1, 2, 2), at(10, 20, 20), at(100, 200, 200)}, []float64{1, 100}},
		{"a corner", []point{at(1, 1, 1), at(10, 1, 1), at(20, 1, 1), at(100, 10, 10)}, []float64{1, 20, 100}},
		{"a corner of the band", []point{at(1, 1, 1), at(10, 1, 3), at(100, 1, 1)}, []float64{1, 10, 100}},
		{"less than a pixel", []point{at(1, 100, 100), at(10, 100.5, 101), at(100, 100, 100)}, []float64{1, 100}},
		{"a tick with a name", []point{at(10, 1, 1), at(100, 1, 1), at(1000, 1, 1), at(2000, 1, 1)}, []float64{10, 1000, 2000}},
		{"a gap stays", []point{at(1, 1, 1), {x: 10}, at(100, 1, 1)}, []float64{1, 10, 100}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got := p.thin(tt.points)
			same := len(got) == len(tt.want)
			for i := range got {
				same = same && got[i].x == tt.want[i]
			}
			if !same {
				t.Errorf("left %v, want those at %v", got, tt.want)
			}
		})
	}
}
