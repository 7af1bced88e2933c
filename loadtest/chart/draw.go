package chart

import (
	"bytes"
	"image/color"
	"io"
	"math"
	"slices"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// Sizes in points. A README is about 640 points (850 pixels) wide.
const (
	width        = 640
	margin       = 10
	plotHeight   = 180
	titleSize    = 13
	labelSize    = 9
	tickSize     = 8
	smallSize    = 7.5
	labelGap     = 10.5 // between the baselines of two models' names
	longestName  = 110
	raise        = 0.13 // of its size, by which centred text is lifted: gonum centres the box, descenders and all
	markerRadius = 2.8
	nameStrip    = 13 // below the top of a panel, for the bands' names
)

var (
	ink   = color.RGBA{0x24, 0x29, 0x2F, 0xFF}
	quiet = color.RGBA{0x57, 0x60, 0x6A, 0xFF}
	faint = color.RGBA{0xD8, 0xDE, 0xE4, 0xFF}
	shade = color.RGBA{0xF4, 0xF6, 0xF8, 0xFF}
	white = color.RGBA{0xFF, 0xFF, 0xFF, 0xFF}
)

func textStyle(size vg.Length, c color.Color, bold bool) draw.TextStyle {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return draw.TextStyle{Color: c, Font: f, Handler: plot.DefaultTextHandler, XAlign: draw.XLeft, YAlign: draw.YBottom}
}

// at is the style with another alignment.
func at(t draw.TextStyle, x draw.XAlignment, y draw.YAlignment) draw.TextStyle {
	t.XAlign, t.YAlign = x, y
	return t
}

// Draw writes the figure as SVG. Equal figures give equal bytes.
func (f *Figure) Draw(w io.Writer) error {
	caption := textStyle(smallSize, quiet, false)
	var lines []string
	for _, c := range f.caption {
		lines = append(lines, wrap(caption, c, width-2*margin)...)
	}
	noteStyle := textStyle(labelSize, quiet, false)
	notes := wrap(noteStyle, f.note, width-2*margin)

	const above, below = 20, 18 // a panel: its title, its ticks
	tall := vg.Length(plotHeight)
	for _, b := range f.bands {
		for _, p := range b.panels {
			tall = max(tall, vg.Length(len(p.series))*labelGap+20)
		}
	}
	top := vg.Length(margin) + titleSize*1.3 + vg.Length(len(notes))*12
	foot := vg.Length(len(lines))*10.5 + margin
	if f.crossed {
		foot += 12
	}
	const xTitle = 12
	height := top + vg.Length(len(f.bands))*(above+tall+below+6) + xTitle + foot

	svg := vgsvg.New(width, height)
	c := draw.New(svg)
	c.SetColor(white)
	c.Fill(c.Rectangle.Path())

	y := height - margin
	c.FillText(at(textStyle(titleSize, ink, true), draw.XLeft, draw.YTop), vg.Point{X: margin, Y: y}, f.title)
	y -= titleSize * 1.3
	for _, n := range notes {
		c.FillText(at(noteStyle, draw.XLeft, draw.YTop), vg.Point{X: margin, Y: y}, n)
		y -= 12
	}

	ticks, names := f.gutters()
	const between = 8
	for i, b := range f.bands {
		each := (width-2*margin-ticks-between*vg.Length(b.columns-1))/vg.Length(b.columns) - names
		y -= above
		for j, p := range b.panels {
			x := margin + ticks + vg.Length(j)*(each+names+between)
			area := draw.Canvas{Canvas: svg, Rectangle: vg.Rectangle{
				Min: vg.Point{X: x, Y: y - tall}, Max: vg.Point{X: x + each, Y: y},
			}}
			c.FillText(textStyle(labelSize, ink, true), vg.Point{X: x, Y: y + 6}, p.title)
			f.panel(area, b, p, j == 0)
			if i+1 == len(f.bands) || j >= len(f.bands[i+1].panels) || f.bands[i+1].columns != b.columns {
				c.FillText(at(textStyle(tickSize, quiet, false), draw.XCenter, draw.YTop),
					vg.Point{X: x + each/2, Y: area.Min.Y - 16}, "clients")
			}
		}
		y -= tall + below + 6
	}

	y -= xTitle
	if f.crossed {
		cross(&c, vg.Point{X: margin + 4, Y: y - 4}, quiet)
		c.FillText(at(caption, draw.XLeft, draw.YTop), vg.Point{X: margin + 12, Y: y},
			"no valid repeat: the cell was measured, and did not pass its gates; the report says why")
		y -= 12
	}
	for _, l := range lines {
		c.FillText(at(caption, draw.XLeft, draw.YTop), vg.Point{X: margin, Y: y}, l)
		y -= 10.5
	}

	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return err
	}
	// The text was laid out with Liberation Sans, whose widths are Arial's and
	// Helvetica's: where it is not installed, one of these stands in.
	out := bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), []byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"))
	_, err := w.Write(out)
	return err
}

