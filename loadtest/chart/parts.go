package chart

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// mostPanels is the most panels of a figure: four rows, which fit on a page of paper. A chart
// with more is divided into several figures.
const mostPanels = 8

// Name returns the name of the figure's files, without the extension: the chart's, and for a
// part what is asked in it, such as "throughput-wait-50ms".
func (f *Figure) Name() string { return f.name }

// Part returns what is asked in a part of a chart, such as "http wait-50ms". It is empty if
// the figure is the whole chart.
func (f *Figure) Part() string { return f.part.String() }

// Figures returns the chart of the given run: one figure, or several if one would have too
// many panels, or none if the run has no value for it. It divides the chart by workload, and
// if that is not enough, by loop, by setting and by number. Each part has its own scales.
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
		base := c.Name + "-" + f.part.fileName()
		f.name = base
		for i := 2; names[f.name]; i++ { // two workloads can differ in a character that a file name cannot have
			f.name = fmt.Sprintf("%s-%d", base, i)
		}
		names[f.name] = true
	}
	return out
}

// size returns how many panels the figure has.
func (f *Figure) size() int {
	n := 0
	for _, r := range f.rows {
		n += len(r.panels)
	}
	return n
}

// A part is what the cells in a figure have in common. It is zero for a whole chart.
type part struct {
	protocol string
	workload string // the first of a mix
	mixed    bool
	open     bool
	variable string // of the settings
	n, of    int    // the number among several that have the rest in common
}

func (p part) String() string {
	if p == (part{}) {
		return ""
	}
	s := p.protocol
	if p.workload != s {
		s += " " + p.workload
	}
	if p.mixed {
		s += ", mixes"
	}
	if p.open {
		s += ", open loop"
	}
	if p.variable != "" {
		s += ", " + p.variable
	}
	if p.n > 0 {
		s += fmt.Sprintf(", %d of %d", p.n, p.of)
	}
	return s
}

// fileName returns the part's name for a file. It leaves out "http", except before a workload
// that has the name of the other protocol.
func (p part) fileName() string {
	var words []string
	if p.protocol != "http" || result.ParseRequest(p.workload).Workload == "echo" {
		words = append(words, p.protocol)
	}
	if p.workload != p.protocol {
		words = append(words, p.workload)
	}
	if p.mixed {
		words = append(words, "mixes")
	}
	if p.open {
		words = append(words, "open", "loop")
	}
	words = append(words, p.variable)
	if p.n > 0 {
		words = append(words, strconv.Itoa(p.n))
	}
	return strings.Join(strings.FieldsFunc(strings.ToLower(strings.Join(words, "-")), func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.')
	}), "-")
}

// levels return the part that a cell is in, each finer than the one before.
var levels = []func(c *stats.Cell, among []*stats.Cell) part{
	func(c *stats.Cell, _ []*stats.Cell) part { return family(c) },
	func(c *stats.Cell, _ []*stats.Cell) part { return byLoop(c) },
	func(c *stats.Cell, among []*stats.Cell) part {
		p := byLoop(c)
		p.variable = variable(c, among)
		return p
	},
}

// parts divides the cells by a level, and parts that are still too large by the next.
func (c Chart) parts(src *Source, cells []*stats.Cell, level int) []*Figure {
	var out []*Figure
	for _, in := range split(cells, func(c *stats.Cell) part { return levels[level](c, cells) }) {
		common := levels[level](in[0], cells)
		f, ok := c.partOf(src, in, common)
		switch {
		case !ok:
		case f.size() <= mostPanels:
			out = append(out, f)
		case level+1 < len(levels):
			out = append(out, c.parts(src, in, level+1)...)
		default:
			out = append(out, c.numbered(src, in, common, f.size())...)
		}
	}
	return out
}

// numbered divides cells that no level divides: evenly, by question, or else by load.
func (c Chart) numbered(src *Source, cells []*stats.Cell, common part, size int) []*Figure {
	units := split(cells, question)
	if len(units) == 1 {
		units = split(cells, amountOf)
	}
	// Some units have no panel in this chart.
	units = slices.DeleteFunc(units, func(u []*stats.Cell) bool {
		_, ok := c.partOf(src, u, common)
		return !ok
	})
	number := (size + mostPanels - 1) / mostPanels
	each := (len(units) + number - 1) / number
	var out []*Figure
	for some := range slices.Chunk(units, each) {
		if f, ok := c.partOf(src, slices.Concat(some...), common); ok {
			out = append(out, f)
		}
	}
	for i, f := range out {
		if len(out) > 1 {
			common.n, common.of = i+1, len(out)
			f.called(c, common)
		}
	}
	return out
}

// partOf draws some of the cells.
func (c Chart) partOf(src *Source, cells []*stats.Cell, common part) (*Figure, bool) {
	here := *src
	here.part = map[*stats.Cell]bool{}
	for _, cell := range cells {
		here.part[cell] = true
	}
	f, ok := c.Figure(&here)
	f.called(c, common)
	return f, ok
}

func (f *Figure) called(c Chart, p part) {
	f.part = p
	f.title = c.Title + ": " + p.String()
}

// family returns the part by the workload, or by the first workload of a mix.
func family(c *stats.Cell) part {
	p := part{protocol: c.Protocol, workload: c.Workload}
	for _, r := range c.Repeats {
		if len(r.Mix) > 0 {
			p.workload, p.mixed = r.Mix[0].Workload, true
			break
		}
	}
	return p
}

func byLoop(c *stats.Cell) part {
	p := family(c)
	p.open = c.Loop == result.Open && c.Workload != result.Idle
	return p
}

// variable returns what several settings are values of: for "gil 5ms" and "gil 20ms" it is
// "gil". A setting that is the only one of its kind stays with the cells without a setting.
func variable(c *stats.Cell, among []*stats.Cell) string {
	v := c.Setting.Variable()
	if !slices.ContainsFunc(among, func(o *stats.Cell) bool { return o.Setting != c.Setting && o.Setting.Variable() == v }) {
		return ""
	}
	return v
}
