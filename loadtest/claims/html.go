package claims

import (
	_ "embed"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/table"
)

//go:embed ledger.html
var ledgerPage string

var ledgerTemplate = template.Must(template.New("ledger").Parse(ledgerPage))

// Decided returns how many claims have a verdict for some language.
func (l *Ledger) Decided() int {
	decided := map[string]bool{}
	for i := range l.Verdicts {
		if v := &l.Verdicts[i]; v.Word != Undecidable {
			decided[v.Claim] = true
		}
	}
	return len(decided)
}

// Tells reports whether a run is worth a ledger: whether it decides at least half of the
// claims. A run for another purpose may happen to have a claim's cell.
func (l *Ledger) Tells() bool { return l.Decided() >= (len(l.Claims)+1)/2 }

type pageView struct {
	Anchor string // before each id
	Table  *table.Table
	Claims []claimView
	Models []modelView
	About  string
}

type claimView struct {
	*Claim
	Says     []string
	Verdicts []verdictView
	Images   []template.HTML
}

// A modelView is what a run says of one model.
type modelView struct {
	Name, Doc string
	Verdicts  []modelVerdict
	Images    []template.HTML
}

type modelVerdict struct {
	ID, Title string
	verdictView
}

type verdictView struct {
	Name, Word, Class, Why, Number, Rests string
	Effects, Notes, Cells                 []string
}

// HTML writes the ledger as the body of a page: the table, and a section for each claim and
// each model. The sections' anchors begin with the run's ID, so that a page can have several
// runs. images draws charts of some cells, by name, as elements of the page; it may be nil.
func HTML(w io.Writer, l *Ledger, images func(charts []string, cells []result.Key) []template.HTML) error {
	v := l.page("")
	rows, rest := l.rows()
	for _, c := range append(rows, rest...) {
		cv := claimView{Claim: c}
		if images != nil {
			cv.Images = images(c.Charts, l.Cells(c))
		}
		for _, col := range Columns {
			if says := c.Says[col]; says != "" {
				cv.Says = append(cv.Says, col+": "+says)
			}
		}
		for i := range l.Verdicts {
			if verdict := &l.Verdicts[i]; verdict.Claim == c.ID {
				cv.Verdicts = append(cv.Verdicts, view(verdict, verdict.name()))
			}
		}
		v.Claims = append(v.Claims, cv)
	}
	for _, m := range l.Models {
		mv := modelView{Name: m.Name, Doc: m.Doc}
		var cells []result.Key
		for i := range l.Verdicts {
			verdict := &l.Verdicts[i]
			if verdict.Subject != m.Name {
				continue
			}
			claim, _ := Find(verdict.Claim)
			mv.Verdicts = append(mv.Verdicts, modelVerdict{claim.ID, claim.Title, view(verdict, "")})
			cells = append(cells, verdict.Cells...)
		}
		if len(mv.Verdicts) == 0 {
			continue // it only appears in other models' verdicts
		}
		if images != nil {
			cells = slices.DeleteFunc(cells, func(k result.Key) bool { return k.Model != m.Name })
			mv.Images = images([]string{"scaling", "memory-kinds"}, cells)
		}
		v.Models = append(v.Models, mv)
	}
	return ledgerTemplate.Execute(w, v)
}

// Table writes only the table, which links to the sections on another page.
func Table(w io.Writer, l *Ledger, page string) error { return ledgerTemplate.Execute(w, l.page(page)) }

func (l *Ledger) page(page string) pageView {
	t := l.matrix(page, func(v *Verdict) table.Cell {
		c := table.Cell{}.Append(table.Span{Text: v.Language + ": " + string(v.Word), Class: strings.TrimSpace("tag " + classes[v.Word])})
		if _, number, _ := v.head(); number != "" {
			c = c.Add("\n").Append(table.Span{Text: number, Class: "note"})
		}
		return c
	})
	for i := range Columns {
		t.Columns[1+i].Width = columnWidth
	}
	return pageView{Anchor: l.Run + "-", Table: t, About: l.about()}
}

// classes of the words in the page's style.
var classes = map[Word]string{Supported: "valid", Refuted: "invalid-text", Depends: "suspect-text"}

func view(v *Verdict, name string) verdictView {
	_, number, rests := v.head()
	out := verdictView{
		Name: name, Word: string(v.Word), Why: v.Why, Number: number, Rests: rests, Notes: v.Notes, Cells: v.Trials,
		Class: classes[v.Word],
	}
	for _, f := range v.Effects {
		out.Effects = append(out.Effects, f.line())
	}
	for _, k := range v.Cells {
		out.Cells = append(out.Cells, k.String())
	}
	return out
}
