package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// perBlock is how many models fit side by side in 100 columns.
const perBlock = 3

// Widths of the table's columns: clients, then for each model its headline
// with mark and spread, and two more numbers.
const (
	clientsWidth = 9
	modelWidth   = 29
)

// Table writes the summary for a terminal: no markup, 100 columns. More than
// three models continue in further blocks below.
func Table(w io.Writer, set *result.Set) error {
	b := bufio.NewWriter(w)
	v := newView(set)
	if len(v.groups) == 0 {
		fmt.Fprintln(b, "nothing was measured")
		return b.Flush()
	}
	for first := 0; first < len(v.models); first += perBlock {
		last := min(first+perBlock, len(v.models))
		if first > 0 {
			b.WriteByte('\n')
		}
		line := pad("", clientsWidth)
		for _, m := range v.models[first:last] {
			line += "  " + pad(clip(m, modelWidth-2), modelWidth-2)
		}
		fmt.Fprintln(b, strings.TrimRight(line, " "))
		for _, g := range v.groups {
			v.tableGroup(b, g, first, last)
		}
	}
	b.WriteByte('\n')
	for _, n := range v.tableNotes() {
		fmt.Fprintln(b, n)
	}
	return b.Flush()
}

// columns are the three numbers of a model in the group, with their headings.
func (g *group) columns() (heads [3]string, ms [3]stats.Metric) {
	if g.workload == result.Idle {
		return [3]string{"B/client", "total", "threads"}, [3]stats.Metric{stats.Memory, stats.MemoryTotal, stats.Threads}
	}
	return [3]string{"req/s", "p99", "CPU/req"}, [3]stats.Metric{stats.Throughput, stats.P99, stats.CPU}
}

func (v *view) tableGroup(b *bufio.Writer, g *group, first, last int) {
	heads, ms := g.columns()
	mark := 0 // the column that the headline is in
	for i, m := range ms {
		if m.Name == g.headline().Name {
			mark = i
		}
	}
	var rows []string
	used := false
	for _, r := range g.rows {
		best := map[int]bool{}
		for _, i := range g.best(r) {
			best[i] = true
		}
		label := stats.Group(r.clients)
		if r.rate > 0 {
			label += " @" + stats.Count.Tick(r.rate)
		}
		line := left(label, clientsWidth)
		for i := first; i < last; i++ {
			c := r.cells[i]
			used = used || c != nil
			text := cellText(c)
			if text == "" {
				var f [3]string
				for k, m := range ms {
					f[k] = strings.TrimSuffix(m.Unit.Format(c.Summary(m).Median), "/s")
					if k == mark {
						star := " "
						if best[i] {
							star = "*"
						}
						f[k] += star
					}
				}
				text = left(f[0], 8) + left(spread(c.Summary(ms[0])), 6) + left(f[1], 9) + left(f[2], 8)
				text = text[len(text)-len(strings.TrimLeft(text, " ")):]
				text = left(text, modelWidth-2)
			}
			line += "  " + pad(text, modelWidth-2)
		}
		rows = append(rows, strings.TrimRight(line, " "))
	}
	if !used {
		return
	}
	b.WriteByte('\n')
	fmt.Fprintln(b, g.title)
	line := left("clients", clientsWidth)
	for range last - first {
		line += "  " + left(heads[0]+" ", 8) + pad("", 6) + left(heads[1], 5) + left(heads[2], 8)
	}
	fmt.Fprintln(b, strings.TrimRight(line, " "))
	for _, r := range rows {
		fmt.Fprintln(b, r)
	}
}

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

func (v *view) tableNotes() []string {
	notes := []string{
		"* best of the row, or tied with it (within 5 % or overlapping intervals)",
		"± " + v.interval() + "; CPU/req is the server's, user and system",
	}
	for _, c := range v.cells {
		if len(c.Valid) == len(c.Repeats) && len(c.Repeats) > 0 {
			continue
		}
		n := fmt.Sprintf("%d of %d repeats valid", len(c.Valid), len(c.Repeats))
		if len(c.Repeats) == 0 {
			n = "not measured"
		} else if why := firstReason(c); why != "" {
			n += ": " + why
		}
		notes = append(notes, clip(fmt.Sprintf("! %s %s %s: %s", c.Model, c.Asked(), stats.Group(c.Clients), n), 100))
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
