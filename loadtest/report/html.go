package report

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/chart"
	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/slo"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// uPlotVersion is the release in page/uplot, unchanged.
const uPlotVersion = "1.6.32"

//go:embed page
var pageFiles embed.FS

var pageTemplate = template.Must(template.ParseFS(pageFiles, "page/report.html"))

// asset returns a file of the page.
func asset(name string) string {
	b, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic(err) // the file is embedded
	}
	return string(b)
}

// A Link leads from a report or a page of a site to another page.
type Link struct{ Name, Href string }

// Style returns the CSS of the page, for other pages that look like it.
func Style() template.CSS { return template.CSS(asset("report.css")) }

// page writes the report as one file, which needs no other file and no network.
func page(w io.Writer, set *result.Set, drawn []*drawing, site []Link) error {
	all, err := result.ReadHistograms(set.Dir)
	if err != nil {
		return err
	}
	p, err := newView(set).page(all, drawn)
	if err != nil {
		return err
	}
	p.Site = site
	return pageTemplate.Execute(w, p)
}

// A pageData is what the template shows. Everything from the record is text, which the
// template escapes; only the program's own files are not.
type pageData struct {
	Site                          []Link // the pages of the site; nil if the page is not in one
	Title, Sub, Headline, Verdict string
	Counts                        struct{ Valid, Suspect, Invalid string }
	Doubts, Warnings              []string
	Introduction                  string
	Spreads                       string
	AnySuspect                    bool
	Answers                       []answerTable
	Models                        []pageModel
	Charts                        []pageChart
	Groups                        []pageGroup
	Objectives                    *table.Table // nil if the run sets none
	ObjectivesText                string
	AboutObjectives               string
	Explanation                   string
	Ratios                        *table.Table
	AboutRatios                   string
	CellSections                  []cellSection
	ModelDocs, Absent             []pageModel
	Host                          *table.Table
	Command, Provenance, Config   string

	Data          any
	UPlotVersion  string
	CSS, UPlotCSS template.CSS
	UPlot, Script template.JS
}

type pageModel struct {
	Name, Doc, Command string
	Light, Dark        string
}

type pageChart struct {
	Whole                  *pageWhole // at the first part of a divided chart
	Name, Title, Note, Alt string
	Part                   string // empty for a whole chart
	Columns                int
	Picture                template.HTMLAttr // empty if the picture is not within the page
	SVG, PNG               string
	Caption                []string
}

// A pageWhole is the heading of a divided chart.
type pageWhole struct {
	Name, Title, Note string
	Parts             []Link
}

// An answerTable says which model is best at each load, by several metrics.
type answerTable struct {
	Heads []string
	Rows  []answerRow
}

// Columns returns how many columns the table has.
func (t answerTable) Columns() int { return 1 + len(t.Heads) }

type answerRow struct {
	First     bool
	Asked, At string
	Best      [][]answer
}

type answer struct {
	Model, Value string
	Light, Dark  string
	Cell         int
	Suspect      bool
}

type pageGroup struct {
	Title  string
	Tables []*table.Table
}

type cellSection struct {
	Title string
	Cells []cellDetail
}

type cellDetail struct {
	Cell                      int
	Model, Asked, At, Counted string
	Line, Verdict             string
	Repeats                   *table.Table // nil if there are none
	NotChecked                string
}

// Tag returns a verdict as a page shows it.
func Tag(v result.Verdict) table.Span {
	switch v {
	case result.Valid:
		return table.Span{Text: "valid", Class: "tag valid"}
	case result.Suspect:
		return table.Span{Text: "suspect", Class: "tag suspect-text"}
	}
	return table.Span{Text: cmp.Or(string(v), "no verdict"), Class: "tag invalid-text"}
}

