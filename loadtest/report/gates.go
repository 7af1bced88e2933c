package report

import (
	"bufio"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

func (v *view) gates(b *bufio.Writer) {
	if len(v.cells) == 0 {
		return
	}
	fmt.Fprint(b, "## Repeats that do not count\n\n")
	if t := v.doubted(func(r *result.Repeat) bool { return !stats.Counts(r) }); len(t.Rows) == 0 {
		fmt.Fprint(b, "None.\n\n")
	} else {
		fmt.Fprintf(b, "They are kept in the record, but are in no median.\n\n%s\n", t.Markdown())
	}
	if t := v.doubted(func(r *result.Repeat) bool { return r.Gates.Verdict == result.Suspect }); len(t.Rows) > 0 {
		fmt.Fprintf(b, "## Suspect repeats\n\nTheir numbers count, but something other than the server affected them.\n\n%s\n", t.Markdown())
	}
	for _, w := range v.warnings() {
		fmt.Fprintf(b, "Warning: %s.\n\n", prose.Markdown(w))
	}
	if unchecked := v.unchecked(); len(unchecked) > 0 {
		fmt.Fprintf(b, "Not checked: %s.\n\n", prose.Markdown(strings.Join(unchecked, "; ")))
	}
}

// doubted lists repeats with their reasons.
func (v *view) doubted(which func(*result.Repeat) bool) *table.Table {
	t := table.New(table.Left("model", "workload"), table.Right("clients", "repeat"), table.Left("verdict", "reasons"))
	for _, c := range v.cells {
		for _, r := range c.Repeats {
			if which(r) {
				t.Row(c.Model, c.Asked(), c.At(), r.Repeat, cmp.Or(string(r.Gates.Verdict), "none"), lines(reasons(r)))
			}
		}
	}
	return t
}

// lines returns the items, one a line.
func lines(items []string) string {
	var out []string
	for _, s := range items {
		out = append(out, prose.Line(s))
	}
	return strings.Join(out, "\n")
}

// warnings returns the problems that do not affect the numbers, each once for each model.
func (v *view) warnings() []string {
	var out []string
	for _, c := range v.cells {
		for _, r := range c.Repeats {
			for _, w := range r.Warnings {
				first, _, _ := strings.Cut(w, "\n")
				if s := c.Model + ": " + first; !slices.Contains(out, s) {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

// unchecked returns the checks that were not made for some repeat, each once.
func (v *view) unchecked() []string {
	var notes []string
	for _, c := range v.cells {
		for _, r := range c.Repeats {
			for _, n := range r.Gates.Notes {
				if !slices.Contains(notes, n) {
					notes = append(notes, n)
				}
			}
		}
	}
	return notes
}
