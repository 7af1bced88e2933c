// Package prose has the small functions that put data into sentences: lists, counts, line breaks
// and cuts. Widths are in columns of a terminal; a wide rune takes two.
package prose

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// columns measures text. It does not ask the locale, which would make "±" and "–" two columns wide
// in some: the same record gives the same text everywhere.
var columns = &runewidth.Condition{}

// Width returns how many columns of a terminal s takes.
func Width(s string) int { return columns.StringWidth(s) }

// List joins words as a sentence does: "a, b and c".
func List(words []string) string {
	n := len(words)
	if n < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
}

// Join joins the parts that are not empty.
func Join(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), sep)
}

// Count returns a number with its noun: "1 cell", "1,200 cells".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return stats.Group(n) + " " + noun + "s"
}

// Capital returns s with its first letter in upper case.
func Capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// Line returns s on one line, with single spaces.
func Line(s string) string { return strings.Join(strings.Fields(s), " ") }

var markdown = strings.NewReplacer(`\`, `\\`, "<", "&lt;", "*", `\*`, "`", "\\`")

// Markdown returns s on one line, escaped so that nothing in it is markup.
func Markdown(s string) string { return markdown.Replace(Line(s)) }

// Code returns s on one line as code in Markdown.
func Code(s string) string {
	if strings.Contains(s, "`") {
		return "`` " + Line(s) + " ``"
	}
	return "`" + Line(s) + "`"
}

// Shorten cuts s to at most width columns: after a word where one ends in the second half, and with
// a "…" in place of the rest.
func Shorten(s string, width int) string {
	if Width(s) <= width {
		return s
	}
	cut := columns.Truncate(s, width-2, "")
	if i := strings.LastIndexByte(cut, ' '); i > len(cut)/2 {
		return strings.TrimRight(cut[:i], " ,;:") + " …"
	}
	return columns.Truncate(s, width, "…")
}

// Wrap breaks s at spaces into lines of at most width columns. It keeps line breaks in s, and
// indents the lines of an indented part alike. A word that is longer than a line gets a line
// of its own.
func Wrap(s string, width int) []string {
	var lines []string
	for part := range strings.SplitSeq(s, "\n") {
		indent := part[:len(part)-len(strings.TrimLeft(part, " "))]
		wrapped := WrapFunc(part, func(line string) bool { return Width(indent)+Width(line) <= width })
		if wrapped == nil {
			wrapped = []string{""}
		}
		for _, line := range wrapped {
			lines = append(lines, indent+line)
		}
	}
	return lines
}

// Paragraph wraps s, and puts first before its first line, next before the others, and a line break
// after each.
func Paragraph(s string, width int, first, next string) string {
	return first + strings.Join(Wrap(s, width), "\n"+next) + "\n"
}

// WrapFunc breaks s at white space into lines that fit.
func WrapFunc(s string, fits func(line string) bool) []string {
	var lines []string
	for _, word := range strings.Fields(s) {
		if n := len(lines); n > 0 && fits(lines[n-1]+" "+word) {
			lines[n-1] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}