func (v *view) page(all *result.Histograms, drawn []*drawing) (*pageData, error) {
	styles := chart.Styles(v.names)
	p := &pageData{
		Title: v.title(), Introduction: strings.Join(v.introduction(), " "), Spreads: v.spreads(), AnySuspect: v.suspect,
		Warnings: v.warnings(), Explanation: v.explanation(), AboutRatios: aboutRatios,
		Provenance: strings.ReplaceAll(v.provenance(), "`", ""), Config: v.run.ConfigText,
		UPlotVersion: uPlotVersion,
		CSS:          Style(), UPlotCSS: template.CSS(asset("uplot/uPlot.min.css")),
		UPlot: template.JS("/*\n" + asset("uplot/LICENSE") + "*/\n" + asset("uplot/uPlot.iife.min.js")), Script: template.JS(asset("report.js")),
		Host: v.hostTable(),
	}
	date := ""
	if !v.run.Started.IsZero() {
		date = v.run.Started.UTC().Format("2 January 2006")
	}
	p.Sub = prose.Join(" · ", date, host(v.run.Host), stats.CPUs(v.cells))
	v.judge(p)
	if v.run.ConfigFile != "" {
		p.Command = "make build && bin/tierbench run " + v.run.ConfigFile
	}
	if rows := slo.Judge(v.run, v.cells); len(rows) > 0 {
		p.Objectives, p.ObjectivesText, p.AboutObjectives = objectiveTable(rows), objectivesText(rows), aboutObjectives
	}
	if len(v.run.Ratios) > 0 {
		p.Ratios = v.ratioTable()
	}
	for _, m := range v.names {
		p.Models = append(p.Models, pageModel{Name: m, Light: styles[m].Light, Dark: styles[m].Dark})
	}
	for _, m := range v.run.Models {
		p.ModelDocs = append(p.ModelDocs, pageModel{Name: m.Name, Doc: m.Doc, Command: strings.Join(m.Command, " ")})
	}
	for _, name := range slices.Sorted(maps.Keys(v.run.Absent)) {
		p.Absent = append(p.Absent, pageModel{Name: name, Doc: v.run.Absent[name]})
	}
	v.answer(p, styles)
	for _, g := range v.groups {
		p.Groups = append(p.Groups, v.pageGroup(g))
		p.CellSections = append(p.CellSections, v.cellSection(all, g))
	}
	specs := []chart.Spec{}
	var whole *pageWhole
	for i, d := range drawn {
		spec := d.figure.Spec(v.place)
		specs = append(specs, spec)
		var head *pageWhole
		if d.figure.Part() != "" {
			if i == 0 || drawn[i-1].chart.Name != d.chart.Name {
				whole = &pageWhole{Name: d.chart.Name, Title: d.chart.Title, Note: prose.Capital(d.chart.Note())}
				head = whole
			}
			whole.Parts = append(whole.Parts, Link{Name: d.figure.Part(), Href: d.figure.Name()})
		}
		p.Charts = append(p.Charts, pageChart{
			Whole: head, Part: d.figure.Part(), Name: d.figure.Name(), Title: spec.Title, Note: spec.Note, Alt: d.figure.Alt(), Columns: spec.Columns, Caption: spec.Caption,
			SVG: path.Join(result.ChartsDir, d.figure.Name()+".svg"), PNG: path.Join(result.ChartsDir, d.figure.Name()+".png"),
		})
	}
	// A page of hundreds of cells only links to its pictures: they would be the larger part
	// of the page.
	if len(drawn) <= mostPictures {
		for i, d := range drawn {
			p.Charts[i].Picture = picture(d.svg)
		}
	}
	p.Data = map[string]any{"styles": styles, "charts": specs}
	return p, nil
}

// mostPictures is the most charts for which a page contains pictures, for readers without
// scripts, or on paper.
const mostPictures = 40

// inURL escapes characters with a meaning in a URL or in an attribute between single quotes,
// and white space, which a URL loses.
var inURL = strings.NewReplacer("%", "%25", "#", "%23", "'", "%27", "&", "%26", "\n", " ", "\t", " ", "\r", " ")

// picture returns the source of an image within the page. As text it is a quarter smaller
// than in base 64.
func picture(svg []byte) template.HTMLAttr {
	return template.HTMLAttr("src='data:image/svg+xml;charset=utf-8," + inURL.Replace(string(svg)) + "'")
}

