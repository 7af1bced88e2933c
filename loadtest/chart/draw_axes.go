package chart

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tierbench/tierbench/loadtest/stats"
)

// A tierBand is the part of one of the claims' bands that lies on an axis.
type tierBand struct {
	from, to    float64
	name, short string // empty if nothing was measured in it
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

// drawBands shades every other one of the claims' bands, and names those that contain a
// measured number of clients.
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

// drawEvents draws a line where an event happened, and shades how long it lasted.
// The names are above each other, in the order of the events.
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
