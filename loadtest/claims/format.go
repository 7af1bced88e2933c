package claims

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// JSON writes the whole ledger.
func JSON(w io.Writer, l *Ledger) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(l)
}

// interval prints an effect's number with its interval.
func (f Effect) interval() string {
	switch {
	case f.N == 0 || math.IsNaN(f.Value):
		return "–"
	case !f.Known():
		return f.number(f.Value) + " (no interval)"
	}
	s := fmt.Sprintf("%s (%s – %s", f.number(f.Value), f.number(f.Lo), f.number(f.Hi))
	if f.Few() {
		s += fmt.Sprintf(", n=%d", f.N)
	}
	return s + ")"
}

// line returns an effect in full: what it is, its number, and its bound.
func (f Effect) line() string {
	s := f.What + ": " + f.interval()
	if f.Bound != "" {
		s += ", asked " + f.Bound
	}
	return s
}

// number prints one of the effect's three numbers: all have decimals, or none has.
func (f Effect) number(v float64) string {
	whole := func(x float64) bool { return x == math.Trunc(x) && math.Abs(x) < 1e6 }
	a := math.Abs(v)
	switch {
	case math.IsInf(v, 0):
		return "∞"
	case f.Unit != stats.Count || whole(f.Value) && whole(f.Lo) && whole(f.Hi) && f.Hi >= 10 || a >= 1000:
		return f.Unit.Format(v)
	case v == 0 || a < 1e-6*math.Max(math.Abs(f.Lo), math.Abs(f.Hi)):
		return "0"
	case a < 0.01:
		return strings.Replace(strconv.FormatFloat(v, 'g', 2, 64), "-", "−", 1)
	case a < 10:
		return strings.Replace(strconv.FormatFloat(v, 'f', 2, 64), "-", "−", 1)
	}
	return strings.Replace(strconv.FormatFloat(v, 'f', 1, 64), "-", "−", 1)
}

// whyWidth is the longest reason for a verdict in a table.
const whyWidth = 92

// head returns what a cell of the table says: the word, the number, and its basis.
func (v *Verdict) head() (word, number, rests string) {
	word = string(v.Word)
	if v.Word == Depends || v.Word == Undecidable {
		word += ": " + prose.Shorten(v.Why, whyWidth)
	}
	if len(v.Effects) > 0 {
		f := v.Effects[0]
		number = f.What + ": " + f.interval()
	}
	return word, number, v.rests()
}

// name returns what the verdict is about.
func (v *Verdict) name() string { return prose.Join(", ", v.Language, v.Column, v.Subject) }

// doubts returns words for a verdict that says less than it seems to.
func (v *Verdict) doubts() (out []string) {
	if v.Made > 0 && v.Made < wantRepeats {
		out = append(out, "quick")
	}
	if v.Partial {
		out = append(out, "in part")
	}
	if v.Suspect {
		out = append(out, "suspect")
	}
	return out
}

// rests returns the basis of the verdict, in words.
func (v *Verdict) rests() string {
	var parts []string
	if n := len(v.Cells); n > 0 {
		parts = append(parts, prose.Count(n, "cell"))
	}
	if n := len(v.Trials); n > 0 {
		parts = append(parts, prose.Count(n, "kind")+" of trials")
	}
	if len(parts) == 0 {
		return ""
	}
	s := "on " + strings.Join(parts, " and ")
	if v.Repeats > 0 {
		s += fmt.Sprintf(", n=%d", v.Repeats)
	}
	return strings.Join(append([]string{s}, v.doubts()...), ", ")
}

// rows returns the claims of the document's table, and the others.
func (l *Ledger) rows() (table, rest []*Claim) {
	for _, c := range l.Claims {
		if c.Says != nil {
			table = append(table, c)
		} else {
			rest = append(rest, c)
		}
	}
	return table, rest
}

// asides returns a row's verdicts on neither a column nor a model: on all columns together, or
// on a way around what a column says.
func (l *Ledger) asides(c *Claim) (out []*Verdict) {
	for i := range l.Verdicts {
		if v := &l.Verdicts[i]; v.Claim == c.ID && v.aside {
			out = append(out, v)
		}
	}
	return out
}

// Widths of the columns for a terminal, without the space between them, and of all.
const (
	firstWidth  = 24
	columnWidth = 36
	pageWidth   = firstWidth + 3*(2+columnWidth) + 2
)

