package prose

import (
	"slices"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a and b": {"a", "b"}, "a, b and c": {"a", "b", "c"}} {
		if got := List(words); got != want {
			t.Errorf("List(%q) = %q, want %q", words, got, want)
		}
	}
}

func TestJoin(t *testing.T) {
	if got := Join(", ", "", "a", "", "b"); got != "a, b" {
		t.Errorf("Join is %q", got)
	}
}

func TestParagraph(t *testing.T) {
	if got, want := Paragraph("one two three", 8, "- ", "  "), "- one two\n  three\n"; got != want {
		t.Errorf("Paragraph is %q, want %q", got, want)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 cells", 1: "1 cell", 1200: "1,200 cells"} {
		if got := Count(n, "cell"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestMarkup(t *testing.T) {
	const s = "a <b>\n *c* `d` \\*"
	if got, want := Markdown(s), "a &lt;b> \\*c\\* \\`d\\` \\\\\\*"; got != want {
		t.Errorf("Markdown(%q) = %q, want %q", s, got, want)
	}
	if got, want := Code(s), "`` a <b> *c* `d` \\* ``"; got != want {
		t.Errorf("Code(%q) = %q, want %q", s, got, want)
	}
	if got := Code("ls  -l"); got != "`ls -l`" {
		t.Errorf("Code is %q", got)
	}
	if got := Capital("ürban"); got != "Ürban" {
		t.Errorf("Capital is %q", got)
	}
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct {
		why, s string
		width  int
		want   string
	}{
		{"it fits", "short", 5, "short"},
		{"at a word", "one two three four", 12, "one two …"},
		{"without a comma before the cut", "one two, three four", 12, "one two …"},
		{"no word ends in the second half", "an incomprehensibility", 10, "an incomp…"},
		{"one word", "incomprehensibility", 6, "incom…"},
		{"wide runes", "漢字漢字漢字", 6, "漢字…"},
	} {
		got := Shorten(tt.s, tt.width)
		if got != tt.want || Width(got) > tt.width {
			t.Errorf("%s: Shorten(%q, %d) = %q, %d columns; want %q", tt.why, tt.s, tt.width, got, Width(got), tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		why, s string
		width  int
		want   []string
	}{
		{"empty", "", 5, []string{""}},
		{"at spaces", "one two three", 8, []string{"one two", "three"}},
		{"a long word", "a incomprehensible b", 5, []string{"a", "incomprehensible", "b"}},
		{"its own breaks and indentation", "one\n  two three", 7, []string{"one", "  two", "  three"}},
		{"wide runes", "漢字 漢字", 8, []string{"漢字", "漢字"}},
	} {
		if got := Wrap(tt.s, tt.width); !slices.Equal(got, tt.want) {
			t.Errorf("%s: Wrap(%q, %d) = %q, want %q", tt.why, tt.s, tt.width, got, tt.want)
		}
	}
	if got := strings.Join(WrapFunc("a bb c", func(s string) bool { return len(s) < 5 }), "|"); got != "a bb|c" {
		t.Errorf("WrapFunc is %q", got)
	}
}
