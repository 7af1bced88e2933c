package chart

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// mostPanels is how many a figure has at most: four rows, which a page of paper
// holds. A chart of more is several figures.
const mostPanels = 8

// Name is that of the figure's files, without the ending: the chart's, and for a
// part of one what is asked in it, such as "throughput-wait-50ms".
func (f *Figure) Name() string { return f.name }

// Part is what is asked in a figure that is a part of a chart, such as "http
// wait-50ms"; empty where it is the whole.
func (f *Figure) Part() string { return f.part }

// Figures are the chart of the given run: one, or several where one would have
// too many panels to be read, or none if nothing in the run has a number for
// it. The parts are by workload, and where that is too much, by loop, by setting
// and by number. Their scales are their own.
func (c Chart) Figures(src *Source) []*Figure {
	here := *src
	here.spectra, here.laws = map[*stats.Cell][]point{}, map[*stats.Cell]stats.Scaling{}
	whole, ok := c.Figure(&here)
	switch {
	case !ok:
		return nil
	case whole.size() <= mostPanels:
		return []*Figure{whole}
	}
	out := c.parts(&here, here.drawn(here.Cells), 0)
	names := map[string]bool{}
	for _, f := range out {
		base := c.Name + "-" + fileName(f.part)
		f.name = base
		for i := 2; names[f.name]; i++ { // two workloads that differ by a sign
			f.name = fmt.Sprintf("%s-%d", base, i)
		}
		names[f.name] = true
	}
	return out
}

// size is how many panels the figure has.
func (f *Figure) size() int {
	n := 0
	for _, r := range f.rows {
		n += len(r.panels)
	}
	return n
}

// levels name the part that a cell is in, each finer than the one before.
var levels = []func(c *stats.Cell, among []*stats.Cell) string{
	func(c *stats.Cell, _ []*stats.Cell) string { return family(c) },
	func(c *stats.Cell, _ []*stats.Cell) string { return family(c) + loop(c) },
	func(c *stats.Cell, among []*stats.Cell) string { return family(c) + loop(c) + kindOf(c, among) },
}

// parts divides the cells by a level, and what is still too large by the next.
func (c Chart) parts(src *Source, cells []*stats.Cell, level int) []*Figure {
	var out []*Figure
	for _, part := range split(cells, func(c *stats.Cell) string { return levels[level](c, cells) }) {
		name := levels[level](part[0], cells)
		f, ok := c.partOf(src, part, name)
		switch {
		case !ok:
		case f.size() <= mostPanels:
			out = append(out, f)
		case level+1 < len(levels):
			out = append(out, c.parts(src, part, level+1)...)
		default:
			out = append(out, c.numbered(src, part, name, f.size())...)
		}
	}
	return out
}

// numbered divides cells that no level divides: evenly, by what is asked, or else
// by load.
func (c Chart) numbered(src *Source, cells []*stats.Cell, name string, size int) []*Figure {
	units := split(cells, question)
	if len(units) == 1 {
		units = split(cells, (*stats.Cell).At)
	}
	// Some units have no panel in this chart.
	units = slices.DeleteFunc(units, func(u []*stats.Cell) bool {
		_, ok := c.partOf(src, u, "")
		return !ok
	})
	number := (size + mostPanels - 1) / mostPanels
	each := (len(units) + number - 1) / number
	var out []*Figure
	for part := range slices.Chunk(units, each) {
		if f, ok := c.partOf(src, slices.Concat(part...), name); ok {
			out = append(out, f)
		}
	}
	for i, f := range out {
		if len(out) > 1 {
			f.called(c, fmt.Sprintf("%s, %d of %d", name, i+1, len(out)))
		}
	}
	return out
}

// partOf draws some of the cells.
func (c Chart) partOf(src *Source, cells []*stats.Cell, name string) (*Figure, bool) {
	here := *src
	here.part = map[*stats.Cell]bool{}
	for _, cell := range cells {
		here.part[cell] = true
	}
	f, ok := c.Figure(&here)
	f.called(c, name)
	return f, ok
}

func (f *Figure) called(c Chart, part string) {
	f.part = part
	f.title = c.Title + ": " + part
}

// family is what is asked but for how: the workload, or the first of a mix.
func family(c *stats.Cell) string {
	first, mixed := c.Workload, false
	for _, r := range c.Repeats {
		if len(r.Mix) > 0 {
			first, mixed = r.Mix[0].Workload, true
			break
		}
	}
	s := c.Protocol
	if first != s {
		s += " " + first
	}
	if mixed {
		s += ", mixes"
	}
	return s
}

func loop(c *stats.Cell) string {
	if c.Loop == result.Open && c.Workload != result.Idle {
		return ", open loop"
	}
	return ""
}

// kindOf is what several settings are values of: "gil 5ms" and "gil 20ms" are of
// "gil". A setting that is the only one of its kind stays with what has none.
func kindOf(c *stats.Cell, among []*stats.Cell) string {
	k := c.Setting.Variable()
	if k == "" || !slices.ContainsFunc(among, func(o *stats.Cell) bool { return o.Setting != c.Setting && o.Setting.Variable() == k }) {
		return ""
	}
	return ", " + k
}

// fileName is a part's name as one of a file. HTTP goes without saying, but for a
// workload that has the name of the other protocol.
func fileName(part string) string {
	part, _, _ = strings.Cut(part, " of ") // of how many it is one
	if rest, ok := strings.CutPrefix(part, "http "); ok && !strings.HasPrefix(rest, "echo") {
		part = rest
	}
	return strings.Join(strings.FieldsFunc(strings.ToLower(part), func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.')
	}), "-")
}
