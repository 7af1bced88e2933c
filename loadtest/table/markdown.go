package table

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
)

// Markdown returns the table in Markdown. The heads of grouped columns begin with the group, and a
// section is a row with its title in the first cell.
func (t *Table) Markdown() string {
	notes, own := t.notes()
	var rows [][]string
	for _, r := range t.Rows {
		row := make([]string, 0, len(t.Columns))
		if r.Title != "" {
			row = append(row, markdown(Marked(r.Title, Strong), notes))
		}
		for _, c := range r.Cells {
			row = append(row, markdown(c, notes))
			row = append(row, make([]string, c.columns()-1)...)
		}
		rows = append(rows, append(row, make([]string, max(0, len(t.Columns)-len(row)))...))
	}
	var heads []string
	for _, c := range t.Columns {
		heads = append(heads, markdown(Text(strings.TrimSpace(c.Group+" "+c.Head)), notes))
	}
	widths := make([]int, len(heads))
	if t.Padded {
		for _, r := range append(rows, heads) {
			for i, s := range r {
				widths[i] = max(widths[i], prose.Width(s), 3)
			}
		}
	}
	var b strings.Builder
	if t.Title != "" {
		fmt.Fprintf(&b, "%s\n\n", prose.Markdown(t.Title))
	}
	line := func(cells []string) {
		for i, s := range cells {
			b.WriteString("| " + pad(s, widths[i], t.Columns[i].Right) + " ")
		}
		b.WriteString("|\n")
	}
	line(heads)
	for i, c := range t.Columns {
		rule := strings.Repeat("-", max(3, widths[i]))
		switch {
		case c.Right && t.Padded:
			rule = rule[1:] + ":"
		case c.Right:
			rule += ":"
		}
		b.WriteString("| " + rule + " ")
	}
	b.WriteString("|\n")
	for _, r := range rows {
		line(r)
	}
	if own && len(*notes) > 0 {
		b.WriteString("\n" + notes.Markdown())
	}
	return b.String()
}

// Markdown returns the footnotes, one a line.
func (n Notes) Markdown() string {
	var b strings.Builder
	for i, s := range n {
		fmt.Fprintf(&b, "<sup>%d</sup> %s  \n", i+1, prose.Markdown(s))
	}
	return b.String()
}

// Markdown returns the cell for a text outside a table. Its footnotes are left out.
func (c Cell) Markdown() string {
	c.Spans = slices.DeleteFunc(slices.Clone(c.Spans), func(s Span) bool { return s.Note != "" })
	return markdown(c, nil)
}

// markdown returns a cell on one line.
func markdown(c Cell, notes *Notes) string {
	var b strings.Builder
	for _, s := range c.Spans {
		b.WriteString(emphasis(s.Mark, escape(s.Text)))
		if s.Mark == Suspect {
			b.WriteString(" suspect")
		}
		if s.Note != "" {
			fmt.Fprintf(&b, "<sup>%d</sup>", notes.number(s.Note))
		}
	}
	return b.String()
}

func emphasis(m Mark, s string) string {
	if s != "" && (m == Strong || m == Best) {
		return "**" + s + "**"
	}
	return s
}

// escape keeps the spaces at the ends, which part one span from the next.
func escape(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		text := strings.ReplaceAll(prose.Markdown(line), "|", `\|`)
		if i == 0 && strings.HasPrefix(line, " ") {
			text = " " + text
		}
		if i == len(lines)-1 && text != " " && strings.HasSuffix(line, " ") {
			text += " "
		}
		lines[i] = text
	}
	return strings.Join(slices.Clip(lines), "<br>")
}
