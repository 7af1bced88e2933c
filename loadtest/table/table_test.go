package table

import (
	"bytes"
	"encoding/csv"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// models is a table with everything that one can have.
func models() *Table {
	t := New(Right("clients"))
	t.Title = "Throughput | p99"
	for _, m := range []string{"eventloop", "a model with a long name"} {
		for _, c := range Right("req/s", "", "p99") {
			c.Group = m
			t.Columns = append(t.Columns, c)
		}
	}
	t.Section("http <plaintext>")
	t.Row(10, Marked("91.0k", Best), "±3.0%", "145 µs", Marked("62.8k", Suspect), "±4.3%", "902 µs")
	t.Row(1000, Text("89.6k").Note("1 of 3\nrepeats *failed*"), "±2.8%", "13.7 ms", Text("invalid (0 of 3)").Note("1 of 3\nrepeats *failed*").Across(3))
	t.Section("echo")
	t.Row(10, "104k", "±2.1%", "114 µs", Missing)
	return t
}

func compare(t *testing.T, why, want, got string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("%s:\n%s\nwant\n%s\n%s", why, got, want, cmp.Diff(want, got))
	}
}

func TestText(t *testing.T) {
	compare(t, "as wide as needed", `
Throughput | p99
         eventloop               a model with a …
clients  req/s              p99  req/s           p99
http <plaintext>
     10  91.0k*   ±3.0%  145 µs  62.8k? ±4.3% 902 µs
   1000  89.6k[1] ±2.8% 13.7 ms  invalid (0 of 3)[1]

echo
     10   104k    ±2.1%  114 µs      –

[1] 1 of 3 repeats *failed*
`, models().Text(0))
	compare(t, "groups that do not fit, and the second has nothing of a section", `
Throughput | p99
         eventloop
clients  req/s              p99
http <plaintext>
     10  91.0k*   ±3.0%  145 µs
   1000  89.6k[1] ±2.8% 13.7 ms

echo
     10   104k    ±2.1%  114 µs

         a model with a …
clients  req/s           p99
http <plaintext>
     10  62.8k? ±4.3% 902 µs
   1000  invalid (0 of 3)[1]

[1] 1 of 3 repeats *failed*
`, models().Text(40))

	wide := New(Left("名前", "what it says"), Right("n"), Left(""))
	wide.Title, wide.Indent = "Wide:", 2
	wide.Columns[1].Width = 12
	wide.Row("漢字漢字", "one two three four", 1, "!")
	wide.Row("a", "tab\tand\nbreak\x1b[2J", 200)
	wide.Row("b", Text("over two columns, and wider than they are").Across(2), "!")
	wide.Row("c", Text("over the rest, which widens nothing, as nothing is to the right of it").Across(3))
	compare(t, "wide runes, wrapped text and control characters", `
Wide:
  名前      what it says                            n
  漢字漢字  one two                                 1  !
            three four
  a         tab and                               200
            break [2J
  b         over two columns, and wider than they are  !
  c         over the rest, which widens nothing, as nothing is to the right of it
`, wide.Text(0))
}

func TestMarkdown(t *testing.T) {
	compare(t, "escaped", `
Throughput | p99

| clients | eventloop req/s | eventloop | eventloop p99 | a model with a long name req/s | a model with a long name | a model with a long name p99 |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| **http &lt;plaintext>** |  |  |  |  |  |  |
| 10 | **91.0k** | ±3.0% | 145 µs | 62.8k suspect | ±4.3% | 902 µs |
| 1000 | 89.6k<sup>1</sup> | ±2.8% | 13.7 ms | invalid (0 of 3)<sup>1</sup> |  |  |
| **echo** |  |  |  |  |  |  |
| 10 | 104k | ±2.1% | 114 µs | – |  |  |

<sup>1</sup> 1 of 3 repeats \*failed\*  
`, models().Markdown())

	padded := New(Left("model", "says"), Right("n"))
	padded.Padded = true
	padded.Row("a|b", Marked("*", Strong).Add(" and\nmore"), 1)
	padded.Row("漢字", "", 10)
	compare(t, "padded", `
| model | says               |   n |
| ----- | ------------------ | --: |
| a\|b  | **\*** and<br>more |   1 |
| 漢字  |                    |  10 |
`, padded.Markdown())
}

