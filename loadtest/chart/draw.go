package chart

import (
	"bytes"
	"image/color"
	"image/png"
	"io"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/tierbench/tierbench/loadtest/prose"
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
	raise        = 0.13 // the part of its size by which centred text is raised: gonum centres the box with its descenders
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

// at returns the style with another alignment.
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
	// The text was laid out with Liberation Sans. Arial and Helvetica have the same widths,
	// and replace it where it is not installed.
	_, err := w.Write(compact(b.Bytes()))
	return err
}

// pngDPI makes a PNG 1,778 pixels wide, which fills a slide.
const pngDPI = 200

// PNG writes the figure as pixels.
func (f *Figure) PNG(w io.Writer) error {
	l := f.layout()
	img := vgimg.NewWith(vgimg.UseWH(width, l.height), vgimg.UseDPI(pngDPI))
	f.draw(img, l)
	return png.Encode(w, paletted(img.Image()))
}

// A layout has the sizes of a figure.
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
		notes: wrap(f.note, textStyle(labelSize, quiet, false)),
		tall:  plotHeight,
	}
	for _, c := range f.caption {
		l.caption = append(l.caption, wrap(c, textStyle(smallSize, quiet, false))...)
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

// wrap breaks a text into lines that fit the width of a figure.
func wrap(s string, t draw.TextStyle) []string {
	return prose.WrapFunc(s, func(line string) bool { return t.Width(line) <= width-2*margin })
}

// A key explains a symbol.
type key struct {
	draw func(*draw.Canvas, vg.Point)
	text string
}

// keys returns the keys of the symbols in the figure.
func (f *Figure) keys() []key {
	var out []key
	if f.has(panel.suspect) {
		out = append(out, key{func(c *draw.Canvas, p vg.Point) { hollow(c, style{color: quiet, shape: draw.CircleGlyph{}}, p) },
			"suspect: it counts, but something other than the server affected it; the report says what"})
	}
	if f.has(panel.crossed) {
		out = append(out, key{func(c *draw.Canvas, p vg.Point) { cross(c, p, quiet) },
			"no repeat counts: the cell was measured, but did not pass its gates; the report says why"})
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

// gutters returns the widths to the left of each panel, for the names of values, and to the
// right, for the names of models.
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

// panel draws one workload on area. It leaves gonum's own axes empty: they choose their own
// size, and rows of panels would not line up.
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
