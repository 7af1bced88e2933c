package chart

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

var update = flag.Bool("update", false, "write the golden files")

// source is a run as charts are drawn from it, with histograms that resemble
// the repeats' percentiles.
func source(set *result.Set) *Source {
	return &Source{Run: &set.Run, Cells: stats.Cells(&set.Run, set.Repeats), Seconds: set.Seconds,
		Latencies: func(c *stats.Cell) []*hdrhistogram.Histogram {
			var out []*hdrhistogram.Histogram
			for _, r := range c.Counted {
				if r.Service.P50 == 0 {
					continue
				}
				h := hdrhistogram.New(1, 60e9, 3)
				for i, l := range []float64{r.Service.P50, r.Service.P90, r.Service.P99, r.Service.P999, r.Service.Max} {
					if err := h.RecordValues(int64(l*1e9), []int64{5000, 4000, 900, 90, 10}[i]); err != nil {
						panic(err)
					}
				}
				out = append(out, h)
			}
			return out
		}}
}

func render(t *testing.T, c Chart, set *result.Set) string {
	t.Helper()
	f, ok := c.Figure(source(set))
	if !ok {
		return ""
	}
	var b bytes.Buffer
	if err := f.SVG(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// everything is a run that all charts have something of.
func everything() *result.Set {
	set := statstest.Run([]int{10, 100, 1000, 10000}, 3)
	statstest.AddIdle(set, 9000)
	statstest.AddOpen(set, 200, 0.5, 0.7, 0.9)
	statstest.AddSeconds(set)
	statstest.Suspect(set, "prefork", 1000, "another process used 0.4 of a core")
	return set
}

// TestGolden compares what the charts are drawn from, not the drawing: its
// pixels depend on a font.
func TestGolden(t *testing.T) {
	sources := []*Source{source(everything()), source(statstest.Special()), source(statstest.Scaling())}
	for _, c := range All {
		var src *Source
		var f *Figure
		ok := false
		for i := 0; i < len(sources) && !ok; i++ {
			src = sources[i]
			f, ok = c.Figure(src)
		}
		if !ok {
			t.Errorf("%s: not drawn", c.Name)
			continue
		}
		got, err := json.MarshalIndent(f.Spec(func(c *stats.Cell) int { return slices.Index(src.Cells, c) }), "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		statstest.Golden(t, c.Name+".json", string(oneLine(got))+"\n", *update)
	}
}

// oneLine puts lists of numbers and words on a line each, to be read and
// compared.
func oneLine(b []byte) []byte {
	return regexp.MustCompile(`\[[^\[\]{}]*\]`).ReplaceAllFunc(b, func(l []byte) []byte {
		return bytes.Join(bytes.Fields(l), []byte(" "))
	})
}

// TestSVG checks that what is drawn is what is in the data: a label for each
// line, a marker for each cell, a band for each interval; and that it is
// drawn the same each time.
func TestSVG(t *testing.T) {
	for _, c := range All {
		set := everything()
		f, ok := c.Figure(source(set))
		if !ok {
			set = statstest.Special()
			f, ok = c.Figure(source(set))
		}
		if !ok {
			set = statstest.Scaling()
			f, _ = c.Figure(source(set))
		}
		svg := render(t, c, set)
		if again := render(t, c, set); again != svg {
			t.Errorf("%s: drawn twice, it differs", c.Name)
		}
		wellFormed(t, svg)
		labels := map[string]int{}
		for _, r := range f.rows {
			for _, p := range r.panels {
				labels[p.title]++
				for _, s := range p.series {
					labels[s.label()]++
				}
			}
		}
		for text, n := range labels {
			if got := strings.Count(svg, ">"+text+"<"); got != n {
				t.Errorf("%s: %q stands there %d times, want %d", c.Name, text, got, n)
			}
		}
		if !strings.Contains(svg, "shared cores") {
			t.Errorf("%s does not say on which cores", c.Name)
		}
		if f.has(panel.suspect) != strings.Contains(svg, ">suspect: ") {
			t.Errorf("%s: what is suspect is not said, or is without need", c.Name)
		}
		inside(t, c.Name, svg)
	}
}

var textAt = regexp.MustCompile(`<text x="([-0-9.]+)" y="([-0-9.]+)"`)

// inside checks that no text begins outside of the picture.
func inside(t *testing.T, name, svg string) {
	t.Helper()
	for _, m := range textAt.FindAllStringSubmatch(svg, -1) {
		x, err := strconv.ParseFloat(m[1], 64)
		if err != nil || x < 0 || x > width {
			t.Errorf("%s: a text at x = %s", name, m[1])
		}
	}
}

func TestPNG(t *testing.T) {
	f, _ := All[0].Figure(source(statstest.Run([]int{10, 100}, 2)))
	var b bytes.Buffer
	if err := f.PNG(&b); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if w := img.Bounds().Dx(); w < 1600 {
		t.Errorf("%d pixels wide, too few for a slide", w)
	}
}

// TestAnyRun draws what a run can be short of, or have too much of.
func TestAnyRun(t *testing.T) {
	tiers13 := []int{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000}
	change := func(set *result.Set, f func(*result.Repeat)) *result.Set {
		for i := range set.Repeats {
			f(&set.Repeats[i])
		}
		return set
	}
	invalid := func(r *result.Repeat) { r.Gates.Verdict = result.Invalid }
	for _, tt := range []struct {
		why   string
		set   *result.Set
		none  string   // charts there are not
		holds []string // texts some chart must have
	}{
		{"nothing at all", &result.Set{}, "throughput latency memory spectrum processes", nil},
		{"listed, not measured", &result.Set{Run: statstest.Run([]int{10}, 1).Run}, "throughput latency memory spectrum processes", nil},
		{"no valid repeat", change(statstest.Run(tiers13, 3), invalid), "throughput latency memory spectrum processes", nil},
		{"one tier, one repeat", statstest.Run([]int{100}, 1), "", []string{"one repeat, so no interval", "hundreds"}},
		{"thirteen tiers, ten repeats", statstest.Run(tiers13, 10), "", []string{"95 % CI of 9 to 10 repeats", "ones"}},
		{"a model that never passes", change(statstest.Run([]int{10, 1000}, 3), func(r *result.Repeat) {
			if r.Model == "thread" {
				invalid(r)
			}
		}), "", []string{"no repeat counts: ", "thread"}},
		{"twelve models", change(statstest.Run(tiers13, 12), func(r *result.Repeat) {
			r.Model = fmt.Sprintf("a-model-with-quite-a-long-name-%d", r.Repeat)
		}), "", []string{">a-model-with-quite-a", "…<"}},
		{"memory that shrinks has no place on a logarithmic axis", change(statstest.Run([]int{100, 1000}, 3), func(r *result.Repeat) {
			if r.Clients == 100 {
				r.Server.PSSBytes = 1 << 20
			}
		}), "", []string{"Values of 0 and below"}},
		{"memory that shrinks for all", change(statstest.Run([]int{100, 1000}, 3), func(r *result.Repeat) {
			r.Server.PSSBytes = r.Server.Before.PSSBytes - 1000
		}), "", nil},
		{"a server that was never sampled", change(statstest.Run([]int{10, 100}, 3), func(r *result.Repeat) {
			r.Server = result.Server{}
		}), "memory processes", nil},
		{"zero clients, which the plan refuses", change(statstest.Run([]int{10, 100}, 3), func(r *result.Repeat) {
			r.Clients = 0
		}), "throughput latency memory spectrum processes", nil},
		{"no throughput, though requests", change(statstest.Run([]int{10, 100}, 3), func(r *result.Repeat) {
			r.ThroughputRPS, r.Service = 0, result.Latency{}
		}), "spectrum", nil},
		{"a name that is markup", change(statstest.Run([]int{10}, 1), func(r *result.Repeat) {
			r.Model = "<a&b>"
		}), "", []string{"&lt;a&amp;b&gt;"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			all := ""
			for _, c := range All {
				got := render(t, c, tt.set)
				name := c.Name
				if slices.Contains([]string{"open-latency", "open-rate", "over-time", "cpu-over-time", "memory-kinds", "waiting", "interference", "faults", "scaling"}, name) {
					continue // these runs have neither an open loop nor a series, nothing special, and mostly few tiers
				}
				if want := !strings.Contains(tt.none, name); want != (got != "") {
					t.Errorf("%s: drawn is %v, want %v", name, !want, want)
				}
				wellFormed(t, got)
				all += got
			}
			for _, s := range tt.holds {
				if !strings.Contains(all, s) {
					t.Errorf("no chart says %q", s)
				}
			}
		})
	}
}

// TestSpecialWithoutRepeats draws none of the special charts of nothing, and
// does not fail.
func TestSpecialWithoutRepeats(t *testing.T) {
	set := statstest.Special()
	for i := range set.Repeats {
		set.Repeats[i].Gates.Verdict = result.Invalid
	}
	for _, name := range []string{"memory-kinds", "waiting", "interference", "faults"} {
		if got := render(t, named(t, name), set); got != "" {
			t.Errorf("%s is drawn of repeats that do not count", name)
		}
	}
}

var badNumber = regexp.MustCompile(`NaN|Inf`)

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	if bad := badNumber.FindString(svg); bad != "" {
		t.Errorf("a coordinate is %s", bad)
	}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestInvalidBreaksTheLine(t *testing.T) {
	set := statstest.Run([]int{10, 100, 1000}, 1)
	for i := range set.Repeats {
		if r := &set.Repeats[i]; r.Clients == 100 {
			r.Gates.Verdict = result.Invalid
		}
	}
	f, _ := All[0].Figure(source(set))
	p := f.rows[0].panels[0]
	var valid []bool
	for _, q := range p.series[0].points {
		valid = append(valid, q.valid())
	}
	if diff := cmp.Diff([]bool{true, false, true}, valid); diff != "" {
		t.Error(diff)
	}
	svg := render(t, All[0], set)
	// Only the model's line has its width, and no line has two points left.
	if strings.Contains(svg, "stroke-width:1.5;") || strings.Contains(svg, `stroke-width:1.5"`) {
		t.Error("a line goes through a cell that did not pass")
	}
	if n := strings.Count(svg, ">invalid<"); n != 4 {
		t.Errorf("%d notes say invalid, want one in each of 4 panels", n)
	}
}

// The marker of a suspect cell is hollow: white is what is filled last. Those of others are
// filled with the color of their model.
func TestSuspectMarkersAreHollow(t *testing.T) {
	for _, suspect := range []bool{false, true} {
		set := statstest.Run([]int{10, 100}, 3)
		if suspect {
			statstest.Suspect(set, "prefork", 100, "another process used 0.4 of a core")
		}
		f, _ := All[0].Figure(source(set))
		p := f.rows[0].panels[0]
		p.series = slices.DeleteFunc(p.series, func(s series) bool { return s.model != "prefork" })
		if len(p.series) != 1 || len(p.series[0].points) != 2 {
			t.Fatalf("series %+v, want one of two points", p.series)
		}
		pl := plot.New()
		pl.X.Min, pl.X.Max, pl.Y.Min, pl.Y.Max = 0, 1000, 0, 1e6
		var rec recorder.Canvas
		f.drawSeries(draw.NewCanvas(&rec, 400, 300), pl, p)
		var current, last color.Color
		for _, a := range rec.Actions {
			switch a := a.(type) {
			case *recorder.SetColor:
				current = a.Color
			case *recorder.Fill:
				last = current
			}
		}
		if hollow := last == color.Color(white); hollow != suspect {
			t.Errorf("suspect %v: the last fill is %v", suspect, last)
		}
	}
}

func TestStyles(t *testing.T) {
	names := []string{"eventloop", "thread", "prefork", "goroutine"}
	for i := range 16 {
		names = append(names, fmt.Sprintf("peer-%d", i))
	}
	all := styles(names)
	seen := map[string]string{}
	for _, n := range names {
		s := all[n]
		look := fmt.Sprint(s.color, s.dashes)
		if other, ok := seen[look]; ok {
			t.Errorf("%s looks like %s", n, other)
		}
		seen[look] = n
		if c := contrast(s.text); c < 4.5 {
			t.Errorf("the name %s has a contrast of %.1f with white", n, c)
		}
	}
	for _, n := range names[:4] {
		if got := styles([]string{"zz", n, "aa"})[n]; got.color != all[n].color || got.dashes != nil {
			t.Errorf("%s changes its look with the company it keeps", n)
		}
	}
	few := styles([]string{"eventloop", "thread", "prefork", "nginx", "c-epoll", "c-pthread", "c-process"})
	colors := map[string]bool{}
	for _, s := range few {
		colors[fmt.Sprint(s.color)] = true
	}
	if len(colors) != len(few) {
		t.Errorf("%d models share %d colours, though there are enough", len(few), len(colors))
	}
}

func TestContrast(t *testing.T) {
	if got := contrast(white); math.Abs(got-1) > 1e-9 {
		t.Errorf("white on white: %v", got)
	}
	if got := contrast(palette[0]); math.Abs(got-5.19) > 0.01 {
		t.Errorf("#0072B2 on white: got %.2f, want 5.19", got)
	}
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		why         string
		want        []float64
		gap, lo, hi float64
		out         []float64
	}{
		{"none", nil, 10, 0, 100, []float64{}},
		{"far apart: nothing moves", []float64{80, 20}, 10, 0, 100, []float64{80, 20}},
		{"two meet: each gives way by half", []float64{50, 54}, 10, 0, 100, []float64{47, 57}},
		{"equal ones keep their order", []float64{50, 50}, 10, 0, 100, []float64{45, 55}},
		{"at the bottom both move up", []float64{0, 1}, 10, 0, 100, []float64{0, 10}},
		{"at the top both move down", []float64{100, 99}, 10, 0, 100, []float64{100, 90}},
		{"a block pushes the next", []float64{50, 50, 58}, 10, 0, 100, []float64{42.666666666666664, 52.666666666666664, 62.666666666666664}},
		{"an end beyond the panel is brought in", []float64{-30, 150}, 10, 0, 100, []float64{0, 100}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if diff := cmp.Diff(tt.out, spread(tt.want, tt.gap, tt.lo, tt.hi)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnbroken(t *testing.T) {
	at := func(x float64, n int) point { return point{x: x, Estimate: stats.Estimate{N: n}} }
	for _, tt := range []struct {
		why    string
		points []point
		want   []int // points of each part
	}{
		{"none", nil, nil},
		{"all count", []point{at(1, 3), at(2, 3)}, []int{2}},
		{"one does not, in the middle", []point{at(1, 3), at(2, 0), at(3, 1), at(4, 1)}, []int{1, 2}},
		{"the ends do not", []point{at(1, 0), at(2, 3), at(3, 0)}, []int{1}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			var got []int
			for _, part := range (series{points: tt.points}).unbroken() {
				got = append(got, len(part))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNothingIsMixed checks that what was asked differently is never in one
// panel.
func TestNothingIsMixed(t *testing.T) {
	set := everything()
	n := len(set.Repeats)
	for i := range n { // the same again, of another setting
		r := set.Repeats[i]
		r.Setting.Active.Fraction = 0.01
		set.Repeats = append(set.Repeats, r)
	}
	for _, c := range All {
		f, _ := c.Figure(source(set))
		for _, r := range f.rows {
			for _, p := range r.panels {
				asked := map[string]bool{}
				for _, s := range p.series {
					for _, q := range s.points {
						asked[q.cell.Asked()] = true
					}
				}
				if len(asked) != 1 {
					t.Errorf("%s: the panel %q mixes %v", c.Name, p.title, asked)
				}
			}
		}
	}
}

func TestPercentiles(t *testing.T) {
	for x, want := range map[float64]string{2: "50%", 10: "90%", 100: "99%", 1000: "99.9%", 1e6: "99.9999%"} {
		if got := percentile(x); got != want {
			t.Errorf("%g is named %s, want %s", x, got, want)
		}
	}
	for _, n := range []float64{1, 2, 10, 12345} {
		at := upTo(n)
		if !slices.IsSorted(at) || at[0] != first || at[len(at)-1] != max(n, first) {
			t.Errorf("of %g requests: %v", n, at)
		}
	}
}

func TestStylesOnDark(t *testing.T) {
	for _, c := range palette {
		if got := 19 / contrast(onDark(c)); got < 5 {
			t.Errorf("%v has a contrast of %.1f with a dark page", c, got)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		why  string
		axis axis
		want []string
	}{
		{"from 0, in quarters", axis{max: 120e3, unit: stats.PerSecond}, []string{"0", "20k", "40k", "60k", "80k", "100k", "120k"}},
		{"a step of 2.5", axis{max: 136e3, unit: stats.PerSecond}, []string{"0", "25k", "50k", "75k", "100k", "125k"}},
		{"one unit for an axis", axis{max: 1.8e-3, unit: stats.Seconds}, []string{"0", "0.5 ms", "1 ms", "1.5 ms"}},
		{"bytes in powers of two", axis{max: 90 << 20, unit: stats.Bytes}, []string{"0", "16 MiB", "32 MiB", "48 MiB", "64 MiB", "80 MiB"}},
		{"decades", axis{min: 5e-5, max: 2, log: true, unit: stats.Seconds}, []string{"100 µs", "1 ms", "10 ms", "100 ms", "1 s"}},
		{"few decades: threes between", axis{min: 0.9, max: 40, log: true, unit: stats.Count}, []string{"1", "3", "10", "30"}},
		{"under two decades: ones, twos and fives", axis{min: 4e-3, max: 25e-3, log: true, unit: stats.Seconds}, []string{"5 ms", "10 ms", "20 ms"}},
		{"bytes over decades", axis{min: 400, max: 40 << 10, log: true, unit: stats.Bytes}, []string{"512 B", "1 KiB", "2 KiB", "4 KiB", "8 KiB", "16 KiB", "32 KiB"}},
		{"bytes over more decades", axis{min: 400, max: 5 << 20, log: true, unit: stats.Bytes}, []string{"1 KiB", "4 KiB", "16 KiB", "64 KiB", "256 KiB", "1 MiB", "4 MiB"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			tt.axis.ticks = valueTicks(tt.axis)
			var got []string
			for _, v := range tt.axis.ticks {
				got = append(got, tt.axis.name(v))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An axis that no logarithm is of has no ticks, and its making comes to an end.
func TestTicksOfAnAxisWithoutEnds(t *testing.T) {
	inf := math.Inf(1)
	for _, a := range []axis{{max: 10}, {min: -1, max: 10}, {min: 1, max: inf}, {min: math.NaN(), max: 10}, {min: 1, max: math.NaN()}} {
		for _, unit := range []stats.Unit{stats.Count, stats.Bytes} {
			a.log, a.unit = true, unit
			if got := valueTicks(a); got != nil {
				t.Errorf("from %v to %v %s: %v", a.min, a.max, unit, got)
			}
		}
	}
	at := func(v float64) point {
		return point{x: 1, Estimate: stats.Estimate{N: 1, Value: v, Lo: v, Hi: v}}
	}
	a := valueAxis(stats.Count, []panel{{series: []series{{points: []point{at(2), at(inf), at(8)}}}}})
	if !finite(a.min, a.max) || a.max < 8 || len(a.ticks) == 0 {
		t.Errorf("of 2, infinity and 8, the axis is %+v", a)
	}
}

func TestNamedTicks(t *testing.T) {
	always := func(a, b float64) bool { return true }
	octave := func(a, b float64) bool { return b/a > 4 }
	for _, tt := range []struct {
		why         string
		ticks, want []float64
		room        func(a, b float64) bool
	}{
		{"room for all", []float64{10, 30, 100}, []float64{10, 30, 100}, always},
		{"only for powers of ten", []float64{10, 30, 100, 300, 1000}, []float64{10, 100, 1000}, octave},
		{"too few of them: the ends", []float64{20, 30, 100, 300}, []float64{20, 300}, octave},
		{"not for all of these either: those that have", []float64{2, 10, 100, 1000, 10000}, []float64{10, 1000}, func(a, b float64) bool { return b/a > 50 }},
		{"one", []float64{9000}, []float64{9000}, octave},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, namedTicks(tt.ticks, tt.room)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A chart is found by its name: its file has it.
func TestEachChartHasAFileOfItsName(t *testing.T) {
	for _, c := range All {
		text, err := os.ReadFile(strings.ReplaceAll(c.Name, "-", "_") + ".go")
		if err != nil || !strings.Contains(string(text), `Name: "`+c.Name+`"`) {
			t.Errorf("%s has no file of its name that defines it (err %v)", c.Name, err)
		}
	}
}
