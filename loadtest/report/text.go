package report

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A table is one of Markdown's. The zero value has no columns.
type table struct {
	heads []string
	right []bool
	rows  [][]string
}

// col adds columns; a name that ends in ">" is of one aligned to the right.
func (t *table) col(names ...string) {
	for _, n := range names {
		name, right := strings.CutSuffix(n, ">")
		t.heads = append(t.heads, name)
		t.right = append(t.right, right)
	}
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(b *bufio.Writer) {
	line := func(cells []string) {
		for _, c := range cells {
			fmt.Fprintf(b, "| %s ", strings.ReplaceAll(c, "|", `\|`))
		}
		b.WriteString("|\n")
	}
	line(t.heads)
	for _, r := range t.right {
		if r {
			b.WriteString("| ---: ")
		} else {
			b.WriteString("| --- ")
		}
	}
	b.WriteString("|\n")
	for _, r := range t.rows {
		line(r)
	}
	b.WriteByte('\n')
}

// inline keeps a text on one line.
func inline(s string) string { return strings.Join(strings.Fields(s), " ") }

// plain is a text from elsewhere, such as an error, that must not become
// markup.
func plain(s string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "`", "\\`").Replace(inline(s))
}

// code is s as code, whatever is in it.
func code(s string) string {
	if strings.Contains(s, "`") {
		return "`` " + inline(s) + " ``"
	}
	return "`" + inline(s) + "`"
}

// list joins words as a sentence does.
func list(words []string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return stats.Group(n) + " times"
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// host names a machine in a few words.
func host(h result.Host) string {
	parts := []string{h.CPUModel}
	switch {
	case h.Cores == 1:
		parts = append(parts, "1 core")
	case h.Cores > 1:
		parts = append(parts, stats.Group(h.Cores)+" cores")
	}
	parts = append(parts, strings.TrimSpace(h.OS+" "+h.Kernel))
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}
