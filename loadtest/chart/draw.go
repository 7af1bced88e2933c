package chart

import (
	"bytes"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
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

// SVG writes the figure. Equal figures give equal bytes.
func (f *Figure) SVG(w io.Writer) error {
	l := f.layout()
	svg := vgsvg.New(width, l.height)
	f.draw(svg, l)
	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return err
	}
	// The text was laid out with Liberation Sans, whose widths are Arial's and
	// Helvetica's: where it is not installed, one of these stands in.
	_, err := w.Write(compact(b.Bytes()))
	return err
}

// pngDPI makes a PNG of 1,778 pixels' width, which fills a slide.
const pngDPI = 200

// PNG writes the figure as pixels.
func (f *Figure) PNG(w io.Writer) error {
	l := f.layout()
	img := vgimg.NewWith(vgimg.UseWH(width, l.height), vgimg.UseDPI(pngDPI))
	f.draw(img, l)
	return png.Encode(w, paletted(img.Image()))
}

// A layout is the sizes of a figure.
type layout struct {
	caption, notes []string // in lines
	tall           vg.Length
	top, height    vg.Length
}

const (
	above  = 20 // a panel: its title
	below  = 32 // its ticks and their title
	lead   = 10.5
	noteBy = 12
)

func (f *Figure) layout() layout {
	l := layout{
		notes: wrap(textStyle(labelSize, quiet, false), f.note, width-2*margin),
		tall:  plotHeight,
	}
	for _, c := range f.caption {
		l.caption = append(l.caption, wrap(textStyle(smallSize, quiet, false), c, width-2*margin)...)
	}
	for _, r := range f.rows {
		for _, p := range r.panels {
			l.tall = max(l.tall, vg.Length(len(p.series))*labelGap+20)
		}
	}
	l.top = margin + titleSize*1.3 + vg.Length(len(l.notes))*noteBy
	l.height = l.top + vg.Length(len(f.rows))*(above+l.tall+below) + vg.Length(len(f.keys()))*noteBy + vg.Length(len(l.caption))*lead + margin
	return l
}

// A key explains a sign.
type key struct {
	draw func(*draw.Canvas, vg.Point)
	text string
}

// keys are those of the signs that the figure has.
func (f *Figure) keys() []key {
	var out []key
	if f.has(panel.suspect) {
		out = append(out, key{func(c *draw.Canvas, p vg.Point) { hollow(c, style{color: quiet, shape: draw.CircleGlyph{}}, p) },
			"suspect: it counts, but something beside the server had a part in it; the report says what"})
	}
	if f.has(panel.crossed) {
		out = append(out, key{func(c *draw.Canvas, p vg.Point) { cross(c, p, quiet) },
			"no repeat counts: the cell was measured, and did not pass its gates; the report says why"})
	}
	return out
}

func (f *Figure) draw(to vg.CanvasSizer, l layout) {
	c := draw.New(to)
	c.SetColor(white)
	c.Fill(c.Rectangle.Path())

	y := l.height - margin
	c.FillText(at(textStyle(titleSize, ink, true), draw.XLeft, draw.YTop), vg.Point{X: margin, Y: y}, f.title)
	y -= titleSize * 1.3
	for _, n := range l.notes {
		c.FillText(at(textStyle(labelSize, quiet, false), draw.XLeft, draw.YTop), vg.Point{X: margin, Y: y}, n)
		y -= noteBy
	}

	ticks, names := f.gutters()
	const between = 10
	for _, r := range f.rows {
		each := (width-2*margin-between*vg.Length(r.columns-1))/vg.Length(r.columns) - ticks - names
		y -= above
		for j, p := range r.panels {
			x := margin + ticks + vg.Length(j)*(each+ticks+names+between)
			area := draw.Canvas{Canvas: to, Rectangle: vg.Rectangle{
				Min: vg.Point{X: x, Y: y - l.tall}, Max: vg.Point{X: x + each, Y: y},
			}}
			title := textStyle(labelSize, ink, true)
			c.FillText(title, vg.Point{X: x, Y: y + 6}, shorten(title, p.title, each+names))
			f.panel(area, p)
			c.FillText(at(textStyle(tickSize, quiet, false), draw.XCenter, draw.YTop),
				vg.Point{X: x + each/2, Y: area.Min.Y - 16}, p.x.title)
		}
		y -= l.tall + below
	}

	caption := at(textStyle(smallSize, quiet, false), draw.XLeft, draw.YTop)
	for _, k := range f.keys() {
		k.draw(&c, vg.Point{X: margin + 4, Y: y - 4})
		c.FillText(caption, vg.Point{X: margin + 12, Y: y}, k.text)
		y -= noteBy
	}
	for _, line := range l.caption {
		c.FillText(caption, vg.Point{X: margin, Y: y}, line)
		y -= lead
	}
}