// Text writes the document's table with the verdicts, then the remarks and the
// background, for a terminal.
func Text(w io.Writer, l *Ledger) error {
	b := bufio.NewWriter(w)
	item := func(label string, v *Verdict) {
		word, number, rests := v.head()
		b.WriteString(prose.Paragraph(label+": "+word, pageWidth-6, "   ", "      "))
		for _, s := range []string{number, rests} {
			if s != "" {
				b.WriteString(prose.Paragraph(s, pageWidth-6, "      ", "        "))
			}
		}
	}
	// Each claim is a table of its own, with the same widths: verdicts without a column come
	// between them.
	grid := func() *table.Table {
		t := table.New(table.Left(""), table.Left("", "", ""))
		for i := range t.Columns {
			t.Columns[i].Width = columnWidth
		}
		t.Columns[0].Width = firstWidth
		return t
	}
	heads := grid()
	for i, col := range Columns {
		heads.Columns[1+i].Head = col
	}
	b.WriteString(heads.Text(0))
	rows, rest := l.rows()
	for _, c := range rows {
		t := grid()
		says := []any{c.ID + " " + c.Title}
		for _, col := range Columns {
			says = append(says, c.Says[col])
		}
		t.Row(says...)
		for _, language := range Languages {
			row := []any{"   " + language}
			for _, col := range Columns {
				word, number, rests := l.must(c, language, col).head()
				row = append(row, prose.Join("\n", word, number, rests))
			}
			t.Row(row...)
		}
		b.WriteString("\n" + t.Text(0))
		for _, v := range l.asides(c) {
			item(v.Language+", "+v.Subject, v)
		}
	}
	b.WriteString("\nThe remarks and the background\n")
	for _, c := range rest {
		fmt.Fprintf(b, "\n%s %s\n", c.ID, c.Title)
		for _, language := range Languages {
			for _, col := range append([]string{""}, Columns...) {
				if v := l.Of(c.ID, language, col, ""); v != nil {
					item(prose.Join(", ", language, col), v)
				}
			}
		}
	}
	b.WriteString("\n" + prose.Paragraph(l.about(), pageWidth-6, "", ""))
	return b.Flush()
}

// must returns a verdict of the table. If the claim does not give it, it is undecidable.
func (l *Ledger) must(c *Claim, language, column string) *Verdict {
	if v := l.Of(c.ID, language, column, ""); v != nil {
		return v
	}
	return &Verdict{Claim: c.ID, Language: language, Column: column, Word: Undecidable}
}

// wantRepeats is how many repeats a verdict should have.
const wantRepeats = 10

// about says how the verdicts were made.
func (l *Ledger) about() string {
	when := "fixed before the run"
	if l.RunRules != l.RulesVersion {
		when = "changed since the run began (under version " + cmp.Or(l.RunRules, "0") + ")"
	}
	s := fmt.Sprintf("Rules version %s, %s. Each number has a 95 %% interval: a median by order statistics, a slope by Student's t, anything else by bootstrap over the repeats. "+
		"n is the least number of repeats that count; quick means that fewer than ten were made. Below six repeats no interval of a median reaches 95 %%, and the range is shown. "+
		"A verdict uses the whole interval: if it includes the bound, nothing is decided.", l.RulesVersion, when)
	if floors := stats.Floors(l.Noise); floors != "" {
		return s + " A server compared with itself (A/A) differs by up to: " + floors + "."
	}
	return s + " No server was compared with itself, so the noise of this machine is unknown."
}

// matrix returns the document's table, with a line for each language in each cell. Its claims
// link to their sections on a page.
func (l *Ledger) matrix(page string, verdict func(*Verdict) table.Cell) *table.Table {
	t := table.New(table.Left(""), table.Left(Columns...))
	t.RowHeads = true
	rows, _ := l.rows()
	for _, c := range rows {
		row := []any{table.Cell{}.Append(table.Span{Text: c.ID, Mark: table.Strong, Href: page + "#" + l.Run + "-" + c.ID}).Add(" " + c.Title)}
		for _, col := range Columns {
			cell := table.Text("“" + c.Says[col] + "”")
			for _, language := range Languages {
				cell = cell.Add("\n").Append(verdict(l.must(c, language, col)).Spans...)
			}
			row = append(row, cell)
		}
		t.Row(row...)
	}
	return t
}

