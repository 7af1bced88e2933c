package table

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/tierbench/tierbench/loadtest/prose"
)

// signs are the marks in a terminal.
var signs = map[Mark]string{Best: "*", Suspect: "?"}

// Text returns the table for a terminal: aligned columns without rules or markup. Groups of columns
// that do not fit into width continue in blocks below, with the columns before the first group
// again; 0 is any width.
func (t *Table) Text(width int) string {
	notes, own := t.notes()
	l := t.layout(notes)
	var b strings.Builder
	line := func(s string) {
		if s = strings.TrimRight(s, " "); s != "" {
			b.WriteString(strings.Repeat(" ", t.Indent))
		}
		b.WriteString(s + "\n")
	}
	if t.Title != "" {
		b.WriteString(t.Title + "\n")
	}
	for i, block := range l.blocks(width - t.Indent) {
		if i > 0 {
			line("")
		}
		for _, s := range l.block(block) {
			line(s)
		}
	}
	if own && len(*notes) > 0 {
		line("")
		for _, s := range notes.lines() {
			line(s)
		}
	}
	return b.String()
}

// lines are the footnotes for a terminal.
func (n Notes) lines() []string {
	var out []string
	for i, s := range n {
		out = append(out, fmt.Sprintf("[%d] %s", i+1, prose.Line(s)))
	}
	return out
}

// An entry is a cell as a terminal shows it. Its marks follow the last line, in a column of their
// own, so that numbers stay below each other.
type entry struct {
	lines []string
	marks string
	over  int
	none  bool
}