// gutters are the widths kept for the values' names to the left of each row
// and for the models' names to the right of each panel.
func (f *Figure) gutters() (ticks, names vg.Length) {
	t, l := textStyle(tickSize, quiet, false), textStyle(labelSize, ink, false)
	for _, b := range f.bands {
		for _, v := range b.y.ticks {
			ticks = max(ticks, t.Width(b.y.name(v)))
		}
		for _, p := range b.panels {
			for _, s := range p.series {
				names = max(names, min(l.Width(s.model), longestName))
			}
		}
	}
	return ticks + 6, names + 16
}

// panel draws one workload on area. gonum's own axes are left empty: rows of
// panels must line up, which axes that size themselves would prevent.
func (f *Figure) panel(area draw.Canvas, b band, p panel, first bool) {
	pl := plot.New()
	pl.BackgroundColor = nil
	pl.X.Min, pl.X.Max, pl.X.Scale = p.x.min, p.x.max, p.x.scale()
	pl.Y.Min, pl.Y.Max, pl.Y.Scale = b.y.min, b.y.max, b.y.scale()
	pl.HideAxes()
	pl.X.Padding, pl.Y.Padding = 0, 0
	pl.Add(
		plotFunc(func(c draw.Canvas, pl *plot.Plot) { drawBands(c, pl, p) }),
		plotFunc(func(c draw.Canvas, pl *plot.Plot) { drawAxes(c, pl, p, b.y, first) }),
		plotFunc(func(c draw.Canvas, pl *plot.Plot) { f.drawSeries(c, pl, p) }),
		plotFunc(func(c draw.Canvas, pl *plot.Plot) { f.drawNames(c, pl, p) }),
	)
	pl.Draw(area)
}

type plotFunc func(draw.Canvas, *plot.Plot)

func (f plotFunc) Plot(c draw.Canvas, p *plot.Plot) { f(c, p) }

var _ plot.Plotter = plotFunc(nil)

// drawBands shades every other one of the claim's bands, and names those in
// which something was asked.
func drawBands(c draw.Canvas, pl *plot.Plot, p panel) {
	x, _ := pl.Transforms(&c)
	edges := append(slices.Clone(bandEdges), math.Inf(1))
	short := []string{"1s", "10s", "100s", "1k+"}
	name := at(textStyle(smallSize, quiet, false), draw.XCenter, draw.YTop)
	for i := range short {
		lo, hi := max(edges[i], p.x.min), min(edges[i+1], p.x.max)
		if lo >= hi {
			continue
		}
		r := vg.Rectangle{Min: vg.Point{X: x(lo), Y: c.Min.Y}, Max: vg.Point{X: x(hi), Y: c.Max.Y}}
		if i%2 == 1 {
			c.SetColor(shade)
			c.Fill(r.Path())
		}
		if !slices.ContainsFunc(p.ticks, func(v float64) bool { return edges[i] <= v && v < edges[i+1] }) {
			continue
		}
		for _, text := range []string{stats.Band(int(edges[i])), short[i]} {
			if name.Width(text)+4 <= r.Size().X {
				c.FillText(name, vg.Point{X: (r.Min.X + r.Max.X) / 2, Y: c.Max.Y - 3}, text)
				break
			}
		}
	}
}

