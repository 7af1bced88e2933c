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
	marks   bool   // some cell is suspect, and marked so
}

func (g *group) layout() layout {
	if g.workload == result.Idle {
		return layout{
			heads:   [3]string{"B/client", "total", ""},
			metrics: [3]stats.Metric{stats.Memory, stats.MemoryTotal, stats.Threads},
			widths:  [4]int{11, 6, 13, 0},
		}
	}
	return layout{
		heads:   [3]string{"req/s", "p99", "CPU/req"},
		metrics: [3]stats.Metric{stats.Throughput, stats.P99, stats.CPU},
		widths:  [4]int{8, 6, 8, 8},
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
	var compared []*group
	for _, g := range v.groups {
		if !g.isOpen() {
			compared = append(compared, g)
		}
	}
	for first := 0; first < len(v.names) && len(compared) > 0; first += perBlock {
		last := min(first+perBlock, len(v.names))
		if first > 0 {
			b.WriteByte('\n')
		}
		line := left("", clientsWidth)
		for _, m := range v.names[first:last] {
			line += "   " + pad(clip(m, modelWidth-4), modelWidth-3)
		}
		trimmed(b, line)
		lines := 0
		for _, g := range compared {
			if !g.has(first, last) {
				continue
			}
			if lines++; lines > 1 {
				b.WriteByte('\n')
			}
			v.block(b, g, first, last)
		}
	}
	for i, g := range v.groups {
		if g.isOpen() {
			if i > 0 {
				b.WriteByte('\n')
			}
			v.openBlock(b, g)
		}
	}
	b.WriteByte('\n')
	for _, n := range v.tableNotes() {
		trimmed(b, n)
	}
	v.objectivesTable(b)
	return b.Flush()
}

// openBlock writes a line for each cell of an open loop: what was asked and
// achieved, response and service time, and how late the generator was.
func (v *view) openBlock(b *bufio.Writer, g *group) {
	trimmed(b, g.title)
	const widths = "%18s %-17s %8s %8s %9s %6s %9s %9s %8s"
	fmt.Fprintf(b, widths+"\n", "clients", "model", "asked/s", "req/s"+suspectMark(&stats.Cell{}, v.suspect), "resp p99 ", "", "serv p99", "lag p99", "CPU/req")
	for _, r := range g.rows {
		best := g.best(r)
		for i, c := range r.cells {
			if c == nil {
				continue
			}
			label := clip(r.label, 18)
			if text := cellText(c); text != "" {
				trimmed(b, fmt.Sprintf("%18s %-17s %s", label, clip(v.names[i], 17), text))
				continue
			}
			p99 := value(c, stats.P99) + " "
			if slices.Contains(best, i) {
				p99 = value(c, stats.P99) + "*"
			}
			trimmed(b, fmt.Sprintf(widths, label, clip(v.names[i], 17), strings.TrimSuffix(stats.PerSecond.Format(c.RateRPS), "/s"),
				strings.TrimSuffix(value(c, stats.Throughput), "/s")+suspectMark(c, v.suspect), p99, spread(c.Median(stats.P99)),
				value(c, stats.ServiceP99), value(c, stats.SendLag), value(c, stats.CPU)))
		}
	}
}

// suspectMark stands behind a value of a suspect cell; where there are such,
// the other cells have a space there.
func suspectMark(c *stats.Cell, any bool) string {
	switch {
	case !any:
		return ""
	case c.Verdict() == result.Suspect:
		return "?"
	}
	return " "
}

// has tells whether the group has a cell of the models from first to before last.
func (g *group) has(first, last int) bool {
	return slices.ContainsFunc(g.rows, func(r row) bool {
		return slices.ContainsFunc(r.cells[first:last], func(c *stats.Cell) bool { return c != nil })
	})
}

// block writes the group's rows for the models from first to before last.
func (v *view) block(b *bufio.Writer, g *group, first, last int) {
	l := g.layout()
	l.marks = v.suspect
	trimmed(b, g.title)
	line := left("clients", clientsWidth)
	marks := 0
	if l.marks {
		marks = 1
	}
	for range last - first {
		line += left(l.heads[0]+pad(" ", 1+marks), l.widths[0]) + left("", l.widths[1]) + left(l.heads[1], l.widths[2]) + left(l.heads[2], l.widths[3])
	}
	trimmed(b, line)
	for _, r := range g.rows {
		if !slices.ContainsFunc(r.cells[first:last], func(c *stats.Cell) bool { return c != nil }) {
			continue
		}
		best := g.best(r)
		line := left(r.label, clientsWidth)
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
	f[0] += suspectMark(c, l.marks)
	text := left(f[0], l.widths[0]) + left(spread(c.Median(l.metrics[0])), l.widths[1]) + left(f[1], l.widths[2])
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
	case len(c.Counted) == 0:
		return fmt.Sprintf("invalid (0 of %d)", len(c.Repeats))
	}
	return ""
}

// mostNotes is how many cells the terminal is told of, but for those of which
// something does not count: they come first, and all of them. The report has the rest.
const mostNotes = 10

// noteWidth cuts a reason that goes on and on; a terminal wraps what is less.
const noteWidth = 200

func (v *view) tableNotes() []string {
	notes := []string{"* best of the row, or tied with it: within 5 %, or intervals that overlap (their ends: " + MarkdownFile + ")"}
	if v.intervals != "" {
		notes = append(notes, "± the larger half of the interval: "+v.intervals)
	}
	notes = append(notes, "CPU/req is the server's, user and system")
	if v.suspect {
		notes = append(notes, "? suspect: it counts, but something beside the server had a part in it")
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
		note := clip(fmt.Sprintf("%s %s %s: %s", c.Model, c.Asked(), c.At(), n), noteWidth)
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
		notes = append(notes, clip("! "+w, noteWidth))
	}
	if more := len(doubtful) - shown; more > 0 {
		notes = append(notes, fmt.Sprintf("and %d more cells with repeats that are suspect: see %s", more, MarkdownFile))
	}
	return notes
}

// doubts says how many repeats do not count and how many are suspect, and why
// the first of each; it is empty if all are valid.
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

// reasons are why a repeat is not valid: its failure, then its gates'.
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