func TestCellMarkdown(t *testing.T) {
	if got, want := Text("Go: ").Append(Marked("a|b", Strong).Spans...).Note("left out").Markdown(), `Go: **a\|b**`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNotesOfSeveralTables(t *testing.T) {
	var notes Notes
	for _, want := range []string{"a<sup>1</sup> | b<sup>2</sup> |", "a<sup>2</sup> | b<sup>3</sup> |"} {
		table := New(Left("x", "y"))
		table.Notes = &notes
		first := len(notes)
		table.Row(Text("a").Note([]string{"one", "two"}[min(first, 1)]), Text("b").Note([]string{"two", "three"}[min(first, 1)]))
		if got := table.Markdown(); !strings.Contains(got, want) || strings.Contains(got, "two") {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	compare(t, "notes", "<sup>1</sup> one  \n<sup>2</sup> two  \n<sup>3</sup> three  \n", notes.Markdown())
}

// Whatever the cells contain, a row is one line in Markdown, with a bar on each side of each cell, and
// the other writers take it.
func FuzzRows(f *testing.F) {
	f.Add("a|b", `\|`, 10)
	f.Add("**\r\n", "漢字 \u0301 \x1b[1m", 3)
	f.Fuzz(func(t *testing.T, a, b string, width int) {
		table := New(Left("a"), Right("b"), Left("c"))
		table.Columns[0].Width = width % 100
		table.Row(a, Marked(b, Best).Note(b), Text(a+b))
		table.Row(Text(b).Across(2), 1)
		lines := strings.Split(table.Markdown(), "\n")
		for _, line := range lines[:4] {
			bars := strings.Count(strings.NewReplacer(`\\`, "", `\|`, "").Replace(line), "|")
			if bars != 4 {
				t.Errorf("%d bars in %q", bars, line)
			}
		}
		if len(lines) > 4 && strings.HasPrefix(lines[4], "|") {
			t.Errorf("a row of several lines: %q", lines)
		}
		if _, err := table.HTML(); err != nil {
			t.Error(err)
		}
		table.Text(width)
	})
}

func TestCSV(t *testing.T) {
	x := 0.1
	table := New(Left("a", "b", "c", "d", "e", "f"))
	table.Title = "not written"
	table.Section("nor this")
	table.Row("text, with a comma", 1e-7, &x, (*float64)(nil), math.NaN(), true)
	table.Row(Marked("12.3k/s", Best).Add(" ±1%"), Cell{Spans: []Span{{Text: "12.3k/s"}}, Value: 12345.678}, Missing, Text("over").Across(2), int64(7))
	table.Row("short")
	var b bytes.Buffer
	if err := table.CSV(&b); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"a", "b", "c", "d", "e", "f"},
		{"text, with a comma", "1e-07", "0.1", "", "", "true"},
		{"12.3k/s ±1%", "12345.678", "", "over", "", "7"},
		{"short", "", "", "", "", ""},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if err := table.CSV(full{}); !errors.Is(err, errFull) {
		t.Errorf("error %v, want %v", err, errFull)
	}
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestHTML(t *testing.T) {
	got, err := models().HTML()
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "groups, sections and notes", `
<div class="scroll" tabindex="0"><table class="numbers"><caption>Throughput | p99</caption>
<thead><tr><th></th><th colspan="3">eventloop</th><th colspan="3">a model with a long name</th></tr><tr><th>clients</th><th>req/s</th><th></th><th>p99</th><th>req/s</th><th></th><th>p99</th></tr></thead>
<tbody><tr class="section"><td colspan="7"><strong>http &lt;plaintext&gt;</strong></td></tr>
<tr><td>10</td><td><strong>91.0k</strong></td><td>±3.0%</td><td>145 µs</td><td>62.8k <span class="tag suspect-text">suspect</span></td><td>±4.3%</td><td>902 µs</td></tr>
<tr><td>1000</td><td>89.6k<sup>1</sup></td><td>±2.8%</td><td>13.7 ms</td><td colspan="3">invalid (0 of 3)<sup>1</sup></td></tr>
<tr class="section"><td colspan="7"><strong>echo</strong></td></tr>
<tr><td>10</td><td>104k</td><td>±2.1%</td><td>114 µs</td><td>–</td></tr>
</tbody></table></div>
<p class="note"><sup>1</sup> 1 of 3
repeats *failed*</p>
`, string(got)+"\n")

	table := New(Left("model"), Right("n"), Left("why"))
	table.Columns[2].Width, table.RowHeads = 40, true
	table.Row(Cell{Spans: []Span{{Text: `<b>"&`, Href: "javascript:alert(1)"}, {Text: "c", Href: "#cell-1", Hint: "all of it", Class: "tag valid"}}}, 1, "one\ntwo").Class = `"><script>`
	got, err = table.HTML()
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "escaped", `
<div class="scroll" tabindex="0"><table>
<thead><tr><th>model</th><th class="right">n</th><th class="wrap">why</th></tr></thead>
<tbody><tr class="&#34;&gt;&lt;script&gt;"><th scope="row"><a href="#ZgotmplZ">&lt;b&gt;&#34;&amp;</a><a href="#cell-1" title="all of it"><span class="tag valid">c</span></a></th><td class="right">1</td><td class="wrap">one<br>two</td></tr>
</tbody></table></div>
`, string(got)+"\n")
}
