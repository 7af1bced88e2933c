package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// histograms reads the logs of a cell's repeats that count, a histogram for
// each: of response times where the loop is open, else of service times. A
// repeat without a log is left out.
func histograms(dir string, c *stats.Cell) ([]*hdrhistogram.Histogram, error) {
	var out []*hdrhistogram.Histogram
	for _, r := range c.Counted {
		name := filepath.Join(dir, result.HDRDir, result.HDRFile(r.Key, r.Repeat))
		h, err := readHDR(name, r.Loop == result.Open)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if h != nil {
			out = append(out, h)
		}
	}
	return out, nil
}

// readHDR sums the intervals of a log; nil if there are none of the kind.
func readHDR(name string, response bool) (*hdrhistogram.Histogram, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var sum *hdrhistogram.Histogram
	log := hdrhistogram.NewHistogramLogReader(f)
	for {
		h, err := log.NextIntervalHistogram()
		if err != nil {
			return nil, err
		}
		if h == nil {
			return sum, nil
		}
		if (h.Tag() == result.ResponseTag) != response || h.TotalCount() == 0 {
			continue
		}
		if sum == nil {
			sum = h
		} else {
			sum.Merge(h)
		}
	}
}
