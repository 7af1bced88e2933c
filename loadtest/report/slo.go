package report

import (
	"bufio"
	"fmt"

	"github.com/tierbench/tierbench/loadtest/slo"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// objectives writes the section of the objectives that the config sets.
func (v *view) objectives(b *bufio.Writer) {
	rows := slo.Judge(v.run, v.cells)
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "## Objectives\n\n%s\n\n", objectivesText(rows))
	fmt.Fprintf(b, "%s\n%s\n\n", objectiveTable(rows).Markdown(), aboutObjectives)
}

const aboutObjectives = "Medians of the repeats that count; errors are those of all repeats. Memory is the user memory and kernel stacks of the whole process tree. " +
	"Undecided: the interval includes the bound."

// objectiveTable has a row for each objective, in bold if it is not met.
func objectiveTable(rows []slo.Row) *table.Table {
	t := table.New(table.Left("model", "workload"), table.Right("clients"), table.Left("objective"), table.Right("bound", "measured", "interval"), table.Left("outcome"))
	for i := range rows {
		r := &rows[i]
		outcome := table.Text(r.Judgement.String())
		if r.Outcome != stats.Met {
			outcome = table.Marked(r.Judgement.String(), table.Strong)
		}
		t.Row(r.Cell.Model, r.Cell.Asked(), r.Cell.At(), r.What, r.Bound.String(), r.Shown(), r.Interval(), outcome)
	}
	return t
}

// objectivesText counts the outcomes.
func objectivesText(rows []slo.Row) string {
	s := fmt.Sprintf("%s of %s objectives are met", stats.Group(len(slo.Of(rows, stats.Met))), stats.Group(len(rows)))
	if n := len(slo.Of(rows, stats.Missed)); n > 0 {
		s += fmt.Sprintf(", %s %s missed", stats.Group(n), is(n))
	}
	if n := len(slo.Of(rows, stats.Unmeasured)); n > 0 {
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
	t := table.New(table.Left("", ""))
	for i := range rows {
		if r := &rows[i]; r.Outcome != stats.Met {
			t.Row("! "+r.What, fmt.Sprintf("%s %s %s: %s, asked %v (%v)", r.Cell.Model, r.Cell.Asked(), r.Cell.At(), r.Shown(), r.Bound, r.Judgement))
		}
	}
	fmt.Fprintf(b, "\n%s\n%s", objectivesText(rows), t.Text(0))
}
