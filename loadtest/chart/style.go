package chart

import (
	"hash/fnv"
	"image/color"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A style is how a model looks.
type style struct {
	color  color.RGBA
	text   color.RGBA // darker where the colour is too light to read as text
	shape  draw.GlyphDrawer
	dashes []vg.Length
}

// palette is the one of Okabe and Ito (Color Universal Design, 2008), whose colours can be
// told apart with any kind of colour vision. It leaves out yellow, which cannot be seen on
// white.
var palette = []color.RGBA{
	{0x00, 0x72, 0xB2, 0xFF}, // blue
	{0xD5, 0x5E, 0x00, 0xFF}, // vermilion
	{0x00, 0x9E, 0x73, 0xFF}, // bluish green
	{0xCC, 0x79, 0xA7, 0xFF}, // reddish purple
	{0xE6, 0x9F, 0x00, 0xFF}, // orange
	{0x56, 0xB4, 0xE9, 0xFF}, // sky blue
	{0x30, 0x30, 0x30, 0xFF}, // black
}

var shapes = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, diamond{}, wedge{},
}

var dashes = [][]vg.Length{nil, {5, 2}, {1.5, 1.5}, {6, 2, 1.5, 2}}

// known gives the most common models the colours that differ most.
var known = map[string]int{"eventloop": 0, "thread": 1, "prefork": 2, "goroutine": 3}

// styles gives each model a look by its name. A name that is not known gets the look that its
// hash selects, or the next free one, from the colours that the fewest models have. So a
// model looks the same in every chart of a run, and mostly in those of other runs.
func styles(models []string) map[string]style {
	out := map[string]style{}
	taken := map[int]bool{}
	uses := make([]int, len(palette))
	take := func(m string, place int) {
		taken[place] = true
		uses[place%len(palette)]++
		out[m] = styleAt(place)
	}
	var rest []string
	for _, m := range slices.Sorted(slices.Values(models)) {
		if place, ok := known[m]; ok {
			take(m, place)
		} else {
			rest = append(rest, m)
		}
	}
	// Solid lines in the first colours are reserved for the known models.
	first, places := len(known), len(palette)*len(dashes)
	for _, m := range rest {
		h := fnv.New32a()
		h.Write([]byte(m))
		from := int(h.Sum32() % uint32(places-first))
		best := first + from
		for i := range places - first {
			p := first + (from+i)%(places-first)
			if taken[best] && !taken[p] || !taken[p] && uses[p%len(palette)] < uses[best%len(palette)] {
				best = p
			}
		}
		take(m, best)
	}
	return out
}

func styleAt(place int) style {
	c := palette[place%len(palette)]
	return style{
		color:  c,
		text:   legible(c),
		shape:  shapes[place%len(shapes)],
		dashes: dashes[place/len(palette)],
	}
}

// legible darkens a colour until its contrast with white is 4.5, as WCAG 2 requires of text.
func legible(c color.RGBA) color.RGBA {
	for contrast(c) < 4.5 {
		c.R, c.G, c.B = uint8(float64(c.R)*0.95), uint8(float64(c.G)*0.95), uint8(float64(c.B)*0.95)
	}
	return c
}

// diamond is a square on its corner.
type diamond struct{}

func (diamond) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	fillPolygon(c, pt, sty.Radius*1.2, [][2]float64{{0, 1}, {1, 0}, {0, -1}, {-1, 0}})
}

// wedge is a triangle on its tip.
type wedge struct{}

func (wedge) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, pt vg.Point) {
	fillPolygon(c, pt, sty.Radius*1.25, [][2]float64{{0, -1}, {0.866, 0.5}, {-0.866, 0.5}})
}

func fillPolygon(c *draw.Canvas, at vg.Point, r vg.Length, corners [][2]float64) {
	var p vg.Path
	for i, k := range corners {
		q := vg.Point{X: at.X + r*vg.Length(k[0]), Y: at.Y + r*vg.Length(k[1])}
		if i == 0 {
			p.Move(q)
		} else {
			p.Line(q)
		}
	}
	p.Close()
	c.Fill(p)
}
