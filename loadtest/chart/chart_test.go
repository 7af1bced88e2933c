package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/plot/vg"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

var update = flag.Bool("update", false, "write the golden files")

func render(t *testing.T, c Chart, set *result.Set) string {
	t.Helper()
	f, ok := c.Figure(&set.Run, stats.Cells(&set.Run, set.Repeats))
	if !ok {
		return ""
	}
	var b bytes.Buffer
	if err := f.Draw(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	set := statstest.Run([]int{10, 100, 1000, 10000}, 3)
	for _, c := range All {
		if c.File != "throughput.svg" && c.File != "memory.svg" {
			continue // drawn by the same code, and as large
		}
		got := render(t, c, set)
		golden := filepath.Join("testdata", c.File)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s differs (look at it, then run with -update):\n%s", golden, diff)
		}
		if again := render(t, c, set); again != got {
			t.Errorf("%s: drawn twice, it differs", c.File)
		}
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
		{"nothing at all", &result.Set{}, "throughput latency cpu memory", nil},
		{"listed, not measured", &result.Set{Run: statstest.Run([]int{10}, 1).Run}, "throughput latency cpu memory", nil},
		{"no valid repeat", change(statstest.Run(tiers13, 3), invalid), "throughput latency cpu memory", nil},
		{"one tier, one repeat", statstest.Run([]int{100}, 1), "", []string{"one repeat, so no interval", "hundreds"}},
		{"thirteen tiers, ten repeats", statstest.Run(tiers13, 10), "", []string{"95 % CI of 9 to 10 repeats", "ones"}},
		{"a model that never passes", change(statstest.Run([]int{10, 1000}, 3), func(r *result.Repeat) {
			if r.Model == "thread" {
				invalid(r)
			}
		}), "", []string{"no valid repeat: ", "thread"}},
		{"twelve models", change(statstest.Run(tiers13, 12), func(r *result.Repeat) {
			r.Model = fmt.Sprintf("a-model-with-quite-a-long-name-%d", r.Repeat)
		}), "", []string{">a-model-with-quite-a", "…<"}},
		{"memory that shrinks has no place on a logarithmic axis", change(statstest.Run([]int{10, 100}, 3), func(r *result.Repeat) {
			if r.Clients == 10 {
				r.Server.PSSBytes = 1 << 20
			}
		}), "", []string{"Values of 0 and below"}},
		{"memory that shrinks for all", change(statstest.Run([]int{10, 100}, 3), func(r *result.Repeat) {
			r.Server.PSSBytes = r.Server.Before.PSSBytes - 1000
		}), "", nil},
		{"a server that was never sampled", change(statstest.Run([]int{10, 100}, 3), func(r *result.Repeat) {
			r.Server = result.Server{}
		}), "memory", nil},
		{"zero clients, which the plan refuses", change(statstest.Run([]int{10, 100}, 3), func(r *result.Repeat) {
			r.Clients = 0
		}), "throughput latency cpu memory", nil},
		{"no throughput, though requests", change(statstest.Run([]int{10, 100}, 3), func(r *result.Repeat) {
			r.ThroughputRPS, r.Service = 0, result.Latency{}
		}), "", nil},
		{"a name that is markup", change(statstest.Run([]int{10}, 1), func(r *result.Repeat) {
			r.Model = "<a&b>"
		}), "", []string{"&lt;a&amp;b&gt;"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			all := ""
			for _, c := range All {
				got := render(t, c, tt.set)
				name := strings.TrimSuffix(c.File, ".svg")
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
	var cells []*stats.Cell
	for i := range set.Repeats {
		if r := &set.Repeats[i]; r.Clients == 100 {
			r.Gates.Verdict = result.Invalid
		}
	}
	cells = stats.Cells(&set.Run, set.Repeats)
	f, _ := All[0].Figure(&set.Run, cells)
	p := f.bands[0].panels[0]
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
	if n := strings.Count(svg, ">invalid<"); n != 2 {
		t.Errorf("%d notes say invalid, want one in each of 2 panels", n)
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

func TestDodge(t *testing.T) {
	same := func(v float64) vg.Length { return vg.Length(v) }
	at := func(lo, hi float64) series {
		return series{points: []point{{100, stats.Summary{Median: (lo + hi) / 2, Lo: lo, Hi: hi, Kind: stats.Range, N: 3}}}}
	}
	for _, tt := range []struct {
		why    string
		series []series
		want   []vg.Length
	}{
		{"alone", []series{at(10, 90)}, []vg.Length{0}},
		{"apart", []series{at(10, 40), at(50, 90)}, []vg.Length{0, 0}},
		{"one hides the other", []series{at(10, 60), at(50, 90)}, []vg.Length{-2.25, 2.25}},
		{"the middle one may stay", []series{at(10, 60), at(20, 70), at(30, 80)}, []vg.Length{-4.5, 0, 4.5}},
		{"only those that meet move", []series{at(10, 60), at(50, 90), at(120, 140)}, []vg.Length{-4.5, 0, 0}},
		{"shorter than its marker, it is not seen anyway", []series{at(50, 52), at(51, 53)}, []vg.Length{0, 0}},
		{"a cell without a valid repeat hides nothing", []series{at(10, 60), {points: []point{{clients: 100}}}}, []vg.Length{0}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			p := panel{series: tt.series, ticks: []float64{100}}
			for i, want := range tt.want {
				if got := p.dodge(i, p.series[i].points[0], same, same); got != want {
					t.Errorf("bar %d stands %v to the side, want %v", i, got, want)
				}
			}
		})
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
		{"one", []float64{9000}, []float64{9000}, octave},
	} {
		t.Run(tt.why, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, namedTicks(tt.ticks, tt.room)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
