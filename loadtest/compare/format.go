package compare

import (
	"bufio"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// Formats are how a comparison can be written.
var Formats = map[string]func(io.Writer, *Comparison) error{
	"markdown": Markdown, "csv": CSV, "json": JSON, "html": HTML,
}

var heads = []string{"model", "asked", "clients", "A", "B", "B ÷ A", "interval", "p", "B is"}

// rightFrom is the first column that is aligned to the right, and rightTo the
// one after the last.
const rightFrom, rightTo = 2, 8

// cells are a row's as text, as in heads.
func (c *Comparison) cells(r *Row) []string {
	model := r.Cell.Model
	if c.Paired {
		model = r.Peer.Model + " ÷ " + r.Cell.Model
	}
	out := []string{model, r.Cell.Asked(), r.Cell.At(), side(r.A, r.Metric.Unit), side(r.B, r.Metric.Unit)}
	if r.Outcome == Unmeasured {
		return append(out, "–", "–", "–", string(r.Outcome)+": "+r.Why)
	}
	iv := "–"
	if r.Ratio.Known() {
		iv = fmt.Sprintf("%.3f – %.3f", r.Ratio.Lo, r.Ratio.Hi)
	}
	is := string(r.Outcome)
	if r.Outcome != Tie {
		if by := math.Abs(r.Change()); by < 1 {
			is += " by " + percent(by)
		} else {
			is += fmt.Sprintf(", %.3g times", r.Ratio.Value)
		}
	}
	if r.Few {
		is += " ¹"
	}
	if r.Suspect {
		is += " ?"
	}
	if r.Regressed {
		is += ", more than allowed"
	}
	return append(out, fmt.Sprintf("%.3f", r.Ratio.Value), iv, fmt.Sprintf("%.3f", r.P), is)
}

func side(s stats.Estimate, u stats.Unit) string {
	if s.N == 0 {
		return "–"
	}
	out := u.Format(s.Value)
	if sp := s.Spread(); !math.IsNaN(sp) {
		out += fmt.Sprintf(" ±%.0f%%", 100*sp)
	}
	return out
}

// A section is the rows of one metric.
type section struct {
	Metric stats.Metric
	Rows   []*Row
}

func (c *Comparison) sections() []section {
	var out []section
	for i := range c.Rows {
		r := &c.Rows[i]
		if len(out) == 0 || !r.is(out[len(out)-1].Metric) {
			out = append(out, section{Metric: r.Metric})
		}
		s := &out[len(out)-1]
		s.Rows = append(s.Rows, r)
	}
	return out
}

// Markdown writes tables that can be read as they are, too.
func Markdown(w io.Writer, c *Comparison) error {
	b := bufio.NewWriter(w)
	plain := func(s string) string {
		return strings.NewReplacer("<", "&lt;", "*", `\*`, "`", "\\`", "|", `\|`).Replace(strings.Join(strings.Fields(s), " "))
	}
	fmt.Fprintf(b, "# %s beside %s\n\nA is %s, B is %s. %s\n\n", plain(c.B), plain(c.A), plain(c.A), plain(c.B), c.conclusion())
	list := func(head string, items []string) {
		if len(items) == 0 {
			return
		}
		fmt.Fprintf(b, "%s\n\n", head)
		for _, s := range items {
			fmt.Fprintf(b, "- %s\n", plain(s))
		}
		b.WriteByte('\n')
	}
	list("**What else differs:**", c.Differences)
	for _, s := range c.sections() {
		fmt.Fprintf(b, "## %s\n\n", s.Metric.Title)
		rows := [][]string{heads}
		for _, r := range s.Rows {
			var cells []string
			for _, x := range c.cells(r) {
				cells = append(cells, plain(x))
			}
			rows = append(rows, cells)
		}
		writeTable(b, rows)
	}
	for _, n := range c.footnotes() {
		fmt.Fprintf(b, "%s\n\n", n)
	}
	list("Not compared:", c.Missing)
	return b.Flush()
}

func writeTable(b *bufio.Writer, rows [][]string) {
	widths := make([]int, len(heads))
	for _, r := range rows {
		for i, x := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(x), 3)
		}
	}
	line := func(cells []string) {
		for i, x := range cells {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(x))
			if i >= rightFrom && i < rightTo {
				fmt.Fprintf(b, "| %s%s ", pad, x)
			} else {
				fmt.Fprintf(b, "| %s%s ", x, pad)
			}
		}
		b.WriteString("|\n")
	}
	line(rows[0])
	for i, n := range widths {
		rule := strings.Repeat("-", n)
		if i >= rightFrom && i < rightTo {
			rule = rule[1:] + ":"
		}
		fmt.Fprintf(b, "| %s ", rule)
	}
	b.WriteString("|\n")
	for _, r := range rows[1:] {
		line(r)
	}
	b.WriteByte('\n')
}

// An item is a row as data, in base units. What is not known is null in JSON
// and empty in CSV.
type item struct {
	Metric   string   `json:"metric"`
	Unit     string   `json:"unit,omitempty"`
	ModelA   string   `json:"model_a"`
	ModelB   string   `json:"model_b"`
	Protocol string   `json:"protocol"`
	Workload string   `json:"workload"`
	Clients  int      `json:"clients"`
	Loop     string   `json:"loop"`
	Rate     string   `json:"rate,omitempty"`
	Setting  string   `json:"setting,omitempty"`
	A        *float64 `json:"a"`
	ALo      *float64 `json:"a_lo"`
	AHi      *float64 `json:"a_hi"`
	AN       int      `json:"a_repeats"`
	B        *float64 `json:"b"`
	BLo      *float64 `json:"b_lo"`
	BHi      *float64 `json:"b_hi"`
	BN       int      `json:"b_repeats"`
	Ratio    *float64 `json:"ratio"`
	RatioLo  *float64 `json:"ratio_lo"`
	RatioHi  *float64 `json:"ratio_hi"`
	Interval string   `json:"interval"` // "95 % CI", "range" or none
	P        *float64 `json:"p"`
	// Outcome is of B: "better", "worse", "~" or "not comparable".
	Outcome   Outcome `json:"outcome"`
	Few       bool    `json:"too_few_repeats"`
	Suspect   bool    `json:"suspect"`
	Regressed bool    `json:"regressed"`
	Why       string  `json:"why,omitempty"`
}

