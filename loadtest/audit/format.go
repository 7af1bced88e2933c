package audit

import (
	"fmt"
	"io"
	"math"

	"github.com/tierbench/tierbench/loadtest/table"
)

// Write writes a line for each row, followed by its failed and skipped checks. It returns
// the number of rows with a failed check.
func Write(w io.Writer, rows []Row) (wrong int, err error) {
	t := table.New(table.Left("", ""), table.Right(""), table.Left(""))
	for _, r := range rows {
		outcome := "holds"
		switch {
		case len(r.Wrong) > 0:
			outcome = "does not hold"
			wrong++
		case len(r.Skipped) > 0:
			outcome = "not checked"
		}
		residual := ""
		if !math.IsNaN(r.Residual) {
			residual = fmt.Sprintf("%+.1f %%", 100*r.Residual)
		}
		t.Row(fmt.Sprintf("line %d", r.Line), outcome, residual, r.Label)
		for _, note := range append(r.Wrong, r.Skipped...) {
			t.Row("", table.Text(note).Across(3))
		}
	}
	_, err = fmt.Fprint(w, t.Text(0))
	return wrong, err
}
