package table

import (
	_ "embed"
	"fmt"
	"html/template"
	"strings"
)

//go:embed table.html
var page string

var pageTemplate = template.Must(template.New("table").Funcs(template.FuncMap{"number": func(i int) int { return i + 1 }}).Parse(page))

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
	Lines  []string
	Strong bool
	Tag    string
	Number int // of the footnote
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
	numbers := 2*right > len(t.Columns)
	class := func(i int) string {
		var out []string
		if t.Columns[i].Width > 0 {
			out = append(out, "wrap")
		}
		switch {
		case numbers && !t.Columns[i].Right:
			out = append(out, "left")
		case !numbers && t.Columns[i].Right:
			out = append(out, "right")
		}
		return strings.Join(out, " ")
	}
	data := struct {
		Title, Class string
		Groups       []pageCell
		Heads        []pageCell
		Rows         []pageRow
		Notes        []string
	}{Title: t.Title}
	if numbers {
		data.Class = "numbers"
	}
	row := func(cells []Cell) []pageCell {
		var out []pageCell
		at := 0
		for _, c := range cells {
			p := pageCell{Class: class(at), Over: c.columns()}
			for _, s := range c.Spans {
				span := pageSpan{Span: s, Lines: strings.Split(s.Text, "\n"), Strong: s.Mark == Strong || s.Mark == Best}
				if s.Mark == Suspect {
					span.Tag = "suspect"
				}
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
	var heads []Cell
	for _, h := range t.heads() {
		heads = append(heads, Text(h))
	}
	data.Groups, data.Heads = row(t.groupCells()), row(heads)
	for _, r := range t.Rows {
		if r.Title != "" {
			data.Rows = append(data.Rows, pageRow{Class: "section", Cells: row([]Cell{Marked(r.Title, Strong).Across(len(t.Columns))})})
			continue
		}
		cells := row(r.Cells)
		if len(cells) > 0 {
			cells[0].Head = t.RowHeads
		}
		data.Rows = append(data.Rows, pageRow{Class: r.Class, Cells: cells})
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

// groupCells are the heads above those of the columns; nil if there are none.
func (t *Table) groupCells() (out []Cell) {
	any := false
	for i, c := range t.Columns {
		if n := len(out) - 1; i > 0 && c.Group != "" && c.Group == t.Columns[i-1].Group {
			out[n].Over = out[n].columns() + 1
			continue
		}
		out = append(out, Text(c.Group))
		any = any || c.Group != ""
	}
	if !any {
		return nil
	}
	return out
}