func (r *Row) item() item {
	k := r.Cell.Key
	i := item{Metric: r.Metric.Name, Unit: string(r.Metric.Unit), ModelA: k.Model, ModelB: r.Peer.Model,
		Protocol: k.Protocol, Workload: k.Workload, Clients: k.Clients, Loop: k.Loop, Rate: k.Rate, Setting: k.Setting,
		AN: r.A.N, BN: r.B.N, Outcome: r.Outcome, Few: r.Few, Suspect: r.Suspect, Regressed: r.Regressed, Why: r.Why}
	set := func(e *stats.Estimate, median, lo, hi **float64) {
		if e.N > 0 {
			*median = &e.Value
		}
		if e.Known() {
			*lo, *hi = &e.Lo, &e.Hi
		}
	}
	set(&r.A, &i.A, &i.ALo, &i.AHi)
	set(&r.B, &i.B, &i.BLo, &i.BHi)
	if r.Outcome != Unmeasured {
		set(&r.Ratio, &i.Ratio, &i.RatioLo, &i.RatioHi)
		i.P = &r.P
		switch {
		case r.Ratio.Method == stats.Range:
			i.Interval = "range"
		case r.Ratio.Known():
			i.Interval = "95 % CI"
		}
	}
	return i
}

// JSON writes the comparison as one object.
func JSON(w io.Writer, c *Comparison) error {
	out := struct {
		A             string   `json:"a"`
		B             string   `json:"b"`
		Paired        bool     `json:"paired"`
		MaxRegression *float64 `json:"max_regression"`
		Failed        int      `json:"failed"`
		Differences   []string `json:"differences"`
		Missing       []string `json:"missing"`
		Comparisons   []item   `json:"comparisons"`
	}{c.A, c.B, c.Paired, nil, len(c.Failed()), append([]string{}, c.Differences...), append([]string{}, c.Missing...), []item{}}
	if !math.IsNaN(c.MaxRegression) {
		out.MaxRegression = &c.MaxRegression
	}
	for i := range c.Rows {
		out.Comparisons = append(out.Comparisons, c.Rows[i].item())
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// CSV writes a line for each comparison. What differs beside it, and what is
// missing, are in the other formats.
func CSV(w io.Writer, c *Comparison) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"metric", "unit", "model_a", "model_b", "protocol", "workload", "clients", "loop", "rate", "setting",
		"a", "a_lo", "a_hi", "a_repeats", "b", "b_lo", "b_hi", "b_repeats", "ratio", "ratio_lo", "ratio_hi", "interval", "p",
		"outcome", "too_few_repeats", "suspect", "regressed", "why"}); err != nil {
		return err
	}
	num := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	for j := range c.Rows {
		i := c.Rows[j].item()
		if err := out.Write([]string{i.Metric, i.Unit, i.ModelA, i.ModelB, i.Protocol, i.Workload, strconv.Itoa(i.Clients), i.Loop, i.Rate, i.Setting,
			num(i.A), num(i.ALo), num(i.AHi), strconv.Itoa(i.AN), num(i.B), num(i.BLo), num(i.BHi), strconv.Itoa(i.BN),
			num(i.Ratio), num(i.RatioLo), num(i.RatioHi), i.Interval, num(i.P),
			string(i.Outcome), strconv.FormatBool(i.Few), strconv.FormatBool(i.Suspect), strconv.FormatBool(i.Regressed), i.Why}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

//go:embed compare.html
var page string

var pageTemplate = template.Must(template.New("compare").Parse(page))

// HTML writes one file, which needs no other and no network.
func HTML(w io.Writer, c *Comparison) error {
	type cell struct {
		Text  string
		Right bool
	}
	type row struct {
		Class string
		Cells []cell
	}
	type table struct {
		Title string
		Rows  []row
	}
	data := struct {
		A, B, Conclusion     string
		Failed               bool
		Differences, Missing []string
		Heads                []cell
		Tables               []table
		Footnotes            []string
	}{A: c.A, B: c.B, Conclusion: c.conclusion(), Failed: len(c.Failed()) > 0, Differences: c.Differences, Missing: c.Missing, Footnotes: c.footnotes()}
	right := func(i int) bool { return i >= rightFrom && i < rightTo }
	for i, h := range heads {
		data.Heads = append(data.Heads, cell{h, right(i)})
	}
	for _, s := range c.sections() {
		t := table{Title: s.Metric.Title}
		for _, r := range s.Rows {
			class := map[Outcome]string{Better: "better", Worse: "worse", Tie: "tie", Unmeasured: "none"}[r.Outcome]
			if r.Regressed {
				class = "regressed"
			}
			out := row{Class: class}
			for i, x := range c.cells(r) {
				out.Cells = append(out.Cells, cell{x, right(i)})
			}
			t.Rows = append(t.Rows, out)
		}
		data.Tables = append(data.Tables, t)
	}
	return pageTemplate.Execute(w, data)
}