// Markdown writes the table for a README or a report.
func Markdown(w io.Writer, l *Ledger) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n", l.matrix("", (*Verdict).cell).Markdown())
	rows, rest := l.rows()
	for _, c := range rows {
		for _, v := range l.asides(c) {
			fmt.Fprintf(b, "- %s, %s: %s\n", c.ID, prose.Markdown(v.Subject), v.cell().Markdown())
		}
	}
	t := table.New(table.Left("", "the remarks and the background"), table.Left(Languages...))
	for _, c := range rest {
		row := []any{table.Marked(c.ID, table.Strong), c.Title}
		for _, language := range Languages {
			cell := table.Cell{}
			for _, col := range append([]string{""}, Columns...) {
				v := l.Of(c.ID, language, col, "")
				if v == nil {
					continue
				}
				if len(cell.Spans) > 0 {
					cell = cell.Add("\n")
				}
				if col != "" {
					cell = cell.Add(col + ": ")
				}
				cell = cell.Append(v.finding().Spans...)
			}
			row = append(row, cell)
		}
		t.Row(row...)
	}
	fmt.Fprintf(b, "\n%s\n%s\n", t.Markdown(), prose.Markdown(l.about()))
	return b.Flush()
}

// Brief writes only the document's table, with a word and a number in each cell, for a first
// page.
func Brief(w io.Writer, l *Ledger) error {
	_, err := io.WriteString(w, l.matrix("", func(v *Verdict) table.Cell {
		c := table.Text(v.Language + ": ").Append(table.Span{Text: string(v.Word), Mark: table.Strong})
		// The full ledger says whether one of many repeats is suspect.
		doubts := slices.DeleteFunc(v.doubts(), func(d string) bool { return d == "suspect" })
		if len(doubts) > 0 && v.Word != Undecidable {
			c = c.Add(" (" + strings.Join(doubts, ", ") + ")")
		}
		if len(v.Effects) > 0 && v.Effects[0].Known() {
			c = c.Add(", " + v.Effects[0].What + ": " + v.Effects[0].interval())
		}
		return c
	}).Markdown())
	return err
}

// cell returns the language and the finding of the verdict.
func (v *Verdict) cell() table.Cell {
	return table.Text(v.Language + ": ").Append(v.finding().Spans...)
}

// finding returns the word, with a reason if it does not decide, the number, and its basis.
func (v *Verdict) finding() table.Cell {
	_, number, rests := v.head()
	c := table.Marked(string(v.Word), table.Strong)
	if v.Word == Depends || v.Word == Undecidable {
		c = c.Add(", " + prose.Shorten(v.Why, whyWidth))
	}
	for _, s := range []string{number, rests} {
		if s != "" {
			c = c.Add("; " + s)
		}
	}
	return c
}

// Explain writes everything about one claim: its words, its rule, and each verdict with its
// numbers and cells.
func Explain(w io.Writer, l *Ledger, id string) error {
	b := bufio.NewWriter(w)
	i := slices.IndexFunc(l.Claims, func(c *Claim) bool { return c.ID == id })
	if i < 0 {
		return fmt.Errorf("there is no claim %q", id)
	}
	c := l.Claims[i]
	fmt.Fprintf(b, "%s %s\n\n", c.ID, c.Title)
	for _, p := range [][2]string{{"claimed", c.Quote}, {"taken to mean", c.Definition}, {"experiment", c.Experiment}, {"metric", c.Metric}, {"why", c.Lesson}, {"rule, version " + c.Rule.Version, c.Rule.Text}} {
		fmt.Fprintf(b, "%s:\n%s", p[0], prose.Paragraph(p[1], 96, "    ", "    "))
	}
	for i := range l.Verdicts {
		v := &l.Verdicts[i]
		if v.Claim != id {
			continue
		}
		fmt.Fprintf(b, "\n%s: %s\n", v.name(), v.Word)
		if v.Why != "" {
			b.WriteString(prose.Paragraph(v.Why, 96, "    ", "    "))
		}
		if v.Subject == "" && v.Column != "" && l.hasModels(v) {
			continue // the models have the numbers
		}
		for _, f := range v.Effects {
			fmt.Fprintf(b, "    %s\n", f.line())
		}
		for _, n := range v.Notes {
			b.WriteString(prose.Paragraph(n, 96, "    ", "      "))
		}
		for _, k := range v.Cells {
			fmt.Fprintf(b, "    cell %v\n", k)
		}
		for _, t := range v.Trials {
			fmt.Fprintf(b, "    trials %s\n", t)
		}
	}
	return b.Flush()
}

func (l *Ledger) hasModels(v *Verdict) bool {
	return slices.ContainsFunc(l.Verdicts, func(m Verdict) bool {
		return m.Claim == v.Claim && m.Language == v.Language && m.Column == v.Column && m.Subject != ""
	})
}
