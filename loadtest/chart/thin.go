package chart

import "math"

// unseen is how far a thinned line may be from the original, as a fraction of its axis: a
// third of a pixel on a screen.
const unseen = 1.0 / 700

// thin leaves out points whose absence nobody could see: the line between their neighbours
// passes through them, and so do the edges of its band. It keeps points at a named tick.
func (p panel) thin(points []point) []point {
	if len(points) < 3 {
		return points
	}
	named := map[float64]bool{}
	for _, v := range p.x.ticks {
		named[v] = true
	}
	out := points[:1:1]
	for from := 0; from < len(points)-1; {
		to := from + 1
		for to+1 < len(points) && !named[points[to].x] && p.straight(points[from:to+2]) {
			to++
		}
		out = append(out, points[to])
		from = to
	}
	return out
}

// straight reports whether the points are on a line, and the ends of their intervals, too.
func (p panel) straight(points []point) bool {
	first, last := points[0], points[len(points)-1]
	for _, q := range points {
		if !q.valid() || q.cell != first.cell || q.Method != first.Method {
			return false
		}
	}
	x0, x1 := p.x.part(first.x), p.x.part(last.x)
	for _, of := range []func(point) float64{
		func(q point) float64 { return q.Value },
		func(q point) float64 { return q.Lo },
		func(q point) float64 { return q.Hi },
	} {
		y0, y1 := p.y.part(of(first)), p.y.part(of(last))
		for _, q := range points[1 : len(points)-1] {
			at := (p.x.part(q.x) - x0) / (x1 - x0)
			if math.Abs(p.y.part(of(q))-(y0+at*(y1-y0))) > unseen {
				return false
			}
		}
	}
	return true
}

// part returns where on the axis a value is: 0 at the start, 1 at the end. A value that has
// no place on a logarithmic axis is at the start.
func (a axis) part(v float64) float64 {
	if a.log {
		return math.Log(max(v, a.min)/a.min) / math.Log(a.max/a.min)
	}
	return (v - a.min) / (a.max - a.min)
}
