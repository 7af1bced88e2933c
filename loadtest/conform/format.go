package conform

import (
	"fmt"
	"io"
	"strings"
)

// Write writes a line for each rule, and what a rule says if it fails.
func Write(w io.Writer, findings []Finding) error {
	for _, f := range findings {
		line := fmt.Sprintf("%-4s  %-6s  %-15s  %s", f.Protocol, f.Outcome, f.Rule, strings.ReplaceAll(f.Seen, "\n", "\n                                 "))
		if f.Outcome == Fail {
			line += "\n                                 the rule: " + f.Want
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
