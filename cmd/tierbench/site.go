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
	Runs    []string `arg:"" optional:"" help:"The folders of the runs. Default: all runs in the folder of --results." type:"existingdir"`
	Results string   `help:"The folder with the runs." default:"results" type:"path"`
	Out     string   `help:"The folder to build the site in. A site that it already contains is replaced." default:"results/site" type:"path"`
}

// Help is an example for --help.
func (c *siteCmd) Help() string {
	return "The folder of each run contains its page, its report and its records. All links are relative, and the command checks them; " +
		"the site can be opened as a local folder, or put on any static host.\n\n" +
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
