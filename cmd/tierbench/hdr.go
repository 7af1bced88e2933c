package main

import (
	"errors"
	"fmt"

	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/result"
)

type hdrCmd struct {
	Run_ string   `arg:"" name:"results" help:"The folder of a run, such as results/latest." type:"existingdir"`
	Tags []string `arg:"" optional:"" name:"tag" help:"The repeat to print, by its tag; several are added up. Without a tag, the tags are listed."`
}

// Help is an example for --help.
func (c *hdrCmd) Help() string {
	return "The distribution is in milliseconds, in the format of https://hdrhistogram.github.io/HdrHistogram/plotFiles.html.\n\n" +
		"Examples:\n\n" +
		"    tierbench hdr results/latest\n\n" +
		"    tierbench hdr results/latest thread/http/plaintext/100/closed/1/service >thread.txt"
}

func (c *hdrCmd) Run(e *env) error {
	set, err := result.Load(c.Run_)
	if err != nil {
		return usageError(err)
	}
	all, err := result.ReadHistograms(c.Run_)
	if err != nil {
		return usageError(err)
	}
	err = report.Distribution(e.out, set, all, c.Tags)
	if errors.Is(err, report.ErrTag) {
		return usageError(fmt.Errorf("%w; tierbench hdr %s lists the tags", err, harness.Relative(c.Run_)))
	}
	return err
}
