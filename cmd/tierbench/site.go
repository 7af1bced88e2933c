package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/ledger"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/site"
)

type siteCmd struct {
	Runs    []string `arg:"" optional:"" help:"The folders of the runs. By default all in the folder of results." type:"existingdir"`
	Results string   `help:"The folder with the runs." default:"results" type:"path"`
	Out     string   `help:"Where to build it, in place of the site that is there." default:"results/site" type:"path"`
}

// Help is an example for --help.
func (c *siteCmd) Help() string {
	return "Each run's page has its report and its records beside it. All links are relative and are followed before the command ends; " +
		"the folder can be opened as it is, or put on any static host.\n\n" +
		"Examples:\n\n" +
		"    tierbench site\n\n" +
		"    tierbench site results/RUN results/ANOTHER --out public"
}

func (c *siteCmd) Run(e *env) error {
	dirs := c.Runs
	if len(dirs) == 0 {
		var err error
		if dirs, err = result.Runs(c.Results); err != nil {
			return usageError(err)
		}
	}
	s := site.Site{Claims: ledger.OnSite}
	for _, dir := range dirs {
		set, err := result.Load(dir)
		if err != nil {
			return usageError(err)
		}
		s.Runs = append(s.Runs, set)
	}
	if err := s.Build(c.Out); err != nil {
		if errors.Is(err, site.ErrNotASite) || errors.Is(err, site.ErrID) {
			return usageError(err)
		}
		return err
	}
	fmt.Fprintf(e.out, "%d runs: %s\n", len(s.Runs), harness.Relative(filepath.Join(c.Out, site.IndexFile)))
	return nil
}
