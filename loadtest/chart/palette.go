package chart

import (
	"cmp"
	"image"
	"image/color"
	"slices"
)

// mostColors is how many colours the palette of a PNG can have.
const mostColors = 256

// paletted returns the picture in its 256 most frequent colours; other pixels get the nearest
// of these. A chart has few colours apart from the steps of smooth edges. The eye sees no
// difference, and the file is less than half the size.
func paletted(img image.Image) *image.Paletted {
	b := img.Bounds()
	// Most pixels have the colour of the one before, which need not be looked up again.
	count := map[color.RGBA]int{}
	last, run := rgba(img, b.Min.X, b.Min.Y), 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if c := rgba(img, x, y); c != last {
				count[last] += run
				last, run = c, 0
			}
			run++
		}
	}
	count[last] += run
	all := make([]color.RGBA, 0, len(count))
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(p, q color.RGBA) int {
		return cmp.Or(count[q]-count[p], int(p.R)-int(q.R), int(p.G)-int(q.G), int(p.B)-int(q.B), int(p.A)-int(q.A))
	})
	palette := color.Palette{}
	for _, c := range all[:min(len(all), mostColors)] {
		palette = append(palette, c)
	}
	place := map[color.RGBA]uint8{}
	for _, c := range all {
		place[c] = uint8(palette.Index(c))
	}
	out := image.NewPaletted(b, palette)
	at := place[last]
	for y := b.Min.Y; y < b.Max.Y; y++ {
		row := out.Pix[out.PixOffset(b.Min.X, y):]
		for x := b.Min.X; x < b.Max.X; x++ {
			if c := rgba(img, x, y); c != last {
				last, at = c, place[c]
			}
			row[x-b.Min.X] = at
		}
	}
	return out
}

func rgba(img image.Image, x, y int) color.RGBA {
	if i, ok := img.(*image.RGBA); ok {
		return i.RGBAAt(x, y)
	}
	return color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
}