// place returns the index of a cell in the run, which is its name in the page.
func (v *view) place(c *stats.Cell) int {
	return slices.IndexFunc(v.cells, func(o *stats.Cell) bool { return o.Key == c.Key })
}

// judge says how far the run can be trusted.
func (v *view) judge(p *pageData) {
	n := v.verdicts()
	p.Counts.Valid, p.Counts.Suspect, p.Counts.Invalid = stats.Group(n.valid), stats.Group(n.suspect), stats.Group(n.invalid)
	missing := len(v.cells) - n.good
	switch {
	case n.repeats == 0:
		p.Verdict, p.Headline = "invalid", "No repeat has been measured."
	case missing > 0:
		p.Verdict, p.Headline = "invalid", fmt.Sprintf("%s of %s cells have no repeat that counts.", stats.Group(missing), stats.Group(len(v.cells)))
	case n.invalid > 0:
		p.Verdict, p.Headline = "suspect", fmt.Sprintf("Every cell has repeats that count; %s of %s repeats do not.", stats.Group(n.invalid), stats.Group(n.repeats))
	case n.suspect > 0:
		p.Verdict, p.Headline = "suspect", fmt.Sprintf("Every repeat counts; %s of %s are suspect.", stats.Group(n.suspect), stats.Group(n.repeats))
	default:
		p.Verdict, p.Headline = "valid", fmt.Sprintf("All %s repeats passed every gate.", stats.Group(n.repeats))
	}
	if state := v.state(); state != "" {
		p.Warnings = append([]string{state}, p.Warnings...)
	}
	for _, c := range v.cells {
		if len(c.Repeats) == 0 {
			p.Doubts = append(p.Doubts, fmt.Sprintf("%s, %s, %s clients: not measured", c.Model, c.Asked(), c.At()))
		} else if d := doubts(c); d != "" {
			p.Doubts = append(p.Doubts, fmt.Sprintf("%s, %s, %s clients: %s", c.Model, c.Asked(), c.At(), d))
		}
	}
	if u := v.unchecked(); len(u) > 0 {
		p.Doubts = append(p.Doubts, "not checked: "+strings.Join(u, "; "))
	}
}

// answer fills in the best model at each load.
func (v *view) answer(p *pageData, styles map[string]chart.SpecStyle) {
	by := func(heads []string, which func(*group) bool, metrics ...stats.Metric) {
		t := answerTable{Heads: heads}
		for _, g := range v.groups {
			if !which(g) {
				continue
			}
			for i, r := range g.rows {
				row := answerRow{First: i == 0, Asked: g.title, At: r.label}
				var cells []*stats.Cell
				for _, c := range r.cells {
					if c != nil {
						cells = append(cells, c)
					}
				}
				for _, m := range metrics {
					var best []answer
					order := stats.Best(cells, m)
					slices.SortStableFunc(order, func(a, b int) int { return m.Compare(cells[a].Median(m).Value, cells[b].Median(m).Value) })
					for _, i := range order {
						c := cells[i]
						s := strings.TrimSpace(value(c, m) + " " + spread(c.Median(m)))
						best = append(best, answer{c.Model, s, styles[c.Model].Light, styles[c.Model].Dark, v.place(c), c.Verdict() == result.Suspect})
					}
					row.Best = append(row.Best, best)
				}
				t.Rows = append(t.Rows, row)
			}
		}
		if len(t.Rows) > 0 {
			p.Answers = append(p.Answers, t)
		}
	}
	by([]string{"most throughput", "least CPU time per request", "shortest p99", "least memory in all"},
		func(g *group) bool { return g.workload != result.Idle && !g.isOpen() }, stats.Throughput, stats.CPU, stats.ShownP99, stats.MemoryTotal)
	by([]string{"shortest p99 response time", "least CPU time per request", "most of the rate", "least memory in all"},
		(*group).isOpen, stats.ShownP99, stats.CPU, stats.Achieved, stats.MemoryTotal)
	by([]string{"least growth of user memory", "least memory in all", "fewest threads"},
		func(g *group) bool { return g.workload == result.Idle }, stats.MemoryOfMany, stats.MemoryTotal, stats.Threads)
}