// gutters are the widths kept for the values' names to the left of each panel
// and for the models' names to the right.
func (f *Figure) gutters() (ticks, names vg.Length) {
	t, l := textStyle(tickSize, quiet, false), textStyle(labelSize, ink, false)
	for _, r := range f.rows {
		for _, p := range r.panels {
			for _, v := range p.y.ticks {
				ticks = max(ticks, t.Width(p.y.name(v)))
			}
			for _, s := range p.series {
				names = max(names, min(l.Width(s.label()), longestName))
			}
		}
	}
	return ticks + 6, names + 16
}

// panel draws one workload on area. gonum's own axes are left empty: rows of
// panels must line up, which axes that size themselves would prevent.
func (f *Figure) panel(area draw.Canvas, p panel) {
	pl := plot.New()
	pl.BackgroundColor = nil
	pl.X.Min, pl.X.Max, pl.X.Scale = p.x.min, p.x.max, p.x.scale()
	pl.Y.Min, pl.Y.Max, pl.Y.Scale = p.y.min, p.y.max, p.y.scale()
	pl.HideAxes()
	pl.X.Padding, pl.Y.Padding = 0, 0
	pl.Add(
		plotFunc(func(c draw.Canvas, pl *plot.Plot) { drawBands(c, pl, p) }),
		plotFunc(func(c draw.Canvas, pl *plot.Plot) { drawEvents(c, pl, p) }),
		plotFunc(func(c draw.Canvas, pl *plot.Plot) { drawAxes(c, pl, p) }),
		plotFunc(func(c draw.Canvas, pl *plot.Plot) { f.drawSeries(c, pl, p) }),
		plotFunc(func(c draw.Canvas, pl *plot.Plot) { f.drawPeaks(c, pl, p) }),
		plotFunc(func(c draw.Canvas, pl *plot.Plot) { f.drawNames(c, pl, p) }),
	)
	pl.Draw(area)
}

type plotFunc func(draw.Canvas, *plot.Plot)

func (f plotFunc) Plot(c draw.Canvas, p *plot.Plot) { f(c, p) }

var _ plot.Plotter = plotFunc(nil)

// A tierBand is the part of one of the claim's bands that is on an axis.
type tierBand struct {
	from, to    float64
	name, short string // empty where nothing was asked in it
	shade       bool
}

func tierBands(x axis) []tierBand {
	var out []tierBand
	edges := append(slices.Clone(bandEdges), math.Inf(1))
	for i, short := range []string{"1s", "10s", "100s", "1k+"} {
		b := tierBand{from: max(edges[i], x.min), to: min(edges[i+1], x.max), shade: i%2 == 1}
		if b.from >= b.to {
			continue
		}
		if slices.ContainsFunc(x.ticks, func(v float64) bool { return edges[i] <= v && v < edges[i+1] }) {
			b.name, b.short = stats.Band(int(edges[i])), short
		}
		out = append(out, b)
	}
	return out
}

