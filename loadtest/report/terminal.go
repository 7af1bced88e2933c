package report

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// tableWidth is how wide the tables for a terminal may be. Models that do not fit side by side
// continue in blocks below.
const tableWidth = 100

// Table writes the summary for a terminal.
func Table(w io.Writer, set *result.Set) error {
	b := bufio.NewWriter(w)
	v := newView(set)
	if len(v.groups) == 0 {
		fmt.Fprintln(b, "nothing was measured")
		return b.Flush()
	}
	var tables []string
	for _, t := range []*table.Table{
		v.modelTable(func(g *group) bool { return g.workload != result.Idle && !g.isOpen() }, "req/s", of(stats.ShownP99, "p99"), of(stats.CPU, "CPU/req")),
		v.modelTable(func(g *group) bool { return g.workload == result.Idle }, "growth÷N", of(stats.MemoryTotal, "total")),
	} {
		if len(t.Rows) > 0 {
			tables = append(tables, t.Text(tableWidth))
		}
	}
	for _, g := range v.groups {
		if g.isOpen() {
			tables = append(tables, v.openTable(g).Text(tableWidth))
		}
	}
	fmt.Fprintf(b, "%s\n", strings.Join(tables, "\n"))
	for _, n := range v.tableNotes() {
		fmt.Fprintln(b, n)
	}
	v.objectivesTable(b)
	return b.Flush()
}

// modelTable shows the models side by side in some of the groups: the headline of each with
// its spread, and more metrics.
func (v *view) modelTable(which func(*group) bool, headline string, more ...column) *table.Table {
	t := table.New(table.Right("clients"))
	for _, m := range v.names {
		columns := table.Right(headline, "")
		for _, c := range more {
			columns = append(columns, c.Column)
		}
		for _, c := range columns {
			c.Group = m
			t.Columns = append(t.Columns, c)
		}
	}
	for _, g := range v.groups {
		if !which(g) {
			continue
		}
		t.Section(g.title)
		for _, r := range g.rows {
			best := g.best(r)
			row := []any{r.label}
			for i, c := range r.cells {
				if instead, ok := insteadOf(c); ok {
					row = append(row, instead.Across(2+len(more)))
					continue
				}
				row = append(row, terminalCell(c, g.headline(), slices.Contains(best, i)), spread(c.Median(g.headline())))
				for _, m := range more {
					row = append(row, m.value(c))
				}
			}
			t.Row(row...)
		}
	}
	return t
}

// openTable has a row for each cell of an open loop: the rates asked for and achieved,
// response and service time, and how late the generator was.
func (v *view) openTable(g *group) *table.Table {
	t := table.New(table.Right("clients"), table.Left("model"), table.Right("asked/s", "req/s", "resp p99", "", "serv p99", "lag p99", "CPU/req"))
	t.Title = g.title
	for _, r := range g.rows {
		best := g.best(r)
		for i, c := range r.cells {
			if c == nil {
				continue
			}
			row := []any{prose.Shorten(r.label, 18), prose.Shorten(v.names[i], 17)}
			if instead, ok := insteadOf(c); ok {
				t.Row(append(row, instead.Across(7))...)
				continue
			}
			t.Row(append(row, strings.TrimSuffix(stats.PerSecond.Format(c.RateRPS), "/s"), terminalCell(c, stats.Throughput, false),
				table.Marked(value(c, stats.ShownP99), bestMark(slices.Contains(best, i))), spread(c.Median(stats.ShownP99)),
				value(c, stats.ShownServiceP99), value(c, stats.SendLag), value(c, stats.CPU))...)
		}
	}
	return t
}

// terminalCell returns a number of a cell with its marks, without the unit in the head.
func terminalCell(c *stats.Cell, m stats.Metric, best bool) table.Cell {
	cell := table.Marked(strings.TrimSuffix(value(c, m), "/s"), bestMark(best))
	if c.Verdict() == result.Suspect {
		cell = cell.Append(table.Span{Mark: table.Suspect})
	}
	return cell
}