func newEntry(c Cell, notes *Notes) entry {
	e := entry{over: c.columns(), none: c.isMissing()}
	var text strings.Builder
	for _, s := range c.Spans {
		text.WriteString(s.Text)
		e.marks += signs[s.Mark]
		if s.Note != "" {
			e.marks += fmt.Sprintf("[%d]", notes.number(s.Note))
		}
	}
	for s := range strings.SplitSeq(text.String(), "\n") {
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
	entries     [][]entry // of the rows
	text, marks []int
}

func (t *Table) layout(notes *Notes) *layout {
	l := &layout{Table: t, text: make([]int, len(t.Columns)), marks: make([]int, len(t.Columns))}
	for i, c := range t.Columns {
		l.text[i] = max(c.Width, prose.Width(c.Head))
	}
	for _, r := range t.Rows {
		var entries []entry
		at := 0
		for _, c := range r.Cells {
			e := newEntry(c, notes)
			if e.over == 1 {
				if w := t.Columns[at].Width; w > 0 {
					e.lines = prose.Wrap(strings.Join(e.lines, "\n"), w)
				}
				for _, s := range e.lines {
					l.text[at] = max(l.text[at], prose.Width(s))
				}
				l.marks[at] = max(l.marks[at], prose.Width(e.marks))
			}
			entries = append(entries, e)
			at += e.over
		}
		l.entries = append(l.entries, entries)
	}
	// What several columns share widens the last of them, unless nothing is to its right.
	for _, entries := range l.entries {
		at := 0
		for _, e := range entries {
			if next := at + e.over; e.over > 1 && next < len(t.Columns) {
				for _, s := range e.lines {
					l.text[next-1] += max(0, prose.Width(s+e.marks)-l.span(at, next))
				}
			}
			at += e.over
		}
	}
	return l
}

// gap is the space before a column that is not the first of a line.
func (l *layout) gap(i int) int {
	if i > 0 && l.Columns[i].Group != "" && l.Columns[i].Group == l.Columns[i-1].Group {
		return 1
	}
	return 2
}

// span is how wide the columns from first to before last are.
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

// blocks divides the columns into those that fit side by side: each with the columns before the
// first group, and as many groups as there is room for.
func (l *layout) blocks(width int) [][]int {
	lead := 0
	for lead < len(l.Columns) && l.Columns[lead].Group == "" {
		lead++
	}
	var first []int
	for i := range lead {
		first = append(first, i)
	}
	blocks := [][]int{first}
	used := l.span(0, lead)
	for i := lead; i < len(l.Columns); {
		next := i + 1
		for next < len(l.Columns) && l.Columns[next].Group == l.Columns[i].Group {
			next++
		}
		w := 2 + l.span(i, next)
		last := len(blocks) - 1
		if width > 0 && used+w > width && len(blocks[last]) > lead {
			blocks = append(blocks, append([]int{}, first...))
			used = l.span(0, lead)
			last++
		}
		for ; i < next; i++ {
			blocks[last] = append(blocks[last], i)
		}
		used += w
	}
	return blocks
}

// block returns the lines of some of the columns. Rows with nothing in the block's groups are left
// out, and sections without rows.
func (l *layout) block(columns []int) []string {
	var out []string
	if groups := l.groups(columns); groups != "" {
		out = append(out, groups)
	}
	if heads := l.heads(); heads != nil {
		out = append(out, l.headLine(columns, heads))
	}
	top := len(out)
	var section []string
	for i, r := range l.Rows {
		if r.Title != "" {
			section = []string{r.Title}
			if len(out) > top {
				section = []string{"", r.Title}
			}
			continue
		}
		if lines := l.row(columns, l.entries[i]); lines != nil {
			out = append(append(out, section...), lines...)
			section = nil
		}
	}
	return out
}

func (l *layout) groups(columns []int) string {
	any := false
	var b strings.Builder
	for i := 0; i < len(columns); {
		first := columns[i]
		group := l.Columns[first].Group
		next := i + 1
		for next < len(columns) && group != "" && l.Columns[columns[next]].Group == group {
			next++
		}
		w := l.span(first, columns[next-1]+1)
		if i > 0 {
			b.WriteString("  ")
		}
		b.WriteString(pad(prose.Shorten(group, w), w, false))
		any = any || group != ""
		i = next
	}
	if !any {
		return ""
	}
	return b.String()
}

func (l *layout) headLine(columns []int, heads []string) string {
	var b strings.Builder
	for i, c := range columns {
		if i > 0 {
			b.WriteString(strings.Repeat(" ", l.gap(c)))
		}
		b.WriteString(pad(heads[c], l.text[c], l.Columns[c].Right) + strings.Repeat(" ", l.marks[c]))
	}
	return b.String()
}

// row returns the lines of a row, nil if nothing is in the groups of the columns.
func (l *layout) row(columns []int, entries []entry) []string {
	at := map[int]entry{}
	column, height := 0, 1
	grouped, found := false, false
	for _, e := range entries {
		at[column] = e
		column += e.over
	}
	for _, c := range columns {
		e, ok := at[c]
		if ok {
			height = max(height, len(e.lines))
		}
		if l.Columns[c].Group != "" {
			grouped = true
			found = found || ok && !e.none
		}
	}
	if grouped && !found {
		return nil
	}
	lines := make([]string, height)
	for n := range lines {
		var b strings.Builder
		for i := 0; i < len(columns); {
			c := columns[i]
			e, ok := at[c]
			if !ok {
				e.over = 1
			}
			if i > 0 {
				b.WriteString(strings.Repeat(" ", l.gap(c)))
			}
			text, marks := "", ""
			if n < len(e.lines) {
				text = e.lines[n]
				if n == len(e.lines)-1 {
					marks = e.marks
				}
			}
			if e.over > 1 {
				b.WriteString(pad(text+marks, l.span(c, c+e.over), false))
			} else {
				b.WriteString(pad(text, l.text[c], l.Columns[c].Right) + pad(marks, l.marks[c], false))
			}
			i += e.over
		}
		lines[n] = b.String()
	}
	return lines
}

// pad fills s up to a width.
func pad(s string, width int, right bool) string {
	space := strings.Repeat(" ", max(0, width-prose.Width(s)))
	if right {
		return space + s
	}
	return s + space
}