// drawBands shades every other one of the claim's bands, and names those in
// which something was asked.
func drawBands(c draw.Canvas, pl *plot.Plot, p panel) {
	if !p.tiers {
		return
	}
	x, _ := pl.Transforms(&c)
	name := at(textStyle(smallSize, quiet, false), draw.XCenter, draw.YTop)
	for _, b := range tierBands(p.x) {
		r := vg.Rectangle{Min: vg.Point{X: x(b.from), Y: c.Min.Y}, Max: vg.Point{X: x(b.to), Y: c.Max.Y}}
		if b.shade {
			c.SetColor(shade)
			c.Fill(r.Path())
		}
		for _, text := range []string{b.name, b.short} {
			if text != "" && name.Width(text)+4 <= r.Size().X {
				c.FillText(name, vg.Point{X: (r.Min.X + r.Max.X) / 2, Y: c.Max.Y - 3}, text)
				break
			}
		}
	}
}

// drawEvents draws a line across where something was done, and shades how long
// it lasted. The names stand above each other, in the order of the events.
func drawEvents(c draw.Canvas, pl *plot.Plot, p panel) {
	x, _ := pl.Transforms(&c)
	inside := func(v float64) vg.Length { return min(max(x(v), c.Min.X), c.Max.X) }
	for i, e := range p.events {
		from, to := inside(e.from), inside(e.to)
		if to > from {
			c.SetColor(shade)
			c.Fill(vg.Rectangle{Min: vg.Point{X: from, Y: c.Min.Y}, Max: vg.Point{X: to, Y: c.Max.Y}}.Path())
		}
		c.StrokeLine2(draw.LineStyle{Color: quiet, Width: 0.8, Dashes: []vg.Length{3, 2}}, from, c.Min.Y, from, c.Max.Y)
		name := at(textStyle(smallSize, quiet, false), draw.XLeft, draw.YTop)
		pt := vg.Point{X: from + 3, Y: c.Max.Y - 1 - vg.Length(i)*9}
		if pt.X+name.Width(e.name) > c.Max.X {
			name.XAlign = draw.XRight
			pt.X = from - 3
		}
		c.FillText(name, pt, e.name)
	}
}

func drawAxes(c draw.Canvas, pl *plot.Plot, p panel) {
	x, y := pl.Transforms(&c)
	grid := draw.LineStyle{Color: faint, Width: 0.5}
	tick := textStyle(tickSize, quiet, false)
	for _, v := range p.y.ticks {
		if p.tiers && y(v) > c.Max.Y-nameStrip {
			continue
		}
		c.StrokeLine2(grid, c.Min.X, y(v), c.Max.X, y(v))
		c.FillText(at(tick, draw.XRight, draw.YCenter), vg.Point{X: c.Min.X - 4, Y: y(v) + tickSize*raise}, p.y.name(v))
	}
	base := draw.LineStyle{Color: quiet, Width: 0.7}
	c.StrokeLine2(base, c.Min.X, c.Min.Y, c.Max.X, c.Min.Y)
	for _, v := range p.x.ticks {
		c.StrokeLine2(base, x(v), c.Min.Y, x(v), c.Min.Y-3)
	}
	for _, v := range namedTicks(p.x.ticks, func(a, b float64) bool {
		return x(b)-x(a) > (tick.Width(p.x.name(a))+tick.Width(p.x.name(b)))/2+6
	}) {
		c.FillText(at(tick, draw.XCenter, draw.YTop), vg.Point{X: x(v), Y: c.Min.Y - 5}, p.x.name(v))
	}
}

