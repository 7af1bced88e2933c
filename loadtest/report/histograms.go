package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// histograms returns one for each repeat of a cell that counts: of response times in an open
// loop, of service times in a closed one. It leaves out repeats without a histogram.
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

// ticksPerHalfDistance is how many percentiles are printed each time the distance
// to 100 % halves. It is the default of HdrHistogram's own tools.
const ticksPerHalfDistance = 5

// ErrTag says that a run has no histogram of a tag.
var ErrTag = errors.New("no histogram has the tag")

// Distribution writes the percentiles, in milliseconds, of all histograms of a run
// that have one of the tags, added up, in the format of HdrHistogram's plotter. Without tags
// it lists the tags of the run.
func Distribution(w io.Writer, set *result.Set, all *result.Histograms, tags []string) error {
	found := map[string]bool{}
	var total *hdrhistogram.Histogram
	for _, r := range set.Repeats {
		for _, clock := range []string{result.ServiceClock, result.ResponseClock} {
			tag := result.Tag(r.Key, r.Repeat, clock)
			if len(tags) > 0 && !slices.Contains(tags, tag) {
				continue
			}
			h, err := all.Of(r.Key, r.Repeat, clock)
			switch {
			case err != nil:
				return err
			case h == nil: // no client waited for an answer, or another program measured it
			case len(tags) == 0:
				fmt.Fprintln(w, tag)
			case total == nil:
				total = h
			default:
				total.Merge(h)
			}
			found[tag] = h != nil
		}
	}
	for _, tag := range tags {
		if !found[tag] {
			return fmt.Errorf("%w %q", ErrTag, tag)
		}
	}
	if total == nil {
		return nil
	}
	if _, err := total.PercentilesPrint(w, ticksPerHalfDistance, float64(time.Millisecond)); err != nil {
		return fmt.Errorf("write distribution: %w", err)
	}
	return nil
}
