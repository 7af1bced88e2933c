package chart

import (
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// wrap breaks s at spaces into lines of a width.
func wrap(t draw.TextStyle, s string, w vg.Length) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && t.Width(line+" "+word) > w {
			out = append(out, line)
			line = word
			continue
		}
		line = strings.TrimSpace(line + " " + word)
	}
	if line != "" {
		out = append(out, line)
	}
	return out
}
