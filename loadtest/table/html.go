package table

import (
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
)

//go:embed table.html
var page string

var pageTemplate = template.Must(template.New("table").Funcs(template.FuncMap{
	"lines":   func(s string) []string { return strings.Split(s, "\n") },
	"number":  func(i int) int { return i + 1 },
	"strong":  func(m Mark) bool { return m == Strong || m == Best },
	"suspect": func(m Mark) bool { return m == Suspect },
}).Parse(page))

type pageRow struct {
	Class string
	Cells []pageCell
}

type pageCell struct {
	Head  bool
	Class string
	Over  int
	Spans []pageSpan
}

type pageSpan struct {
	Span
	Number int // of the footnote; 0 is none
}

// HTML returns the table as an element of a page. Its classes are those of the report's style:
// "numbers" where most columns are aligned to the right, with "left" for the others, and otherwise
// "right" for those that are; "wrap" for text that is wrapped, and a tag for a suspect.
func (t *Table) HTML() (template.HTML, error) {
	notes, own := t.notes()
	right := 0
	for _, c := range t.Columns {
		if c.Right {
			right++
		}
	}
	data := struct {
		Title         string
		Numbers       bool
		Groups, Heads []pageCell
		Rows          []pageRow
		Notes         []string
	}{Title: t.Title, Numbers: 2*right > len(t.Columns)}
	row := func(cells []Cell) []pageCell {
		var out []pageCell
		at := 0
		for _, c := range cells {
			wrap, align := "", ""
			if t.Columns[at].Width > 0 {
				wrap = "wrap"
			}
			if right := t.Columns[at].Right; data.Numbers && !right {
				align = "left"
			} else if !data.Numbers && right {
				align = "right"
			}
			p := pageCell{Class: prose.Join(" ", wrap, align), Over: c.columns()}
			for _, s := range c.Spans {
				span := pageSpan{Span: s}
				if s.Note != "" {
					span.Number = notes.number(s.Note)
				}
				p.Spans = append(p.Spans, span)
			}
			out = append(out, p)
			at += p.Over
		}
		return out
	}
	data.Groups, data.Heads = row(t.groupCells()), row(t.headCells())
	for _, r := range t.Rows {
		if r.Title != "" {
			r = Row{Class: "section", Cells: []Cell{Marked(r.Title, Strong).Across(len(t.Columns))}}
		}
		cells := row(r.Cells)
		if len(cells) > 0 {
			cells[0].Head = t.RowHeads
		}
		data.Rows = append(data.Rows, pageRow{r.Class, cells})
	}
	if own {
		data.Notes = *notes
	}
	var b strings.Builder
	if err := pageTemplate.Execute(&b, data); err != nil {
		return "", fmt.Errorf("write table: %w", err)
	}
	return template.HTML(b.String()), nil
}