func bestMark(best bool) table.Mark {
	if best {
		return table.Best
	}
	return 0
}

// insteadOf returns what replaces the numbers of a cell, if it has none.
func insteadOf(c *stats.Cell) (cell table.Cell, ok bool) {
	switch {
	case c == nil:
		return table.Missing, true
	case len(c.Repeats) == 0:
		return table.Text("not measured"), true
	case len(c.Counted) == 0:
		return table.Text(fmt.Sprintf("invalid (0 of %d)", len(c.Repeats))), true
	}
	return table.Cell{}, false
}

// mostNotes is how many cells have a note in the terminal. Cells with repeats that do not
// count come first, and all have one. The report has the rest.
const mostNotes = 10

// noteWidth is where long reasons are cut; a terminal wraps shorter ones.
const noteWidth = 200

func (v *view) tableNotes() []string {
	notes := []string{"* best of the row, or a tie: within 5 %, or with overlapping intervals (their ends: " + MarkdownFile + ")"}
	if v.intervals != "" {
		notes = append(notes, "± the larger half of the interval: "+v.intervals)
	}
	notes = append(notes, "CPU/req is the server's, user and system")
	if v.suspect {
		notes = append(notes, "? suspect: it counts, but something other than the server affected it")
	}
	for _, g := range v.groups {
		if g.isOpen() {
			notes = append(notes, "response time (resp) is from when a request was due, service time (serv) from when it was sent")
			break
		}
	}
	var bad, doubtful []string
	for _, c := range v.cells {
		n := "not measured"
		if len(c.Repeats) > 0 {
			n = doubts(c)
		}
		note := prose.Shorten(fmt.Sprintf("%s %s %s: %s", c.Model, c.Asked(), c.At(), n), noteWidth)
		switch {
		case n == "":
		case len(c.Counted) == len(c.Repeats) && len(c.Repeats) > 0:
			doubtful = append(doubtful, "? "+note)
		default:
			bad = append(bad, "! "+note)
		}
	}
	shown := min(len(doubtful), max(0, mostNotes-len(bad)))
	notes = append(append(notes, bad...), doubtful[:shown]...)
	for _, name := range slices.Sorted(maps.Keys(v.run.Absent)) {
		notes = append(notes, fmt.Sprintf("! %s is left out: %s", name, v.run.Absent[name]))
	}
	for _, w := range v.warnings() {
		notes = append(notes, prose.Shorten("! "+w, noteWidth))
	}
	if more := len(doubtful) - shown; more > 0 {
		notes = append(notes, fmt.Sprintf("and %d more cells with repeats that are suspect: see %s", more, MarkdownFile))
	}
	return notes
}

// doubts says how many repeats do not count and how many are suspect, with the first reason of
// each. It is empty if all are valid.
func doubts(c *stats.Cell) string {
	var out []string
	add := func(n int, is string, of func(*result.Repeat) bool) {
		if n == 0 {
			return
		}
		text := fmt.Sprintf("%d of %d repeats %s", n, len(c.Repeats), is)
		for _, r := range c.Repeats {
			if rs := reasons(r); of(r) && len(rs) > 0 {
				text += ": " + rs[0]
				break
			}
		}
		out = append(out, text)
	}
	add(len(c.Repeats)-len(c.Counted), "not counted", func(r *result.Repeat) bool { return !stats.Counts(r) })
	add(len(c.Suspects()), "suspect", func(r *result.Repeat) bool { return r.Gates.Verdict == result.Suspect })
	return strings.Join(out, "; ")
}

// reasons returns why a repeat is not valid: its failure, then the reasons of its gates.
func reasons(r *result.Repeat) []string {
	var out []string
	if r.Failure != "" {
		out = append(out, r.Failure)
	}
	for _, g := range r.Gates.Reasons {
		if g.Gate != result.GateFinished {
			out = append(out, g.Text)
		}
	}
	return out
}