// pageGroup returns the tables of the group. Their cells link to the repeats.
func (v *view) pageGroup(g *group) pageGroup {
	out := pageGroup{Title: g.title}
	for _, columns := range g.tables() {
		t := v.cellTable(g, columns)
		i, last := 0, ""
		g.each(v, func(label, _ string, c *stats.Cell) {
			r := &t.Rows[i]
			i++
			verdict := c.Verdict()
			r.Class = string(verdict)
			if label != last {
				r.Class, last = strings.TrimSpace(r.Class+" group"), label
			}
			r.Cells[1].Spans[0].Href = fmt.Sprintf("#cell-%d", v.place(c))
			if verdict == result.Suspect || verdict == result.Invalid {
				r.Cells[1] = r.Cells[1].Add(" ").Append(Tag(verdict))
			}
		})
		out.Tables = append(out.Tables, t)
	}
	if t := v.memoryTable(g); t != nil {
		out.Tables = append(out.Tables, t)
	}
	return out
}

func (v *view) cellSection(all *result.Histograms, g *group) cellSection {
	out := cellSection{Title: g.title}
	metrics := []stats.Metric{stats.Throughput, stats.CPU, stats.P50, stats.ShownP99, stats.MemoryOfMany, stats.Threads}
	heads := []string{"throughput", "CPU/req", "p50", "p99", "growth ÷ clients", "threads"}
	line := []stats.Metric{stats.Throughput, stats.CPU, stats.ShownP99}
	switch {
	case g.workload == result.Idle:
		metrics, heads = []stats.Metric{stats.MemoryOfMany, stats.PSS, stats.KernelStacks, stats.Threads}, []string{"growth ÷ clients", "user memory", "kernel stacks", "threads"}
		line = []stats.Metric{stats.MemoryOfMany, stats.MemoryTotal}
	case g.isOpen():
		metrics = []stats.Metric{stats.Throughput, stats.CPU, stats.ShownP99, stats.ShownServiceP99, stats.SendLag, stats.Unsent}
		heads = []string{"achieved", "CPU/req", "response p99", "service p99", "send lag p99", "unsent"}
	}
	g.each(v, func(label, model string, c *stats.Cell) {
		d := cellDetail{Cell: v.place(c), Model: model, Asked: g.title, At: label, Counted: kOfN(c), Verdict: string(c.Verdict())}
		if len(c.Counted) > 0 {
			var s []string
			for _, m := range line {
				s = append(s, value(c, m))
			}
			d.Line = strings.Join(s, " · ")
		}
		if len(c.Repeats) > 0 {
			d.Repeats = table.New(table.Right("repeat"), table.Left("verdict"), table.Right(heads...), table.Left("reasons", "histogram"))
			d.Repeats.Columns[2+len(heads)].Width = reasonsWidth
		}
		var notes []string
		for _, r := range c.Repeats {
			row := []any{r.Repeat, table.Cell{}.Append(Tag(r.Gates.Verdict))}
			for _, m := range metrics {
				if x, ok := m.Value(r); ok {
					row = append(row, m.Unit.Format(x))
				} else {
					row = append(row, table.Missing)
				}
			}
			why, log := table.Missing, table.Missing
			if all := append(reasons(r), r.Warnings...); len(all) > 0 {
				why = table.Text(lines(all))
			}
			if name := all.File(r.Key, r.Repeat); name != "" {
				log = table.Cell{}.Append(table.Span{Text: "log", Href: (&url.URL{Path: filepath.ToSlash(name)}).String(), Hint: result.Tag(r.Key, r.Repeat, result.ServiceClock)})
			}
			d.Repeats.Row(append(row, why, log)...).Class = string(r.Gates.Verdict)
			for _, n := range r.Gates.Notes {
				if !slices.Contains(notes, n) {
					notes = append(notes, n)
				}
			}
		}
		d.NotChecked = strings.Join(notes, "; ")
		out.Cells = append(out.Cells, d)
	})
	return out
}

// reasonsWidth is where reasons wrap.
const reasonsWidth = 60
