package wrk

import (
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A value is a latency and its weight.
type value struct {
	latency time.Duration
	weight  float64
}

// spread records n values in proportion to their weights. The rounding error of one value
// is carried over to the next, so that exactly n are recorded.
func spread(h *hdrhistogram.Histogram, values []value, n float64) error {
	var total, seen float64
	for _, v := range values {
		if !(v.weight >= 0) || v.latency < 0 {
			return fmt.Errorf("%v values of %v", v.weight, v.latency)
		}
		total += v.weight
	}
	if total == 0 || math.IsInf(total, 0) || !(n >= 0 && n < 1<<53) {
		return fmt.Errorf("%v requests in %d values", n, len(values))
	}
	var given int64
	for _, v := range values {
		seen += v.weight
		k := int64(math.Round(seen/total*n)) - given
		given += k
		if k == 0 {
			continue
		}
		if err := h.RecordValues(int64(v.latency), k); err != nil {
			return err
		}
	}
	return nil
}

// A point says how many values are at most a latency, as a count or as a fraction.
type point struct {
	latency time.Duration
	upTo    float64
}

// between assigns half of the values between two points to each of the two. So the
// percentiles at the points stay exact, and the mean is an estimate.
func between(points []point) []value {
	values := make([]value, len(points))
	before := 0.0
	for i, p := range points {
		values[i].latency = p.latency
		if n := p.upTo - before; i == 0 {
			values[i].weight = n
		} else {
			values[i-1].weight += n / 2
			values[i].weight += n / 2
		}
		before = p.upTo
	}
	return values
}
