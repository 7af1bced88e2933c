package report

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// histograms returns one for each repeat of a cell that counts: of response times
// where the loop is open, else of service times. A repeat that has none is left out.
func histograms(all *result.Histograms, c *stats.Cell) ([]*hdrhistogram.Histogram, error) {
	var out []*hdrhistogram.Histogram
	for _, r := range c.Counted {
		clock := result.ServiceClock
		if r.Loop == result.Open {
			clock = result.ResponseClock
		}
		h, err := all.Of(r.Key, r.Repeat, clock)
		if err != nil {
			return nil, err
		}
		if h != nil {
			out = append(out, h)
		}
	}
	return out, nil
}
