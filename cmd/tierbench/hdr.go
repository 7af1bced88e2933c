package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/result"
)

// ticksPerHalfDistance is how many percentiles are printed each time the distance
// to 100 % halves. It is the default of HdrHistogram's own tools.
const ticksPerHalfDistance = 5

type hdrCmd struct {
	Run_ string   `arg:"" name:"results" help:"The folder of a run, such as results/latest." type:"existingdir"`
	Tags []string `arg:"" optional:"" name:"tag" help:"What to print; without one, the tags are listed. The latencies of several are added up."`
}

// Help is an example for --help.
func (c *hdrCmd) Help() string {
	return "The distribution is in milliseconds, in the format that https://hdrhistogram.github.io/HdrHistogram/plotFiles.html draws.\n\n" +
		"Examples:\n\n" +
		"    tierbench hdr results/latest\n\n" +
		"    tierbench hdr results/latest thread/http/plaintext/100/closed/1/service >thread.txt"
}

func (c *hdrCmd) Run(e *env) error {
	set, err := result.Load(c.Run_)
	if err != nil {
		return mistake{err}
	}
	all, err := result.ReadHistograms(c.Run_)
	if err != nil {
		return mistake{err}
	}
	found := map[string]bool{}
	var total *hdrhistogram.Histogram
	for _, r := range set.Repeats {
		for _, clock := range []string{result.ServiceClock, result.ResponseClock} {
			tag := result.Tag(r.Key, r.Repeat, clock)
			if len(c.Tags) > 0 && !slices.Contains(c.Tags, tag) {
				continue
			}
			h, err := all.Of(r.Key, r.Repeat, clock)
			switch {
			case err != nil:
				return err
			case h == nil: // no client waited for an answer, or another program measured it
			case len(c.Tags) == 0:
				fmt.Fprintln(e.out, tag)
			case total == nil:
				total = h
			default:
				total.Merge(h)
			}
			found[tag] = h != nil
		}
	}
	for _, tag := range c.Tags {
		if !found[tag] {
			return mistake{fmt.Errorf("no histogram has the tag %q; tierbench hdr %s lists those there are", tag, harness.Relative(c.Run_))}
		}
	}
	if total == nil {
		return nil
	}
	if _, err := total.PercentilesPrint(e.out, ticksPerHalfDistance, float64(time.Millisecond)); err != nil {
		return fmt.Errorf("write distribution: %w", err)
	}
	return nil
}
