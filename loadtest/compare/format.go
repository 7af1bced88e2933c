package compare

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"reflect"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// Formats are the writers of a comparison.
var Formats = map[string]func(io.Writer, *Comparison) error{
	"markdown": Markdown, "csv": CSV, "json": JSON, "html": HTML,
}

// table returns a table of the rows of one metric.
func (c *Comparison) table(rows []*Row) *table.Table {
	t := table.New(table.Left("model", "asked"), table.Right("clients", "A", "B", "B ÷ A", "interval", "p"), table.Left("B is"))
	t.Padded = true
	for _, r := range rows {
		t.Row(c.cells(r)...).Class = r.class()
	}
	return t
}

// class returns the row's class in the page's style.
func (r *Row) class() string {
	if r.Regressed {
		return "regressed"
	}
	return map[Outcome]string{Better: "better", Worse: "worse", Tie: "tie", Unmeasured: "none"}[r.Outcome]
}

// cells returns the cells of a row.
func (c *Comparison) cells(r *Row) []any {
	model := r.Cell.Model
	if c.Paired {
		model = r.Peer.Model + " ÷ " + r.Cell.Model
	}
	out := []any{model, r.Cell.Asked(), r.Cell.At(), side(r.A, r.Metric.Unit), side(r.B, r.Metric.Unit)}
	if r.Outcome == Unmeasured {
		return append(out, table.Missing, table.Missing, table.Missing, string(r.Outcome)+": "+r.Why)
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
	return append(out, r.Ratio.Format(stats.Times), r.Ratio.Ends(stats.Times), stats.Times.Format(r.P), is)
}

func side(s stats.Estimate, u stats.Unit) string {
	out := s.Format(u)
	if sp := s.Spread(); !math.IsNaN(sp) {
		out += fmt.Sprintf(" ±%.0f%%", 100*sp)
	}
	return out
}

// A section is the table of one metric.
type section struct {
	Metric stats.Metric
	*table.Table
}

func (c *Comparison) sections() []section {
	var out []section
	var rows []*Row
	for i := range c.Rows {
		r := &c.Rows[i]
		rows = append(rows, r)
		if i+1 == len(c.Rows) || !r.is(c.Rows[i+1].Metric) {
			out = append(out, section{r.Metric, c.table(rows)})
			rows = nil
		}
	}
	return out
}

// Markdown writes tables that are readable as plain text, too.
func Markdown(w io.Writer, c *Comparison) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# %s compared with %s\n\nA is %s, B is %s. %s\n\n",
		prose.Markdown(c.B), prose.Markdown(c.A), prose.Markdown(c.A), prose.Markdown(c.B), c.conclusion())
	list := func(head string, items []string) {
		if len(items) == 0 {
			return
		}
		fmt.Fprintf(b, "%s\n\n", head)
		for _, s := range items {
			fmt.Fprintf(b, "- %s\n", prose.Markdown(s))
		}
		b.WriteByte('\n')
	}
	list("**What else differs:**", c.Differences)
	for _, s := range c.sections() {
		fmt.Fprintf(b, "## %s\n\n%s\n", s.Metric.Title, s.Markdown())
	}
	for _, n := range c.footnotes() {
		fmt.Fprintf(b, "%s\n\n", n)
	}
	list("Not compared:", c.Missing)
	return b.Flush()
}

// An item is a row as data, in base units. An unknown value is null in JSON and empty in
// CSV, whose columns have the names of these fields.
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
		Protocol: k.Protocol, Workload: k.Workload, Clients: k.Clients, Loop: k.Loop, Rate: k.Rate.String(), Setting: k.Setting.String(),
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

// CSV writes a line for each comparison. It leaves out Differences and Missing, which the
// other formats have.
func CSV(w io.Writer, c *Comparison) error {
	t := &table.Table{}
	for i := range reflect.TypeFor[item]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[item]().Field(i).Tag.Get("json"), ",")
		t.Columns = append(t.Columns, table.Left(name)...)
	}
	for i := range c.Rows {
		v := reflect.ValueOf(c.Rows[i].item())
		var cells []any
		for j := range v.NumField() {
			cells = append(cells, v.Field(j).Interface())
		}
		t.Row(cells...)
	}
	return t.CSV(w)
}

//go:embed compare.html
var page string

var pageTemplate = template.Must(template.New("compare").Parse(page))

// HTML writes a page that needs no other file and no network.
func HTML(w io.Writer, c *Comparison) error {
	return pageTemplate.Execute(w, struct {
		A, B, Conclusion     string
		Failed               bool
		Differences, Missing []string
		Sections             []section
		Footnotes            []string
	}{c.A, c.B, c.conclusion(), len(c.Failed()) > 0, c.Differences, c.Missing, c.sections(), c.footnotes()})
}
