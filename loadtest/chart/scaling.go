package chart

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/tierbench/tierbench/loadtest/stats"
)

var scalingChart = Chart{
	Name: "scaling", Title: "Scalability: throughput, with a fitted law",
	note:  "requests answered per second, higher is better; lines are the Universal Scalability Law, with contention σ and coherency κ, if it fits",
	drawn: "points are medians and their intervals, lines the fitted law, bands its 95 % interval by bootstrap",
	build: scaling,
}

// curvePoints is the number of points through which a fitted curve is drawn.
const curvePoints = 48

// A curve is a law fitted to a series. Its points are those of the law, with the interval of
// the curve.
type curve struct {
	points []point
	// peak is the highest point of the curve, if that is within the measured range; else its
	// x is 0.
	peak point
}

// scaling draws throughput against clients with the Universal Scalability Law fitted to it.
// Each workload of a closed loop with enough numbers of clients for a fit has a panel.
func scaling(f *Figure, src *Source) {
	var ps []panel
	var laws []string
	for _, g := range src.groups(weighed(closed(src.Cells), stats.Throughput)) {
		p, ok := newPanel(src, g, stats.Throughput, false)
		if !ok || len(p.x.ticks) < stats.LeastTiers {
			continue
		}
		// Series with fewer tiers were measured for something else.
		p.series = slices.DeleteFunc(p.series, func(s series) bool { return len(s.points) < stats.LeastTiers })
		if len(p.series) == 0 {
			continue
		}
		var fits []string
		for i := range p.series {
			s := &p.series[i]
			s.apart = true
			law := src.law(s)
			s.curve = curveOf(law, s.points)
			fits = append(fits, s.model+" "+lawText(law, s.points))
		}
		ps = append(ps, p)
		laws = append(laws, p.title+": "+strings.Join(fits, " · "))
	}
	f.scale(stats.PerSecond, ps)
	f.add(ps)
	f.caption = append(f.caption, laws...)
}

// law returns the fit to all repeats of the series that count.
func (src *Source) law(s *series) stats.Scaling {
	first := s.points[0].cell
	if l, ok := src.laws[first]; ok {
		return l
	}
	var ns []float64
	var xs [][]float64
	for _, q := range s.points {
		ns = append(ns, q.x)
		xs = append(xs, q.cell.Values(stats.Throughput))
	}
	l := stats.USL(ns, xs)
	if src.laws != nil {
		src.laws[first] = l
	}
	return l
}

// curveOf returns the law over the numbers of clients that it was fitted to. It returns nil if
// the law is refused.
func curveOf(law stats.Scaling, measured []point) *curve {
	if law.Refused != "" {
		return nil
	}
	measured = slices.DeleteFunc(slices.Clone(measured), func(q point) bool { return !q.valid() })
	from, to := measured[0].x, measured[len(measured)-1].x
	at := func(x float64) point {
		return point{x: x, Estimate: law.At(x), cell: measured[0].cell}
	}
	c := &curve{}
	for i := range curvePoints {
		c.points = append(c.points, at(from*math.Pow(to/from, float64(i)/(curvePoints-1))))
	}
	if v := law.Peak.Value; law.Peak.N > 0 && v >= from && v <= to {
		c.peak = at(v)
	}
	return c
}

// lawText describes a fit.
func lawText(law stats.Scaling, measured []point) string {
	if law.Refused != "" {
		return "refused: " + law.Refused
	}
	text := fmt.Sprintf("σ %s, κ %s, R² %.3f, ", estimate(law.Contention), estimate(law.Coherency), law.R2)
	peak := law.Peak.Value
	switch {
	case law.Peak.N == 0:
		return text + "no peak"
	case peak < measured[0].x:
		return text + "falls from the first number of clients on"
	case peak > measured[len(measured)-1].x:
		return text + "peak beyond what was measured"
	}
	return text + "peak at " + estimate(law.Peak) + " clients"
}

func estimate(e stats.Estimate) string {
	number := func(v float64) string {
		if math.IsInf(v, 1) {
			return "∞"
		}
		if v < 1e-12 { // the search ends near 0, not at it
			return "0"
		}
		return fmt.Sprintf("%.3g", v)
	}
	if !e.Known() {
		return number(e.Value)
	}
	return number(e.Value) + " (" + number(e.Lo) + " – " + number(e.Hi) + ")"
}

// drawPeaks marks where fitted curves are highest: a line down to the axis, and
// the number of clients above the curve.
func (f *Figure) drawPeaks(c draw.Canvas, pl *plot.Plot, p panel) {
	x, y := pl.Transforms(&c)
	for _, s := range p.series {
		if s.curve == nil || s.curve.peak.x == 0 {
			continue
		}
		st := f.styles[s.model]
		at0 := vg.Point{X: x(s.curve.peak.x), Y: min(max(y(s.curve.peak.Value), c.Min.Y), c.Max.Y)}
		fade := color.NRGBA{st.color.R, st.color.G, st.color.B, 0xA0}
		c.StrokeLine2(draw.LineStyle{Color: fade, Width: 0.7, Dashes: []vg.Length{1, 2}}, at0.X, c.Min.Y, at0.X, at0.Y+5)
		name := at(textStyle(smallSize, st.text, false), draw.XCenter, draw.YBottom)
		c.FillText(name, vg.Point{X: at0.X, Y: at0.Y + 5}, peakName(s.curve.peak.x))
	}
}

// peakName names the number of clients at a peak.
func peakName(x float64) string { return "peak " + stats.Group(int(math.Round(x))) }
