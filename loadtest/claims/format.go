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
	"unicode/utf8"

	"github.com/tierbench/tierbench/loadtest/stats"
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

// number prints one of three that stand side by side: all with decimals, or
// none.
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

// head is what a cell of the table says of a language: the word, the number,
// and what it rests on.
func (v *Verdict) head() (word, number, rests string) {
	word = string(v.Word)
	if v.Word == Depends || v.Word == Undecidable {
		word += ": " + shorten(v.Why, 90)
	}
	if len(v.Effects) > 0 {
		f := v.Effects[0]
		number = f.What + ": " + f.interval()
	}
	return word, number, v.rests()
}

// doubts are words for a verdict that says less than it seems to.
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

// rests says what is behind the verdict.
func (v *Verdict) rests() string {
	var parts []string
	if n := len(v.Cells); n > 0 {
		parts = append(parts, count(n, "cell"))
	}
	if n := len(v.Trials); n > 0 {
		parts = append(parts, count(n, "kind")+" of trials")
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

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%s %ss", stats.Group(n), what)
}

// shorten cuts at a word.
func shorten(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	r := []rune(s)[:most]
	cut := string(r)
	if i := strings.LastIndexByte(cut, ' '); i > most/2 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " ,;:") + " …"
}

// rows are the claims of the document's table.
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

// asides are a row's verdicts that are of no column and of no model: of all
// columns together, or of a way around what a column says.
func (l *Ledger) asides(c *Claim) (out []*Verdict) {
	for i := range l.Verdicts {
		if v := &l.Verdicts[i]; v.Claim == c.ID && v.Column == "" && strings.Contains(v.Subject, " ") {
			out = append(out, v)
		}
	}
	return out
}

const (
	firstWidth  = 26
	columnWidth = 38
	pageWidth   = firstWidth + 3*columnWidth
)

// Text writes the document's table with the verdicts, then the remarks and the
// background, for a terminal.
func Text(w io.Writer, l *Ledger) error {
	b := bufio.NewWriter(w)
	line := func(cells ...string) {
		for i, c := range cells {
			width := columnWidth
			if i == 0 {
				width = firstWidth
			}
			if i == len(cells)-1 {
				b.WriteString(c)
				break
			}
			b.WriteString(c)
			b.WriteString(strings.Repeat(" ", max(1, width-utf8.RuneCountInString(c))))
		}
		b.WriteByte('\n')
	}
	block := func(first string, columns []string) {
		wrapped := [][]string{wrap(first, firstWidth-2)}
		for _, c := range columns {
			wrapped = append(wrapped, wrap(c, columnWidth-2))
		}
		for i := 0; ; i++ {
			var cells []string
			any := false
			for _, lines := range wrapped {
				c := ""
				if i < len(lines) {
					c, any = lines[i], true
				}
				cells = append(cells, c)
			}
			if !any {
				return
			}
			for len(cells) > 1 && cells[len(cells)-1] == "" {
				cells = cells[:len(cells)-1]
			}
			line(cells...)
		}
	}
	item := func(label string, v *Verdict) {
		word, number, rests := v.head()
		fmt.Fprintf(b, "   %s\n", strings.Join(wrap(label+": "+word, pageWidth-6), "\n      "))
		for _, s := range compact(number, rests) {
			fmt.Fprintf(b, "      %s\n", strings.Join(wrap(s, pageWidth-6), "\n        "))
		}
	}
	table, rest := l.rows()
	block("", Columns)
	for _, c := range table {
		b.WriteByte('\n')
		var says []string
		for _, col := range Columns {
			says = append(says, c.Says[col])
		}
		block(c.ID+" "+c.Title, says)
		for _, language := range Languages {
			var cells []string
			for _, col := range Columns {
				word, number, rests := l.must(c, language, col).head()
				cells = append(cells, strings.Join(compact(word, number, rests), "\n"))
			}
			block("   "+language, cells)
		}
		for _, v := range l.asides(c) {
			item(v.Language+", "+v.Subject, v)
		}
	}
	b.WriteString("\nThe remarks and the background\n")
	for _, c := range rest {
		fmt.Fprintf(b, "\n%s %s\n", c.ID, c.Title)
		for _, language := range Languages {
			for _, col := range append([]string{""}, Columns...) {
				v := l.Of(c.ID, language, col, "")
				if v == nil {
					continue
				}
				label := language
				if col != "" {
					label += ", " + col
				}
				item(label, v)
			}
		}
	}
	fmt.Fprintf(b, "\n%s\n", strings.Join(wrap(l.about(), pageWidth-6), "\n"))
	return b.Flush()
}

