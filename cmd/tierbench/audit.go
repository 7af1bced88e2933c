package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/tierbench/tierbench/loadtest/audit"
)

type auditCmd struct {
	File string `arg:"" help:"A CSV file. Its first line names the columns; clients, throughput and mean (latency) are needed." type:"existingfile"`
}

// Help is an example for --help.
func (c *auditCmd) Help() string {
	return "Checks whether the numbers of a published table are consistent with each other.\n\n" +
		"Columns: " + strings.Join(audit.Needed, ", ") + "; checked if present: " + strings.Join(audit.Also, ", ") + ".\n" +
		"A unit may follow a name, as in mean_ms or \"Latency (us)\"; without a unit, times are in seconds.\n\n" +
		"Example:\n\n    tierbench audit table.csv"
}

func (c *auditCmd) Run(e *env) error {
	f, err := os.Open(c.File)
	if err != nil {
		return usageError(err)
	}
	defer f.Close()
	rows, err := audit.Read(c.File, f)
	if err != nil {
		return usageError(err)
	}
	wrong, err := audit.Write(e.out, rows)
	if err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d rows are not consistent", wrong, len(rows))
	}
	return nil
}
