package chart

import (
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// drawSeries draws the bands below all lines, and the markers above.
func (f *Figure) drawSeries(c draw.Canvas, pl *plot.Plot, p panel) {
	x, y := pl.Transforms(&c)
	inside := func(v float64) vg.Length {
		if pl.Y.Min > 0 { // logarithmic: 0 has no place
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
	rings := map[float64]int{} // how many rings are at each place
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

// unbroken returns the parts of a line between the cells that do not count. If points are
// not joined, it returns each point by itself, and the curve.
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

// drawRing marks a cell without a repeat that counts, on the axis, above the rings
// that are already there. The lowest ring has a label.
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

// cross draws the symbol of a cell without a repeat that counts: a crossed ring.
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

// drawNames writes each model's name at the end of its line, and connects the two
// where other names pushed it away.
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
