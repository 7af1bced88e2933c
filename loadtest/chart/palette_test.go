package chart

import (
	"image"
	"image/color"
	"testing"
)

func TestPaletted(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 300, 2))
	for x := range 300 {
		img.SetRGBA(x, 0, color.RGBA{R: uint8(x), G: uint8(x / 256), A: 255}) // 300 colours, once each
		img.SetRGBA(x, 1, color.RGBA{B: 200, A: 255})
	}
	out := paletted(img)
	if len(out.Palette) != 256 {
		t.Errorf("%d colours", len(out.Palette))
	}
	if got := out.At(7, 1); got != (color.RGBA{B: 200, A: 255}) {
		t.Errorf("the colour of most pixels is %v", got)
	}
	for x := range 300 {
		want, got := img.RGBAAt(x, 0), out.At(x, 0).(color.RGBA)
		if d := int(want.R) - int(got.R); d < -60 || d > 60 || got.B != 0 {
			t.Errorf("%v became %v", want, got)
		}
	}
	few := paletted(image.NewRGBA(image.Rect(0, 0, 3, 3)))
	if len(few.Palette) != 1 {
		t.Errorf("%d colours of one", len(few.Palette))
	}
}