// drawSeries draws the bands below all lines, and the markers above.
func (f *Figure) drawSeries(c draw.Canvas, pl *plot.Plot, p panel) {
	x, y := pl.Transforms(&c)
	inside := func(v float64) vg.Length {
		if pl.Y.Min > 0 { // logarithmic: no place for 0
			v = max(v, pl.Y.Min)
		}
		return min(max(y(v), c.Min.Y), c.Max.Y)
	}
	alpha := uint8(0x22)
	if len(p.series) > 4 {
		alpha = 0x16
	}
	for _, s := range p.series {
		col := f.styles[s.model].color
		for _, part := range s.unbroken() {
			if len(part) == 1 {
				if q := part[0]; q.Known() {
					drawBar(c, draw.LineStyle{Color: col, Width: 0.9}, x(q.x), inside(q.Lo), inside(q.Hi))
				}
				continue
			}
			var edge vg.Path
			for i, q := range part {
				if pt := (vg.Point{X: x(q.x), Y: inside(q.Hi)}); i == 0 {
					edge.Move(pt)
				} else {
					edge.Line(pt)
				}
			}
			for _, q := range slices.Backward(part) {
				edge.Line(vg.Point{X: x(q.x), Y: inside(q.Lo)})
			}
			edge.Close()
			c.SetColor(color.NRGBA{col.R, col.G, col.B, alpha})
			c.Fill(edge)
		}
	}
	for _, s := range p.series {
		st := f.styles[s.model]
		for _, part := range s.unbroken() {
			var line []vg.Point
			for _, q := range part {
				line = append(line, vg.Point{X: x(q.x), Y: inside(q.Value)})
			}
			if len(line) > 1 {
				c.StrokeLines(draw.LineStyle{Color: st.color, Width: 1.5, Dashes: st.dashes}, line)
			}
		}
	}
	if !p.marks {
		return
	}
	rings := map[float64]int{} // how many stand at one place
	for _, s := range p.series {
		st := f.styles[s.model]
		for _, q := range s.points {
			pt := vg.Point{X: x(q.x), Y: inside(q.Value)}
			switch {
			case !q.valid():
				drawRing(c, st.color, pt.X, rings[q.x])
				rings[q.x]++
			case q.suspect():
				hollow(&c, st, pt)
			default:
				c.DrawGlyphNoClip(draw.GlyphStyle{Color: white, Radius: markerRadius + 0.9, Shape: st.shape}, pt)
				c.DrawGlyphNoClip(draw.GlyphStyle{Color: st.color, Radius: markerRadius, Shape: st.shape}, pt)
			}
		}
	}
}

// unbroken are the parts of a line between the cells that do not count; of points
// that are not joined, each by itself, with the curve.
func (s series) unbroken() [][]point {
	var out [][]point
	if s.curve != nil {
		out = append(out, s.curve.points)
	}
	open := false
	for _, q := range s.points {
		if !q.valid() {
			open = false
			continue
		}
		if !open {
			out = append(out, nil)
		}
		open = !s.apart
		out[len(out)-1] = append(out[len(out)-1], q)
	}
	return out
}

// label is the model's name, with a ring if the line is suspect.
func (s series) label() string {
	if s.suspect {
		return s.model + " ○"
	}
	return s.model
}

// hollow draws the marker of a suspect cell.
func hollow(c *draw.Canvas, st style, pt vg.Point) {
	c.DrawGlyphNoClip(draw.GlyphStyle{Color: st.color, Radius: markerRadius + 1.1, Shape: st.shape}, pt)
	c.DrawGlyphNoClip(draw.GlyphStyle{Color: white, Radius: markerRadius - 0.5, Shape: st.shape}, pt)
}

// drawRing marks a cell of which no repeat counts on the axis, above those that
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

// cross draws the sign of a cell of which no repeat counts: hollow, and crossed.
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
		ends[i] = vg.Point{X: x(s.points[len(s.points)-1].x), Y: c.Min.Y} // a ring's
		for _, q := range s.points {
			if q.valid() {
				ends[i] = vg.Point{X: x(q.x), Y: y(q.Value)}
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
		if p.marks && ends[i].X < x(p.x.ticks[len(p.x.ticks)-1]) {
			lead.Dashes = []vg.Length{1, 2}
		}
		c.StrokeLines(lead, []vg.Point{{X: ends[i].X + 4, Y: ends[i].Y}, knee, {X: to.X - 1, Y: to.Y}})
		c.FillText(name, vg.Point{X: to.X + 1, Y: to.Y + labelSize*raise}, shorten(name, s.label(), longestName))
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