func drawAxes(c draw.Canvas, pl *plot.Plot, p panel, ya axis, first bool) {
	x, y := pl.Transforms(&c)
	grid := draw.LineStyle{Color: faint, Width: 0.5}
	tick := textStyle(tickSize, quiet, false)
	for _, v := range ya.ticks {
		if y(v) > c.Max.Y-nameStrip {
			continue
		}
		c.StrokeLine2(grid, c.Min.X, y(v), c.Max.X, y(v))
		if first {
			c.FillText(at(tick, draw.XRight, draw.YCenter), vg.Point{X: c.Min.X - 4, Y: y(v) + tickSize*raise}, ya.name(v))
		}
	}
	base := draw.LineStyle{Color: quiet, Width: 0.7}
	c.StrokeLine2(base, c.Min.X, c.Min.Y, c.Max.X, c.Min.Y)
	for _, v := range p.ticks {
		c.StrokeLine2(base, x(v), c.Min.Y, x(v), c.Min.Y-3)
	}
	for _, v := range namedTicks(p.ticks, func(a, b float64) bool {
		return x(b)-x(a) > (tick.Width(p.x.name(a))+tick.Width(p.x.name(b)))/2+6
	}) {
		c.FillText(at(tick, draw.XCenter, draw.YTop), vg.Point{X: x(v), Y: c.Min.Y - 5}, p.x.name(v))
	}
}

// dodge is how far to the side the bar of the ith series stands at a number of
// clients: nothing, unless it is seen and would hide another's. Lines and markers never
// move: beside a steep line a model would seem better or worse than it is.
func (p panel) dodge(i int, q point, x, y func(float64) vg.Length) vg.Length {
	const most, gap = 4.5, 2
	if y(q.Hi)-y(q.Lo) < 2*markerRadius {
		return 0
	}
	n, hides := len(p.series), false
	for j, s := range p.series {
		for _, o := range s.points {
			if j != i && o.clients == q.clients && o.valid() && y(o.Lo)-gap < y(q.Hi) && y(q.Lo) < y(o.Hi)+gap {
				hides = true
			}
		}
	}
	if !hides {
		return 0
	}
	room := vg.Length(40)
	for k := 1; k < len(p.ticks); k++ {
		room = min(room, x(p.ticks[k])-x(p.ticks[k-1]))
	}
	step := min(most, 0.6*room/vg.Length(n))
	return step * (vg.Length(i) - vg.Length(n-1)/2)
}

func (f *Figure) drawSeries(c draw.Canvas, pl *plot.Plot, p panel) {
	x, y := pl.Transforms(&c)
	inside := func(v float64) vg.Length {
		if pl.Y.Min > 0 { // logarithmic: no place for 0
			v = max(v, pl.Y.Min)
		}
		return min(max(y(v), c.Min.Y), c.Max.Y)
	}
	for _, s := range p.series {
		st := f.styles[s.model]
		var line []vg.Point
		stroke := func() {
			if len(line) > 1 {
				c.StrokeLines(draw.LineStyle{Color: st.color, Width: 1.5, Dashes: st.dashes}, line)
			}
			line = nil
		}
		for _, q := range s.points {
			if q.valid() {
				line = append(line, vg.Point{X: x(q.clients), Y: y(q.Median)})
			} else {
				stroke()
			}
		}
		stroke()
	}
	for i, s := range p.series {
		pen := draw.LineStyle{Color: f.styles[s.model].color, Width: 0.9}
		for _, q := range s.points {
			if q.valid() && q.Kind != stats.None {
				drawBar(c, pen, x(q.clients)+p.dodge(i, q, x, inside), inside(q.Lo), inside(q.Hi))
			}
		}
	}
	rings := map[float64]int{} // how many stand at a number of clients
	for _, s := range p.series {
		st := f.styles[s.model]
		for _, q := range s.points {
			if !q.valid() {
				drawRing(c, st.color, x(q.clients), rings[q.clients])
				rings[q.clients]++
				continue
			}
			pt := vg.Point{X: x(q.clients), Y: y(q.Median)}
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: white, Radius: markerRadius + 0.9, Shape: st.shape}, pt)
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: st.color, Radius: markerRadius, Shape: st.shape}, pt)
		}
	}
}

