package report

import (
	"bufio"
	"fmt"

	"github.com/tierbench/tierbench/loadtest/slo"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// objectives is the section of what the config sets the cells as bounds.
func (v *view) objectives(b *bufio.Writer) {
	rows := slo.Judge(v.run, v.cells)
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "## Objectives\n\n%s\n\n", objectivesText(rows))
	objectiveTable(rows).write(b)
	fmt.Fprintf(b, "%s\n\n", aboutObjectives)
}

const aboutObjectives = "Medians of the repeats that count; errors are of all repeats. Memory is user memory and kernel stacks of the whole process tree. " +
	"Undecided: the interval holds the bound."

// objectiveTable has a row for each objective, in bold where it is not met.
func objectiveTable(rows []slo.Row) *table {
	t := &table{}
	t.col("model", "workload", "clients>", "objective", "bound>", "measured>", "interval>", "outcome")
	for i := range rows {
		r := &rows[i]
		outcome := r.Verdict()
		if r.Outcome != slo.Met {
			outcome = "**" + outcome + "**"
		}
		t.row(r.Cell.Model, r.Cell.Asked(), r.Cell.At(), r.What, r.Bound, r.Shown, r.Interval, outcome)
	}
	return t
}

// objectivesText counts the outcomes.
func objectivesText(rows []slo.Row) string {
	s := fmt.Sprintf("%s of %s objectives are met", stats.Group(len(slo.Of(rows, slo.Met))), stats.Group(len(rows)))
	if n := len(slo.Of(rows, slo.Missed)); n > 0 {
		s += fmt.Sprintf(", %s %s missed", stats.Group(n), is(n))
	}
	if n := len(slo.Of(rows, slo.Unmeasured)); n > 0 {
		s += fmt.Sprintf(", %s could not be measured", stats.Group(n))
	}
	return s + "."
}

// objectivesTable writes the objectives that are not met, for a terminal.
func (v *view) objectivesTable(b *bufio.Writer) {
	rows := slo.Judge(v.run, v.cells)
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", objectivesText(rows))
	for i := range rows {
		if r := &rows[i]; r.Outcome != slo.Met {
			trimmed(b, fmt.Sprintf("! %-11s %s %s %s: %s, asked %s (%s)", r.What, r.Cell.Model, r.Cell.Asked(), r.Cell.At(), r.Shown, r.Bound, r.Verdict()))
		}
	}
}
