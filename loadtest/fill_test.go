package loadtest

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		reason     string
		increments int64
		readings   map[int]int64
		want       *result.Count
	}{
		{"nobody said", 5, nil, nil},
		{"one process", 5, map[int]int64{1: 5}, &result.Count{Increments: 5, Value: 5}},
		{"processes that share one", 5, map[int]int64{1: 5, 2: 5, 3: 5}, &result.Count{Increments: 5, Value: 5}},
		{"processes that share one that lost some", 5, map[int]int64{1: 4, 2: 4}, &result.Count{Increments: 5, Value: 4}},
		{"each its own", 5, map[int]int64{1: 3, 2: 2}, &result.Count{Increments: 5, Value: 3, Values: []int64{2, 3}}},
		{"each its own, as many by chance", 6, map[int]int64{1: 3, 2: 3}, &result.Count{Increments: 6, Value: 3, Values: []int64{3, 3}}},
	} {
		if diff := cmp.Diff(tt.want, count(&load.Window{Increments: tt.increments, Readings: tt.readings})); diff != "" {
			t.Errorf("%s: %s", tt.reason, diff)
		}
	}
}

func TestDrift(t *testing.T) {
	for _, tt := range []struct {
		reason         string
		slices         []int64
		change, stdErr float64
	}{
		{"nothing", nil, 0, 0},
		{"no answers", []int64{0, 0, 0, 0}, 0, 0},
		{"the same throughout", []int64{5, 5, 5, 5}, 0, 0},
		{"from 1 to 3 in a line", []int64{10, 20, 30}, 1.5, 0},
		{"a zigzag", []int64{10, 20, 10, 20, 10, 20, 10, 20, 10, 20}, 0.202, 0.404},
	} {
		if d := drift(tt.slices); d.Slices != len(tt.slices) || math.Abs(d.Change-tt.change) > 1e-3 || math.Abs(d.StdErr-tt.stdErr) > 1e-3 {
			t.Errorf("%s: %+v, want %g ± %g", tt.reason, d, tt.change, tt.stdErr)
		}
	}
}

func TestStalls(t *testing.T) {
	repeat := func(n int, values ...int64) []int64 { return slices.Repeat(values, n) }
	for _, tt := range []struct {
		reason string
		slices []int64
		stall  time.Duration
		slow   float64
	}{
		{"nothing", nil, 0, 0},
		{"steady", repeat(40, 100), 0, 0},
		{"one second of five", slices.Concat(repeat(40, 100), repeat(20, 0), repeat(40, 100)), time.Second, 0.2},
		{"at the end", slices.Concat(repeat(30, 100), repeat(10, 0)), 500 * time.Millisecond, 0.25},
		{"the longest of several", slices.Concat(repeat(3, 0), repeat(9, 5), repeat(2, 0)), 150 * time.Millisecond, 5. / 14},
		{"slow in the middle", slices.Concat(repeat(7, 100), repeat(6, 49), repeat(7, 100)), 0, 0.3},
		{"half is not slow", slices.Concat(repeat(7, 100), repeat(6, 50), repeat(7, 100)), 0, 0},
		{"nothing was answered", repeat(4, 0), 200 * time.Millisecond, 0},
	} {
		if d, share := stall(tt.slices), slow(tt.slices); d != tt.stall || share != tt.slow {
			t.Errorf("%s: %v and %v, want %v and %v", tt.reason, d, share, tt.stall, tt.slow)
		}
	}
}
