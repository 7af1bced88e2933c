package report

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

func (v *view) summary(b *bufio.Writer) {
	if len(v.groups) == 0 {
		fmt.Fprint(b, "Nothing was measured.\n\n")
		return
	}
	fmt.Fprint(b, "## Summary\n\n")
	var notes table.Notes
	var load, open, idle []*group
	for _, g := range v.groups {
		switch {
		case g.workload == result.Idle:
			idle = append(idle, g)
		case g.isOpen():
			open = append(open, g)
		default:
			load = append(load, g)
		}
	}
	for _, gs := range [][]*group{load, open, idle} {
		if len(gs) > 0 {
			v.summaryTable(b, gs, &notes)
		}
	}
	fmt.Fprintf(b, "Bold marks the best of the row and its ties: values within 5 %% of the best, or with an overlapping interval. %s\n\n", v.spreads())
	if len(notes) > 0 {
		fmt.Fprintf(b, "%s\n", notes.Markdown())
	}
}

// spreads says what the numbers after ± mean.
func (v *view) spreads() string {
	if v.intervals == "" {
		return "No cell has two repeats that count, so the spread is unknown."
	}
	return "± is the larger half of the interval, which is the " + v.intervals + "."
}

func (v *view) summaryTable(b *bufio.Writer, gs []*group, notes *table.Notes) {
	t := table.New(table.Left(""), table.Right("clients"), table.Right(v.names...), table.Left("best"))
	t.Notes = notes
	for _, g := range gs {
		for _, r := range g.rows {
			best := g.best(r)
			row := []any{g.title, r.label}
			for i, c := range r.cells {
				row = append(row, summaryCell(c, gs[0], slices.Contains(best, i)))
			}
			var names []string
			for _, i := range best {
				names = append(names, v.names[i])
			}
			switch len(best) {
			case 0:
				row = append(row, table.Missing)
			case 1:
				row = append(row, names[0])
			default:
				row = append(row, "tie: "+strings.Join(names, ", "))
			}
			t.Row(row...)
		}
	}
	what := "Throughput with its interval and the server's CPU time per request, user and system; below them p99 latency."
	switch {
	case gs[0].workload == result.Idle:
		what = "Growth of user memory ÷ idle clients with its interval; below it total user memory and kernel stacks, and threads."
	case gs[0].isOpen():
		what = "p99 of the response time with its interval and, after the bar, of the service time; below them the rate achieved and the server's CPU time per request."
	}
	fmt.Fprintf(b, "%s Medians of the repeats that count.\n\n%s\n", what, t.Markdown())
}

func summaryCell(c *stats.Cell, g *group, best bool) table.Cell {
	switch {
	case c == nil:
		return table.Missing
	case len(c.Repeats) == 0:
		return table.Text("not measured")
	case len(c.Counted) == 0:
		return table.Text("invalid").Note(doubts(c))
	}
	head := g.headline()
	cell := table.Text(value(c, head))
	if best && c.Median(head).N > 0 {
		cell = table.Marked(value(c, head), table.Best)
	}
	if sp := spread(c.Median(head)); sp != "" {
		cell = cell.Add(" " + sp)
	}
	if c.Verdict() == result.Suspect {
		cell = cell.Append(table.Span{Mark: table.Suspect})
	}
	cell = cell.Note(doubts(c))
	switch {
	case g.workload == result.Idle:
		return cell.Add("\n" + value(c, stats.MemoryTotal) + " · " + value(c, stats.Threads))
	case g.isOpen():
		return cell.Add(" | " + value(c, stats.ShownServiceP99) + "\n" + value(c, stats.Throughput) + " · " + value(c, stats.CPU))
	}
	return cell.Add(" · " + value(c, stats.CPU) + "\n" + value(c, stats.ShownP99))
}
