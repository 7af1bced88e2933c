package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/tierbench/tierbench/loadtest/claims"
	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/ledger"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/slo"
	"github.com/tierbench/tierbench/loadtest/stats"
)

type reportCmd struct {
	Run_ string `arg:"" name:"results" help:"The folder of a run, such as results/latest." type:"existingdir"`
	CSV  bool   `name:"csv" help:"Print every cell as CSV instead of writing the report."`
}

// Help is an example for --help.
func (c *reportCmd) Help() string {
	return "Examples:\n\n" +
		"    tierbench report results/latest\n\n" +
		"    tierbench report results/latest --csv >cells.csv"
}

func (c *reportCmd) Run(e *env) error {
	set, err := result.Load(c.Run_)
	if err != nil {
		return usageError(err)
	}
	if c.CSV {
		if err := report.CSV(e.out, set); err != nil {
			return fmt.Errorf("write CSV: %w", err)
		}
		return nil
	}
	var missing errCells
	var missed errSLO
	if err := writeReport(e, set); !errors.As(err, &missing) && !errors.As(err, &missed) {
		return err
	}
	return nil // the report was written, and shows what is missing
}

// writeReport writes the report of a run and prints its table. It fails if a cell has no
// valid repeat or an objective is missed.
func writeReport(e *env, set *result.Set) error {
	// A run for another purpose may happen to contain a cell of a claim.
	verdicts := claims.Evaluate(set)
	var links []report.Link
	if verdicts.Tells() {
		links = []report.Link{{Name: "What it says of the claims", Href: ledger.HTMLFile}}
	}
	if err := report.WriteWithin(set.Dir, set, links); err != nil {
		return err
	}
	if err := report.Table(e.out, set); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "\nreport: %s, and %s in the same folder; charts, as SVG and PNG: %s\n",
		harness.Relative(filepath.Join(set.Dir, report.HTMLFile)), report.MarkdownFile, harness.Relative(filepath.Join(set.Dir, result.ChartsDir)))
	if verdicts.Tells() {
		if err := ledger.Write(set, verdicts); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "claims: %s, or tierbench claims %s\n", harness.Relative(filepath.Join(set.Dir, ledger.HTMLFile)), harness.Relative(set.Dir))
	}
	var err error
	if missing := report.WithoutValid(set); len(missing) > 0 {
		err = errCells(missing)
	}
	if n := len(slo.Of(slo.Judge(&set.Run, stats.Cells(&set.Run, set.Repeats)), stats.Missed)); n > 0 {
		err = errors.Join(errSLO(n), err)
	}
	return err
}

// errCells are the cells of a complete run that have no valid repeat.
type errCells []result.Key

func (e errCells) Error() string {
	names := make([]string, len(e))
	for i, k := range e {
		names[i] = k.String()
	}
	return fmt.Sprintf("%d cells have no valid repeat:\n  %s", len(e), strings.Join(names, "\n  "))
}

// errSLO is the number of missed objectives. The table shows which.
type errSLO int

func (e errSLO) Error() string {
	if e == 1 {
		return "1 objective is missed"
	}
	return fmt.Sprintf("%d objectives are missed", int(e))
}
