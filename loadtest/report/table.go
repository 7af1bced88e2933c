package report

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// perBlock is how many models fit side by side in 100 columns.
const perBlock = 3

// Widths of the table's columns: the clients, and a model's with the space
// before them.
const (
	clientsWidth = 9
	modelWidth   = 30
)

// A layout is what a model's columns are in a group: a headline with its mark
// and spread, and two more numbers.
type layout struct {
	heads   [3]string
	metrics [3]stats.Metric
	widths  [4]int // of the headline, its spread and the other two; 0 hides one
}

func (g *group) layout() layout {
	if g.workload == result.Idle {
		return layout{
			[3]string{"B/client", "total", ""},
			[3]stats.Metric{stats.Memory, stats.MemoryTotal, stats.Threads},
			[4]int{11, 6, 13, 0},
		}
	}
	return layout{
		[3]string{"req/s", "p99", "CPU/req"},
		[3]stats.Metric{stats.Throughput, stats.P99, stats.CPU},
		[4]int{8, 6, 8, 8},
	}
}

// Table writes the summary for a terminal: no markup, 100 columns. More than
// three models continue in further blocks below.
func Table(w io.Writer, set *result.Set) error {
	b := bufio.NewWriter(w)
	v := newView(set)
	if len(v.groups) == 0 {
		fmt.Fprintln(b, "nothing was measured")
		return b.Flush()
	}
	for first := 0; first < len(v.names); first += perBlock {
		last := min(first+perBlock, len(v.names))
		if first > 0 {
			b.WriteByte('\n')
		}
		line := left("", clientsWidth)
		for _, m := range v.names[first:last] {
			line += "   " + pad(clip(m, modelWidth-4), modelWidth-3)
		}
		trimmed(b, line)
		for i, g := range v.groups {
			if i > 0 {
				b.WriteByte('\n')
			}
			g.block(b, first, last)
		}
	}
	b.WriteByte('\n')
	for _, n := range v.tableNotes() {
		trimmed(b, n)
	}
	return b.Flush()
}

// block writes the group's rows for the models from first to before last.
func (g *group) block(b *bufio.Writer, first, last int) {
	l := g.layout()
	trimmed(b, g.title)
	line := left("clients", clientsWidth)
	for range last - first {
		line += left(l.heads[0]+" ", l.widths[0]) + left("", l.widths[1]) + left(l.heads[1], l.widths[2]) + left(l.heads[2], l.widths[3])
	}
	trimmed(b, line)
	for _, r := range g.rows {
		best := g.best(r)
		line := left(r.label(), clientsWidth)
		for i := first; i < last; i++ {
			line += pad(l.cell(r.cells[i], g.headline(), slices.Contains(best, i)), modelWidth)
		}
		trimmed(b, line)
	}
}

func (l layout) cell(c *stats.Cell, head stats.Metric, best bool) string {
	if text := cellText(c); text != "" {
		return "   " + text
	}
	var f [3]string
	for i, m := range l.metrics {
		f[i] = strings.TrimSuffix(value(c, m), "/s")
		switch {
		case best && m.Name == head.Name:
			f[i] += "*"
		case i == 0:
			f[i] += " "
		}
	}
	text := left(f[0], l.widths[0]) + left(spread(c.Summary(l.metrics[0])), l.widths[1]) + left(f[1], l.widths[2])
	if w := l.widths[3]; w > 0 {
		text += left(f[2], w)
	}
	return text
}

func trimmed(b *bufio.Writer, line string) { fmt.Fprintln(b, strings.TrimRight(line, " ")) }

// cellText is what stands in place of numbers, or "" where there are some.
func cellText(c *stats.Cell) string {
	switch {
	case c == nil:
		return "-"
	case len(c.Repeats) == 0:
		return "not measured"
	case len(c.Valid) == 0:
		return fmt.Sprintf("invalid (0 of %d)", len(c.Repeats))
	}
	return ""
}

// mostNotes is how many cells the terminal is told of; the report has all.
const mostNotes = 10

// noteWidth cuts a reason that goes on and on; a terminal wraps what is less.
const noteWidth = 200

func (v *view) tableNotes() []string {
	notes := []string{"* best of the row, or tied with it: within 5 %, or intervals that overlap (their ends: " + MarkdownFile + ")"}
	if v.intervals != "" {
		notes = append(notes, "± the larger half of the interval: "+v.intervals)
	}
	notes = append(notes, "CPU/req is the server's, user and system")
	more := 0
	for _, c := range v.cells {
		if len(c.Valid) == len(c.Repeats) && len(c.Repeats) > 0 {
			continue
		}
		if more++; more > mostNotes {
			continue
		}
		n := fmt.Sprintf("%d of %d repeats valid", len(c.Valid), len(c.Repeats))
		if len(c.Repeats) == 0 {
			n = "not measured"
		} else if why := firstReason(c); why != "" {
			n += ": " + why
		}
		notes = append(notes, clip(fmt.Sprintf("! %s %s %s: %s", c.Model, c.Asked(), stats.Group(c.Clients), n), noteWidth))
	}
	for _, name := range slices.Sorted(maps.Keys(v.run.Absent)) {
		notes = append(notes, fmt.Sprintf("! %s is left out: %s", name, v.run.Absent[name]))
	}
	for _, w := range v.warnings() {
		notes = append(notes, clip("! "+w, noteWidth))
	}
	if more > mostNotes {
		notes = append(notes, fmt.Sprintf("! and %d more cells with repeats that do not count: see %s", more-mostNotes, MarkdownFile))
	}
	return notes
}

// firstReason is why the first repeat that does not count does not.
func firstReason(c *stats.Cell) string {
	for _, r := range c.Repeats {
		if r.Gates.Verdict != result.Valid {
			if rs := reasons(r); len(rs) > 0 {
				return rs[0]
			}
		}
	}
	return ""
}

// reasons are why a repeat does not count: its failure, then its gates'.
func reasons(r *result.Repeat) []string {
	var out []string
	if r.Failure != "" {
		out = append(out, r.Failure)
	}
	for _, g := range r.Gates.Reasons {
		if g != r.Failure {
			out = append(out, g)
		}
	}
	return out
}

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s))) }
func left(s string, n int) string {
	return strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s))) + s
}

// clip shortens s to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