// must is a verdict of the table; one that the claim does not give is not
// decided.
func (l *Ledger) must(c *Claim, language, column string) *Verdict {
	if v := l.Of(c.ID, language, column, ""); v != nil {
		return v
	}
	return &Verdict{Claim: c.ID, Language: language, Column: column, Word: Undecidable}
}

func compact(parts ...string) (out []string) {
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

// wantRepeats is how many a verdict asks for.
const wantRepeats = 10

// about says how the verdicts were made.
func (l *Ledger) about() string {
	when := "fixed before the run"
	if l.RunRules != l.RulesVersion {
		when = "changed since the run began (under version " + cmp.Or(l.RunRules, "0") + ")"
	}
	s := fmt.Sprintf("Rules version %s, %s. Each number has its 95 %% interval: of a median by order statistics, of a slope Student's, of anything else by bootstrap over the repeats. "+
		"n is the fewest repeats behind it that count; where fewer than ten were made it says quick. Below six repeats no interval of a median reaches 95 %%, and it is their range. "+
		"A verdict takes the whole interval: where that includes the bound, nothing is decided.", l.RulesVersion, when)
	if floors := stats.Floors(l.Noise); floors != "" {
		return s + " A server compared with itself (A/A) differs by up to: " + floors + "."
	}
	return s + " No server was compared with itself, so the noise of this machine is not known."
}

// wrap breaks a text into lines of at most width runes, at spaces.
func wrap(s string, width int) (lines []string) {
	for _, part := range strings.Split(s, "\n") {
		indent := part[:len(part)-len(strings.TrimLeft(part, " "))]
		line := indent
		for _, word := range strings.Fields(part) {
			switch {
			case strings.TrimSpace(line) == "":
				line += word
			case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
				lines = append(lines, line)
				line = indent + word
			default:
				line += " " + word
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// Markdown writes the table for a README or a report.
func Markdown(w io.Writer, l *Ledger) error {
	b := bufio.NewWriter(w)
	b.WriteString("| |")
	for _, col := range Columns {
		fmt.Fprintf(b, " %s |", col)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(Columns)) + "\n")
	table, rest := l.rows()
	for _, c := range table {
		fmt.Fprintf(b, "| **%s** %s |", c.ID, plain(c.Title))
		for _, col := range Columns {
			parts := []string{"“" + plain(c.Says[col]) + "”"}
			for _, language := range Languages {
				parts = append(parts, l.must(c, language, col).markdown())
			}
			fmt.Fprintf(b, " %s |", strings.Join(parts, "<br>"))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	for _, c := range table {
		for _, v := range l.asides(c) {
			fmt.Fprintf(b, "- %s, %s: %s\n", c.ID, plain(v.Subject), v.markdown())
		}
	}
	b.WriteString("\n| | the remarks and the background | Go | CPython |\n|---|---|---|---|\n")
	for _, c := range rest {
		fmt.Fprintf(b, "| **%s** | %s |", c.ID, plain(c.Title))
		for _, language := range Languages {
			var parts []string
			for _, col := range append([]string{""}, Columns...) {
				if v := l.Of(c.ID, language, col, ""); v != nil {
					s := v.markdown()
					if col != "" {
						s = col + ": " + strings.TrimPrefix(s, language+": ")
					} else {
						s = strings.TrimPrefix(s, language+": ")
					}
					parts = append(parts, s)
				}
			}
			fmt.Fprintf(b, " %s |", strings.Join(parts, "<br>"))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "\n%s\n", plain(l.about()))
	return b.Flush()
}

// Brief writes the document's table alone, with a word and a number in each
// cell, for the first page of something.
func Brief(w io.Writer, l *Ledger) error {
	b := bufio.NewWriter(w)
	b.WriteString("| |")
	for _, col := range Columns {
		fmt.Fprintf(b, " %s |", col)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(Columns)) + "\n")
	table, _ := l.rows()
	for _, c := range table {
		fmt.Fprintf(b, "| **%s** %s |", c.ID, plain(c.Title))
		for _, col := range Columns {
			parts := []string{"“" + plain(c.Says[col]) + "”"}
			for _, language := range Languages {
				v := l.must(c, language, col)
				s := language + ": **" + string(v.Word) + "**"
				// That a repeat among many is suspect is for the whole ledger to say.
				doubts := slices.DeleteFunc(v.doubts(), func(d string) bool { return d == "suspect" })
				if len(doubts) > 0 && v.Word != Undecidable {
					s += " (" + strings.Join(doubts, ", ") + ")"
				}
				if len(v.Effects) > 0 && v.Effects[0].Known() {
					s += ", " + plain(v.Effects[0].What+": "+v.Effects[0].interval())
				}
				parts = append(parts, s)
			}
			fmt.Fprintf(b, " %s |", strings.Join(parts, "<br>"))
		}
		b.WriteByte('\n')
	}
	return b.Flush()
}

func (v *Verdict) markdown() string {
	_, number, rests := v.head()
	s := v.Language + ": **" + string(v.Word) + "**"
	if v.Word == Depends || v.Word == Undecidable {
		s += ", " + plain(shorten(v.Why, 90))
	}
	for _, p := range compact(number, rests) {
		s += "; " + plain(p)
	}
	return s
}

func plain(s string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "`", "\\`", "|", `\|`).Replace(strings.Join(strings.Fields(s), " "))
}

// Explain writes all there is to one claim: its words, its rule, and each
// verdict with its numbers and cells.
func Explain(w io.Writer, l *Ledger, id string) error {
	b := bufio.NewWriter(w)
	i := slices.IndexFunc(l.Claims, func(c *Claim) bool { return c.ID == id })
	if i < 0 {
		return fmt.Errorf("there is no claim %q", id)
	}
	c := l.Claims[i]
	fmt.Fprintf(b, "%s %s\n\n", c.ID, c.Title)
	for _, p := range [][2]string{{"claimed", c.Quote}, {"taken to mean", c.Definition}, {"experiment", c.Experiment}, {"metric", c.Metric}, {"why", c.Lesson}, {"rule, version " + c.Rule.Version, c.Rule.Text}} {
		lines := wrap(p[1], 96)
		fmt.Fprintf(b, "%s:\n    %s\n", p[0], strings.Join(lines, "\n    "))
	}
	for i := range l.Verdicts {
		v := &l.Verdicts[i]
		if v.Claim != id {
			continue
		}
		name := v.Language
		for _, part := range compact(v.Column, v.Subject) {
			name += ", " + part
		}
		fmt.Fprintf(b, "\n%s: %s\n", name, v.Word)
		if v.Why != "" {
			fmt.Fprintf(b, "    %s\n", strings.Join(wrap(v.Why, 96), "\n    "))
		}
		if v.Subject == "" && v.Column != "" && l.hasModels(v) {
			continue // the numbers stand with the models
		}
		for _, f := range v.Effects {
			bound := ""
			if f.Bound != "" {
				bound = ", asked " + f.Bound
			}
			fmt.Fprintf(b, "    %s: %s%s\n", f.What, f.interval(), bound)
		}
		for _, n := range v.Notes {
			fmt.Fprintf(b, "    %s\n", strings.Join(wrap(n, 96), "\n      "))
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
