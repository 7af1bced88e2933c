package chart

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	styleOf = regexp.MustCompile(`\s+style="([^"]*)"`)
	// normal is the default, or is set once for the whole picture.
	normal = strings.NewReplacer("font-family:Liberation Sans;", "", "font-variant:normal;", "", "font-weight:normal;", "", "font-style:normal;", "")
	// upsideDown turns the picture over, as gonum counts from the bottom.
	upsideDown = regexp.MustCompile(`<g transform="scale\(1, -1\) translate\(0, -([0-9.]+)\)">`)
	pathOf     = regexp.MustCompile(`<path d="([^"]*)"`)
	textOf     = regexp.MustCompile(`<text x="([^"]*)" y="([^"]*)" transform="scale\(1, -1\)"`)
	token      = regexp.MustCompile(`[A-Za-z]|-?[0-9.]+(?:[eE][-+]?[0-9]+)?`)
)

// compact writes a picture in a third of the bytes: each style once, and each point relative
// to the one before, in tenths of a point, about an eighth of a screen's pixel.
func compact(svg []byte) []byte {
	names := map[string]string{}
	rules := "svg{font-family:'Liberation Sans',Arial,Helvetica,sans-serif}"
	out := styleOf.ReplaceAllFunc(svg, func(m []byte) []byte {
		style := normal.Replace(string(styleOf.FindSubmatch(m)[1]))
		name, ok := names[style]
		if !ok {
			name = "s" + strconv.FormatInt(int64(len(names)), 36)
			names[style] = name
			rules += "." + name + "{" + style + "}"
		}
		return []byte(` class="` + name + `"`)
	})
	if m := upsideDown.FindSubmatch(out); m != nil {
		height := number(string(m[1]))
		out = upsideDown.ReplaceAll(out, []byte("<g>"))
		out = pathOf.ReplaceAllFunc(out, func(m []byte) []byte {
			return []byte(`<path d="` + relative(string(pathOf.FindSubmatch(m)[1]), height) + `"`)
		})
		out = textOf.ReplaceAllFunc(out, func(m []byte) []byte {
			at := textOf.FindSubmatch(m)
			return []byte(`<text x="` + tenths(tens(number(string(at[1])))) + `" y="` + tenths(tens(height+number(string(at[2])))) + `"`)
		})
	}
	head := bytes.Index(out, []byte("<svg"))
	end := head + bytes.IndexByte(out[head:], '>') + 1
	return slices.Concat(out[:end], []byte("\n<style>"+rules+"</style>"), out[end:])
}

// relative turns a path of lines and arcs over, and makes each point relative to the one
// before. Rounding errors do not add up, as it rounds the points, not the differences.
func relative(path string, height float64) string {
	var b strings.Builder
	var x, y, fromX, fromY int
	fresh := true // no number before this one that needs a separator
	put := func(n int) {
		s := tenths(n)
		if !fresh && s[0] != '-' {
			b.WriteByte(' ')
		}
		b.WriteString(s)
		fresh = false
	}
	last := byte(0)
	all := token.FindAllString(path, -1)
	for i := 0; i < len(all); {
		op := all[i][0]
		i++
		if op == 'Z' {
			b.WriteByte('z')
			x, y, last = fromX, fromY, op
			continue
		}
		if op != last || op == 'M' {
			b.WriteByte(op | 0x20) // relative
			fresh = true
		}
		last = op
		if op == 'A' { // two radii, a rotation, and two flags; the second is the direction
			put(tens(number(all[i])))
			put(tens(number(all[i+1])))
			b.WriteString(" 0 " + all[i+3] + " " + strconv.Itoa(1-int(number(all[i+4]))))
			fresh = false
			i += 5
		}
		nx, ny := tens(number(all[i])), tens(height-number(all[i+1]))
		i += 2
		put(nx - x)
		put(ny - y)
		x, y = nx, ny
		if op == 'M' {
			fromX, fromY = x, y
		}
	}
	return b.String()
}

func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic("chart: a path of SVG has the number " + strconv.Quote(s)) // gonum wrote it
	}
	return v
}

func tens(v float64) int { return int(math.Round(10 * v)) }

// tenths writes n tenths as briefly as possible.
func tenths(n int) string {
	s := strconv.FormatFloat(float64(n)/10, 'f', -1, 64)
	if rest, ok := strings.CutPrefix(s, "0."); ok {
		return "." + rest
	}
	if rest, ok := strings.CutPrefix(s, "-0."); ok {
		return "-." + rest
	}
	return s
}
