package chart

import (
	"fmt"
	"image/color"
	"slices"
	"strconv"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Spec is a figure as data, for the page to draw, with the values and scales of its SVG.
type Spec struct {
	Title   string      `json:"title"`
	Note    string      `json:"note"`
	Caption []string    `json:"caption"`
	Columns int         `json:"columns"`
	Panels  []SpecPanel `json:"panels"`
}

// A SpecPanel is one pair of axes.
type SpecPanel struct {
	Title string   `json:"title"`
	X     SpecAxis `json:"x"`
	Y     SpecAxis `json:"y"`
	// Bands are the claims' bands of clients, if X is clients.
	Bands []SpecBand `json:"bands,omitempty"`
	// Events are the events of the panel, if X is time.
	Events []SpecEvent `json:"events,omitempty"`
	// Marks says that each point is a cell.
	Marks  bool         `json:"marks,omitempty"`
	Series []SpecSeries `json:"series"`
}

// A SpecAxis is a scale with its named ticks.
type SpecAxis struct {
	Title string     `json:"title,omitempty"`
	Unit  string     `json:"unit"` // "req/s", "s", "B", "%" or none
	Log   bool       `json:"log,omitempty"`
	Min   float64    `json:"min"`
	Max   float64    `json:"max"`
	Ticks []SpecTick `json:"ticks"`
}

// A SpecTick is a named value.
type SpecTick struct {
	At   float64 `json:"at"`
	Name string  `json:"name"`
}

// A SpecBand is a named part of the axis of clients.
type SpecBand struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Name  string  `json:"name"`
	Shade bool    `json:"shade,omitempty"`
}

// A SpecEvent is something that happened from one time to another.
type SpecEvent struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
	Name string  `json:"name"`
}

// A SpecSeries is one model's line. All its lists have the same length. A point that does not
// count has no Y. A Lo or Hi that equals Y is left out; a line without any has neither list.
type SpecSeries struct {
	Model   string `json:"model"`
	Suspect bool   `json:"suspect,omitempty"`
	// Curve says that the line is a law fitted to the points of the model's other
	// series: it has no marks.
	Curve bool `json:"curve,omitempty"`
	// Apart says that the points are not joined.
	Apart bool `json:"apart,omitempty"`
	// Peak is where a curve is highest, if that is within the measured range.
	Peak *float64   `json:"peak,omitempty"`
	X    []float64  `json:"x"`
	Y    []*float64 `json:"y"`
	Lo   []*float64 `json:"lo,omitempty"`
	Hi   []*float64 `json:"hi,omitempty"`
	// Cells are the indices of the points' cells in the run, or the one index of the whole
	// line.
	Cells []int `json:"cells"`
	// Verdicts are the verdicts on the cells, in the same order.
	Verdicts []string `json:"verdicts"`
}

// A SpecStyle is how a model looks on a light and on a dark background.
type SpecStyle struct {
	Light string    `json:"light"`
	Dark  string    `json:"dark"`
	Dash  []float64 `json:"dash,omitempty"`
}

// Spec returns the figure as data. Place returns the index of a cell.
func (f *Figure) Spec(place func(*stats.Cell) int) Spec {
	s := Spec{Title: f.title, Note: f.note, Caption: f.caption, Columns: 1}
	for _, r := range f.rows {
		s.Columns = max(s.Columns, r.columns)
		for _, p := range r.panels {
			s.Panels = append(s.Panels, p.spec(place))
		}
	}
	return s
}

func (p panel) spec(place func(*stats.Cell) int) SpecPanel {
	out := SpecPanel{Title: p.title, X: p.x.spec(), Y: p.y.spec(), Marks: p.marks, Bands: []SpecBand{}, Series: []SpecSeries{}}
	if p.tiers {
		for _, b := range tierBands(p.x) {
			out.Bands = append(out.Bands, SpecBand{b.from, b.to, b.name, b.shade})
		}
	}
	for _, e := range p.events {
		out.Events = append(out.Events, SpecEvent{short(e.from), short(e.to), e.name})
	}
	var all []series
	for _, s := range p.series {
		all = append(all, s)
		if s.curve != nil { // a series of its own, next to its points
			all = append(all, series{model: s.model, cell: s.points[0].cell, points: s.curve.points, curve: s.curve})
		}
	}
	for _, s := range all {
		o := SpecSeries{Model: s.model, Suspect: s.suspect, Apart: s.apart, Curve: s.curve != nil && !s.apart}
		if o.Curve && s.curve.peak.x > 0 {
			peak := short(s.curve.peak.x)
			o.Peak = &peak
		}
		if s.cell != nil {
			o.Cells, o.Verdicts = []int{place(s.cell)}, []string{string(s.cell.Verdict())}
		}
		for _, q := range s.points {
			o.X = append(o.X, short(q.x))
			var y, lo, hi *float64
			if q.valid() {
				a, b, c := short(q.Value), short(q.Lo), short(q.Hi)
				y = &a
				if b != a {
					lo = &b
				}
				if c != a {
					hi = &c
				}
			}
			o.Y, o.Lo, o.Hi = append(o.Y, y), append(o.Lo, lo), append(o.Hi, hi)
			if s.cell == nil {
				o.Cells, o.Verdicts = append(o.Cells, place(q.cell)), append(o.Verdicts, string(q.cell.Verdict()))
			}
		}
		there := func(v *float64) bool { return v != nil }
		if !slices.ContainsFunc(o.Lo, there) && !slices.ContainsFunc(o.Hi, there) {
			o.Lo, o.Hi = nil, nil
		}
		out.Series = append(out.Series, o)
	}
	return out
}

func (a axis) spec() SpecAxis {
	out := SpecAxis{Title: a.title, Unit: string(a.unit), Log: a.log, Min: short(a.min), Max: short(a.max)}
	if a.names != nil {
		out.Unit = "%"
	}
	for _, v := range a.ticks {
		out.Ticks = append(out.Ticks, SpecTick{v, a.name(v)})
	}
	return out
}

// short keeps four significant digits, more than a pixel can show.
func short(v float64) float64 {
	x, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		return v
	}
	return x
}

// Styles returns the styles of the models in all charts of their run.
func Styles(models []string) map[string]SpecStyle {
	out := map[string]SpecStyle{}
	for m, s := range styles(models) {
		o := SpecStyle{Light: hex(s.color), Dark: hex(onDark(s.color))}
		for _, d := range s.dashes {
			o.Dash = append(o.Dash, float64(d))
		}
		out[m] = o
	}
	return out
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// onDark lightens a colour until its contrast with a dark page is 5.
func onDark(c color.RGBA) color.RGBA {
	const page = 19 // about the contrast of the page's dark background with white
	for page/contrast(c) < 5 {
		for _, v := range []*uint8{&c.R, &c.G, &c.B} {
			*v += (255-*v)/12 + min(1, 255-*v)
		}
	}
	return c
}
