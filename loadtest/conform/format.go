package conform

import (
	"io"

	"github.com/tierbench/tierbench/loadtest/table"
)

// Write writes a line for each rule. If a rule fails, the text of the rule follows.
func Write(w io.Writer, findings []Finding) error {
	t := table.New(table.Left("", "", "", ""))
	for _, f := range findings {
		seen := f.Seen
		if f.Outcome == Fail {
			seen += "\nthe rule: " + f.Want
		}
		t.Row(f.Protocol, f.Outcome, f.Rule, seen)
	}
	_, err := io.WriteString(w, t.Text(0))
	return err
}
