// Package table builds tables and writes them for a terminal (Text), as Markdown, CSV or HTML.
//
// A cell contains plain text. Its emphasis, marks and footnotes are fields, never signs within the
// text: each writer escapes the text and shows them in its own way.
package table

import (
	"fmt"
	"slices"
	"strings"
)

// A Table has columns and rows. No row may have more cells than there are columns.
type Table struct {
	Title   string // above the table; CSV has none
	Columns []Column
	Rows    []Row

	// RowHeads makes the first cell of each row its head in HTML.
	RowHeads bool
	// Notes collects the footnotes of several tables, for the caller to write after the last. If it
	// is nil, each writer but CSV puts the footnotes below the table.
	Notes *Notes
	// Indent is the number of spaces before each line in a terminal, except the title.
	Indent int
	// Padded pads the columns of Markdown, so that its source reads as a table.
	Padded bool
}

// A Column has a head and an alignment.
type Column struct {
	Head  string
	Right bool // aligned to the right, as numbers are
	// Group is a common head above neighbouring columns of the same group.
	Group string
	// Width is where text wraps, in columns of a terminal; the column is never narrower. If it is 0,
	// the column is as wide as its widest cell and nothing wraps.
	Width int
}

// A Row is a row of cells or, if it has a title, the start of a section.
type Row struct {
	Cells []Cell
	Class string // in HTML
	Title string
}

// A Cell is text in spans. The zero value is empty.
type Cell struct {
	Spans []Span
	Over  int // the number of columns that it spans; 0 means one
	Value any // what CSV writes instead of the text, such as a number in its base unit
}

// A Span is a part of a cell's text. A line break in it is a line break in the cell.
type Span struct {
	Text string
	Mark Mark
	Note string // a footnote
	// For HTML only: a link relative to the page, the link's tooltip, and a class.
	Href, Hint, Class string
}

// A Mark is emphasis, or a sign after the text.
type Mark uint8

// Marks of a span.
const (
	Strong  Mark = iota + 1 // bold; a terminal shows nothing
	Best                    // bold; "*" after it in a terminal
	Suspect                 // the word after it; "?" in a terminal

	missing
)

// Missing is the cell of a missing value. CSV leaves it empty.
var Missing = Cell{Spans: []Span{{Text: "–", Mark: missing}}, Value: ""}

func (c Cell) isMissing() bool {
	return len(c.Spans) == 0 || len(c.Spans) == 1 && c.Spans[0].Mark == missing
}

// Left returns columns that are aligned to the left.
func Left(heads ...string) []Column { return columns(false, heads) }

// Right returns columns that are aligned to the right.
func Right(heads ...string) []Column { return columns(true, heads) }

func columns(right bool, heads []string) []Column {
	var out []Column
	for _, h := range heads {
		out = append(out, Column{Head: h, Right: right})
	}
	return out
}

// New returns a table with the given columns.
func New(columns ...[]Column) *Table { return &Table{Columns: slices.Concat(columns...)} }

// Row adds a row and returns it. Each cell is a Cell, a string, or another value, which is shown as
// fmt.Sprint prints it and is the Value of its cell.
func (t *Table) Row(cells ...any) *Row {
	r := Row{}
	for _, c := range cells {
		switch c := c.(type) {
		case Cell:
			r.Cells = append(r.Cells, c)
		case string:
			r.Cells = append(r.Cells, Text(c))
		default:
			r.Cells = append(r.Cells, Cell{Spans: []Span{{Text: fmt.Sprint(c)}}, Value: c})
		}
	}
	t.Rows = append(t.Rows, r)
	return &t.Rows[len(t.Rows)-1]
}

// Section starts a section of the table.
func (t *Table) Section(title string) { t.Rows = append(t.Rows, Row{Title: title}) }

// Text returns a cell of plain text.
func Text(s string) Cell { return Cell{}.Add(s) }

// Marked returns a cell of text with a mark.
func Marked(s string, m Mark) Cell { return Cell{Spans: []Span{{Text: s, Mark: m}}} }

// Add returns the cell with more text.
func (c Cell) Add(s string) Cell { return c.Append(Span{Text: s}) }

// Append returns the cell with more spans.
func (c Cell) Append(spans ...Span) Cell {
	c.Spans = append(slices.Clip(c.Spans), spans...)
	return c
}

// Note returns the cell with a footnote, unless that is empty.
func (c Cell) Note(text string) Cell {
	if text == "" {
		return c
	}
	return c.Append(Span{Note: text})
}

// Across returns the cell, spanning several columns.
func (c Cell) Across(columns int) Cell {
	c.Over = columns
	return c
}

func (c Cell) columns() int { return max(1, c.Over) }

// String returns the text of the cell without its marks.
func (c Cell) String() string {
	var b strings.Builder
	for _, s := range c.Spans {
		b.WriteString(s.Text)
	}
	return b.String()
}

// Notes are footnotes, each once, in the order of their first mark.
type Notes []string

// number returns the number of a footnote, from 1.
func (n *Notes) number(text string) int {
	i := slices.Index(*n, text)
	if i < 0 {
		i = len(*n)
		*n = append(*n, text)
	}
	return i + 1
}

// notes returns the collection of footnotes, and whether they belong below this table.
func (t *Table) notes() (n *Notes, own bool) {
	if t.Notes != nil {
		return t.Notes, false
	}
	return &Notes{}, true
}

// headCells are the heads of the columns, nil if all are empty.
func (t *Table) headCells() (out []Cell) {
	if !slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Head != "" }) {
		return nil
	}
	for _, c := range t.Columns {
		out = append(out, Text(c.Head))
	}
	return out
}

// groupCells are the heads of the groups, each over its columns; nil if there are none.
func (t *Table) groupCells() (out []Cell) {
	if !slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Group != "" }) {
		return nil
	}
	for i, c := range t.Columns {
		if c.Group != "" && i > 0 && c.Group == t.Columns[i-1].Group {
			out[len(out)-1].Over++
			continue
		}
		out = append(out, Text(c.Group).Across(1))
	}
	return out
}
