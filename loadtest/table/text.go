package table

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/tierbench/tierbench/loadtest/prose"
)

// signs are the marks in a terminal.
var signs = map[Mark]string{Best: "*", Suspect: "?"}

// Text returns the table for a terminal: aligned columns without rules or markup. Groups of columns
// that do not fit into width continue in blocks below, with the columns before the first group
// again. A width of 0 is unlimited.
func (t *Table) Text(width int) string {
	notes, own := t.notes()
	l := t.layout(notes)
	var b strings.Builder
	if t.Title != "" {
		b.WriteString(t.Title + "\n")
	}
	for i, columns := range l.blocks(width - t.Indent) {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, line := range l.block(columns) {
			if line = strings.TrimRight(line, " "); line != "" {
				b.WriteString(strings.Repeat(" ", t.Indent) + line)
			}
			b.WriteByte('\n')
		}
	}
	if own {
		for i, s := range *notes {
			if i == 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "[%d] %s\n", i+1, prose.Line(s))
		}
	}
	return b.String()
}

// An entry is a cell as a terminal shows it. Its marks follow the last line, in a column of their
// own, so that numbers stay below each other.
type entry struct {
	lines   []string
	marks   string
	over    int
	missing bool
	cut     bool // to the width of its columns, which it does not widen
}

func newEntry(c Cell, notes *Notes) *entry {
	e := &entry{over: c.columns(), missing: c.isMissing()}
	for _, s := range c.Spans {
		e.marks += signs[s.Mark]
		if s.Note != "" {
			e.marks += fmt.Sprintf("[%d]", notes.number(s.Note))
		}
	}
	for s := range strings.SplitSeq(c.String(), "\n") {
		e.lines = append(e.lines, strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, s))
	}
	return e
}

// A layout is a table with the widths of its columns: of the text, and of the marks after it.
type layout struct {
	*Table
	heads, rows [][]*entry // by column; nil if there is no cell, or an earlier one spans the column
	text, marks []int
}

func (t *Table) layout(notes *Notes) *layout {
	l := &layout{Table: t}
	for _, c := range t.Columns {
		l.text, l.marks = append(l.text, c.Width), append(l.marks, 0)
	}
	if groups := t.groupCells(); groups != nil {
		l.heads = append(l.heads, l.row(groups, nil, true))
	}
	if heads := t.headCells(); heads != nil {
		l.heads = append(l.heads, l.row(heads, nil, false))
	}
	for _, r := range t.Rows {
		l.rows = append(l.rows, l.row(r.Cells, notes, false))
	}
	// A cell that spans several columns widens the last of them, unless it is the last of all.
	for _, row := range l.rows {
		for i, e := range row {
			if e == nil || e.over == 1 || i+e.over == len(row) {
				continue
			}
			for _, s := range e.lines {
				l.text[i+e.over-1] += max(0, prose.Width(s+e.marks)-l.span(i, i+e.over))
			}
		}
	}
	return l
}

// row lays out the cells of a row, and widens the columns of cells that span only one.
func (l *layout) row(cells []Cell, notes *Notes, cut bool) []*entry {
	row := make([]*entry, len(l.Columns))
	i := 0
	for _, c := range cells {
		e := newEntry(c, notes)
		e.cut = cut
		if e.over == 1 && !cut {
			if w := l.Columns[i].Width; w > 0 {
				e.lines = prose.Wrap(strings.Join(e.lines, "\n"), w)
			}
			for _, s := range e.lines {
				l.text[i] = max(l.text[i], prose.Width(s))
			}
			l.marks[i] = max(l.marks[i], prose.Width(e.marks))
		}
		row[i] = e
		i += e.over
	}
	return row
}

// gap is the space before a column that is not the first of a line.
func (l *layout) gap(i int) int {
	if i > 0 && l.Columns[i].Group != "" && l.Columns[i].Group == l.Columns[i-1].Group {
		return 1
	}
	return 2
}

// span returns the width of the columns from first up to, but not including, last.
func (l *layout) span(first, last int) int {
	w := 0
	for i := first; i < last; i++ {
		if i > first {
			w += l.gap(i)
		}
		w += l.text[i] + l.marks[i]
	}
	return w
}

// blocks divides the columns into blocks that fit the width: each has the columns before the
// first group, and as many groups as there is room for.
func (l *layout) blocks(width int) [][]int {
	var lead []int
	for len(lead) < len(l.Columns) && l.Columns[len(lead)].Group == "" {
		lead = append(lead, len(lead))
	}
	blocks, used := [][]int{slices.Clone(lead)}, l.span(0, len(lead))
	for i := len(lead); i < len(l.Columns); {
		next := i + 1
		for next < len(l.Columns) && l.gap(next) == 1 {
			next++
		}
		last := len(blocks) - 1
		w := 2 + l.span(i, next)
		if width > 0 && used+w > width && len(blocks[last]) > len(lead) {
			blocks, used = append(blocks, slices.Clone(lead)), l.span(0, len(lead))
			last++
		}
		for used += w; i < next; i++ {
			blocks[last] = append(blocks[last], i)
		}
	}
	return blocks
}

// block returns the lines of some of the columns. Rows with nothing in the block's groups are left
// out, and sections without rows.
func (l *layout) block(columns []int) []string {
	var out []string
	for _, heads := range l.heads {
		out = append(out, l.lines(columns, heads)...)
	}
	top, title := len(out), ""
	for i, row := range l.rows {
		switch {
		case l.Rows[i].Title != "":
			title = l.Rows[i].Title
			continue
		case !l.anyIn(columns, row):
			continue
		case title != "" && len(out) > top:
			out = append(out, "", title)
		case title != "":
			out = append(out, title)
		}
		title = ""
		out = append(out, l.lines(columns, row)...)
	}
	return out
}

// anyIn reports whether a row has something in the groups of the columns, if these have any.
func (l *layout) anyIn(columns []int, row []*entry) bool {
	grouped := slices.DeleteFunc(slices.Clone(columns), func(i int) bool { return l.Columns[i].Group == "" })
	return len(grouped) == 0 || slices.ContainsFunc(grouped, func(i int) bool { return row[i] != nil && !row[i].missing })
}

// lines returns some of the columns of a row.
func (l *layout) lines(columns []int, row []*entry) []string {
	var out []string
	for n := 0; ; n++ {
		var b strings.Builder
		more := n == 0
		for k := 0; k < len(columns); {
			i := columns[k]
			if k > 0 {
				b.WriteString(strings.Repeat(" ", l.gap(i)))
			}
			e := row[i]
			if e == nil {
				e = &entry{over: 1}
			}
			text, marks := "", ""
			if n < len(e.lines) {
				text, more = e.lines[n], true
			}
			if n == len(e.lines)-1 {
				marks = e.marks
			}
			switch w := l.span(i, i+e.over); {
			case e.cut:
				b.WriteString(pad(prose.Shorten(text, w), w, false))
			case e.over > 1:
				b.WriteString(pad(text+marks, w, false))
			default:
				b.WriteString(pad(text, l.text[i], l.Columns[i].Right) + pad(marks, l.marks[i], false))
			}
			k += e.over
		}
		if !more {
			return out
		}
		out = append(out, b.String())
	}
}

// pad fills s up to a width.
func pad(s string, width int, right bool) string {
	space := strings.Repeat(" ", max(0, width-prose.Width(s)))
	if right {
		return space + s
	}
	return s + space
}