// drawRing marks a cell without a valid repeat on the axis, above those that
// stand there already. The lowest says what it is.
func drawRing(c draw.Canvas, col color.Color, x vg.Length, below int) {
	cross(&c, vg.Point{X: x, Y: c.Min.Y + vg.Length(below)*9.5}, col)
	if below > 0 {
		return
	}
	note := at(textStyle(smallSize, quiet, false), draw.XRight, draw.YBottom)
	pt := vg.Point{X: x - 6, Y: c.Min.Y + 2}
	if pt.X-note.Width("invalid") < c.Min.X {
		note.XAlign = draw.XLeft
		pt.X = x + 6
	}
	c.FillText(note, pt, "invalid")
}

// drawBar draws an interval: a bar with caps.
func drawBar(c draw.Canvas, pen draw.LineStyle, x, lo, hi vg.Length) {
	const half = 2.8
	c.StrokeLine2(pen, x, lo, x, hi)
	c.StrokeLine2(pen, x-half, lo, x+half, lo)
	c.StrokeLine2(pen, x-half, hi, x+half, hi)
}

// cross draws the sign of a cell without a valid repeat: hollow, and crossed.
func cross(c *draw.Canvas, at vg.Point, col color.Color) {
	const r = 3.8
	ring := vg.Path{}
	ring.Move(vg.Point{X: at.X + r, Y: at.Y})
	ring.Arc(at, r, 0, 2*math.Pi)
	ring.Close()
	c.SetColor(white)
	c.Fill(ring)
	pen := draw.LineStyle{Color: col, Width: 1.1}
	c.SetLineStyle(pen)
	c.Stroke(ring)
	const d = r * 0.6
	c.StrokeLine2(pen, at.X-d, at.Y-d, at.X+d, at.Y+d)
	c.StrokeLine2(pen, at.X-d, at.Y+d, at.X+d, at.Y-d)
}

// drawNames writes each model's name beside the end of its line, and joins the
// two where others pushed the name away.
func (f *Figure) drawNames(c draw.Canvas, pl *plot.Plot, p panel) {
	x, y := pl.Transforms(&c)
	ends := make([]vg.Point, len(p.series))
	want := make([]float64, len(p.series))
	for i, s := range p.series {
		ends[i] = vg.Point{X: x(s.points[len(s.points)-1].clients), Y: c.Min.Y} // a ring's
		for _, q := range s.points {
			if q.valid() {
				ends[i] = vg.Point{X: x(q.clients), Y: y(q.Median)}
			}
		}
		want[i] = float64(ends[i].Y)
	}
	got := spread(want, labelGap, float64(c.Min.Y), float64(c.Max.Y)-4)
	for i, s := range p.series {
		st := f.styles[s.model]
		name := at(textStyle(labelSize, st.text, false), draw.XLeft, draw.YCenter)
		to := vg.Point{X: c.Max.X + 8, Y: vg.Length(got[i])}
		lead := draw.LineStyle{Color: color.NRGBA{st.color.R, st.color.G, st.color.B, 0x90}, Width: 0.6}
		knee := vg.Point{X: c.Max.X, Y: ends[i].Y}
		if ends[i].X < x(p.ticks[len(p.ticks)-1]) {
			lead.Dashes = []vg.Length{1, 2}
		}
		c.StrokeLines(lead, []vg.Point{{X: ends[i].X + 4, Y: ends[i].Y}, knee, {X: to.X - 1, Y: to.Y}})
		c.FillText(name, vg.Point{X: to.X + 1, Y: to.Y + labelSize*raise}, shorten(name, s.model, longestName))
	}
}

// shorten cuts s to a width.
func shorten(t draw.TextStyle, s string, w vg.Length) string {
	if t.Width(s) <= w {
		return s
	}
	r := []rune(s)
	for len(r) > 1 && t.Width(string(r)+"…") > w {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}
