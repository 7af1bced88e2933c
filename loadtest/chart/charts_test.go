package chart

import (
	"math"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

// named finds a chart by its name.
func named(t *testing.T, name string) Chart {
	t.Helper()
	for _, c := range All {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no chart %s", name)
	return Chart{}
}

func specOf(t *testing.T, name string, set *result.Set) Spec {
	t.Helper()
	f, ok := named(t, name).Figure(source(set))
	if !ok {
		t.Fatalf("%s is not drawn", name)
	}
	return f.Spec(func(*stats.Cell) int { return 0 })
}

// value reads a model's point of a panel.
func value(t *testing.T, p SpecPanel, model string, x float64) float64 {
	t.Helper()
	for _, s := range p.Series {
		for i := range s.X {
			if s.Model == model && math.Abs(s.X[i]-x) < 1e-9 && s.Y[i] != nil {
				return *s.Y[i]
			}
		}
	}
	t.Fatalf("%s has no point of %s at %v", p.Title, model, x)
	return 0
}

func TestMemoryByKind(t *testing.T) {
	spec := specOf(t, "memory-kinds", statstest.Special())
	if len(spec.Panels) != 4 {
		t.Fatalf("%d panels, want user memory, kernel stacks, page tables and sockets of idle clients", len(spec.Panels))
	}
	for i, p := range spec.Panels {
		if p.Y.Min != spec.Panels[0].Y.Min || p.Y.Max != spec.Panels[0].Y.Max {
			t.Errorf("%s is on a scale of its own", p.Title)
		}
		if !strings.HasSuffix(p.Title, "echo idle") {
			t.Errorf("panel %d is of %s", i, p.Title)
		}
	}
	if got := value(t, spec.Panels[3], "eventloop", 2000); got != 3400 {
		t.Errorf("the floor is %v, want 3400", got)
	}
	if got := value(t, spec.Panels[2], "thread", 2000); got != 40 {
		t.Errorf("page tables take %v, want the growth of 40", got)
	}
	if got := value(t, spec.Panels[1], "thread", 2000); math.Abs(got-16<<10) > 16 {
		t.Errorf("kernel stacks take %v, want about 16 KiB", got)
	}
	// Records that say nothing of sockets have no floor to draw.
	if _, ok := named(t, "memory-kinds").Figure(source(everything())); ok {
		t.Error("it is drawn without a floor")
	}
}

func TestWaiting(t *testing.T) {
	spec := specOf(t, "waiting", statstest.Special())
	if len(spec.Panels) != 1 || !strings.Contains(spec.Panels[0].Title, "wait-50ms") {
		t.Fatalf("panels %+v", spec.Panels)
	}
	if got := value(t, spec.Panels[0], "eventloop", 1000); got < 0.95 || got > 1 {
		t.Errorf("the event loop uses %v of what waits, want about 0.99", got)
	}
	if got := value(t, spec.Panels[0], "prefork", 1000); got < 0.24 || got > 0.26 {
		t.Errorf("256 slots use %v of 1,000 clients' waiting, want about 0.253", got)
	}
	for name, want := range map[string]float64{"wait-50ms": 0.05, "block-2s": 2, "wait-": 0, "plaintext": 0, "plaintext+1%block-100ms": 0} {
		cell := &stats.Cell{Key: result.Key{Protocol: "http"}, Repeats: []*result.Repeat{{Request: result.ParseRequest(name)}}}
		if got := waitOf([]*stats.Cell{{}, cell}); got != want {
			t.Errorf("%s waits for %v s, want %v", name, got, want)
		}
	}
}

func TestInterference(t *testing.T) {
	spec := specOf(t, "interference", statstest.Special())
	if len(spec.Panels) != 2 {
		t.Fatalf("%d panels, want one for each kind", len(spec.Panels))
	}
	if !strings.HasPrefix(spec.Panels[0].Title, "p99 of plaintext") || !strings.HasPrefix(spec.Panels[1].Title, "p99 of block-100ms") {
		t.Errorf("panels %q and %q", spec.Panels[0].Title, spec.Panels[1].Title)
	}
	if got := value(t, spec.Panels[0], "eventloop", 100); got < 0.1 {
		t.Errorf("bystanders of the event loop wait %v s", got)
	}
	if got := value(t, spec.Panels[0], "thread", 100); got > 0.05 {
		t.Errorf("bystanders of the threads wait %v s", got)
	}
}

func TestFaults(t *testing.T) {
	spec := specOf(t, "faults", statstest.Special())
	if len(spec.Panels) != 2 {
		t.Fatalf("%d panels, want one for each fault", len(spec.Panels))
	}
	want := []SpecEvent{{2, 2, "kill"}, {1.5, 3.5, "stop"}}
	for i, p := range spec.Panels {
		if len(p.Events) != 1 || p.Events[0] != want[i] {
			t.Errorf("%s: events %+v, want %+v", p.Title, p.Events, want[i])
		}
	}
	if before, after := value(t, spec.Panels[1], "thread", 1.05), value(t, spec.Panels[1], "thread", 2.05); after != 0 || before < 50e3 {
		t.Errorf("stopped, throughput went from %v to %v", before, after)
	}
	svg := render(t, named(t, "faults"), statstest.Special())
	for _, name := range []string{">kill<", ">stop<"} {
		if !strings.Contains(svg, name) {
			t.Errorf("the picture has no %s", name)
		}
	}
}

func TestNoiseFloor(t *testing.T) {
	set := statstest.Special()
	got := noiseFloor(stats.Cells(&set.Run, set.Repeats))
	if !strings.HasPrefix(got, "noise floor: in 3 cells measured twice, throughput ±") {
		t.Errorf("%q", got)
	}
	if floor := stats.NoiseFloor(stats.Cells(&set.Run, set.Repeats), stats.Throughput); !strings.HasSuffix(got, stats.Floors([]stats.Noise{floor})) {
		t.Errorf("%q, and the ledger says %v", got, floor)
	}
	if !strings.Contains(render(t, named(t, "throughput"), set), "noise floor") {
		t.Error("no caption says it")
	}
	set = everything()
	if got := noiseFloor(stats.Cells(&set.Run, set.Repeats)); got != "" {
		t.Errorf("nothing was measured twice, yet %q", got)
	}
}

// The law that was put in comes out as a curve with its peak; what no law is of
// has its points alone, and the caption says why.
func TestScaling(t *testing.T) {
	spec := specOf(t, "scaling", statstest.Scaling())
	if len(spec.Panels) != 1 {
		t.Fatalf("%d panels, want one", len(spec.Panels))
	}
	peaks := map[string]float64{}
	for _, s := range spec.Panels[0].Series {
		if s.Curve && s.Peak != nil {
			peaks[s.Model] = *s.Peak
		}
	}
	if len(peaks) != 2 || math.Abs(peaks["eventloop"]/313-1) > 0.05 || math.Abs(peaks["thread"]/97-1) > 0.05 {
		t.Errorf("peaks at %v, want 313 and 97", peaks)
	}
	if c := strings.Join(spec.Caption, "\n"); !strings.Contains(c, "prefork refused: R² is 0.") {
		t.Errorf("the caption does not refuse prefork: %s", c)
	}
	if _, ok := named(t, "scaling").Figure(source(everything())); ok {
		t.Error("it is drawn of four tiers")
	}
}
