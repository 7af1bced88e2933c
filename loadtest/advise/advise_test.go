package advise

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
)

// law is how a made-up model does: all of it is exact.
type law struct {
	name      string
	cpuSec    float64 // of a request, at any number of clients
	cores     float64 // that it uses when nothing else is short
	fixed     float64 // bytes
	perClient float64
	slots     int // 0: as many as there are clients
	closes    bool
	processes int
}

var laws = []law{
	{name: "light", cpuSec: 10e-6, cores: 1, fixed: 10 << 20, perClient: 512, processes: 1},
	{name: "heavy", cpuSec: 20e-6, cores: 2, fixed: 20 << 20, perClient: 1 << 20, processes: 1},
	{name: "single", cpuSec: 10e-6, cores: 1, fixed: 10 << 20, perClient: 0, slots: 1, closes: true, processes: 1},
}

// made is a run of the laws: plaintext and a wait of 10 ms.
func made(clients ...int) *result.Set {
	set := &result.Set{Run: result.Run{ID: "made", Host: result.Host{Cores: 2}}}
	for _, l := range laws {
		set.Run.Models = append(set.Run.Models, result.Info{Name: l.name, ClosesEach: l.closes})
		for _, w := range []struct {
			name string
			wait float64
		}{{"plaintext", 0}, {"wait-10ms", 0.010}} {
			for _, n := range clients {
				k := result.Key{Model: l.name, Protocol: "http", Workload: w.name, Clients: n, Loop: result.Closed}
				set.Run.Cells = append(set.Run.Cells, k)
				slots := float64(n)
				if l.slots > 0 {
					slots = float64(l.slots)
				}
				rps := math.Min(l.cores/l.cpuSec, slots/(w.wait+l.cpuSec))
				usage := result.Usage{PSSBytes: int64(l.fixed), Processes: l.processes}
				r := result.Repeat{Key: k, Request: result.ParseRequest(w.name), Repeat: 1, DurationSec: 1, Requests: int64(rps), ThroughputRPS: rps, Gates: result.Gates{Verdict: result.Valid}}
				r.Server = result.Server{
					CPUUserSec: float64(r.Requests) * l.cpuSec, Before: usage,
					Usage: result.Usage{Processes: l.processes, PSSBytes: int64(l.fixed + l.perClient*float64(n))},
				}
				set.Repeats = append(set.Repeats, r)
			}
		}
	}
	return set
}

func TestAdvise(t *testing.T) {
	set := made(10, 100, 1000)
	for _, tt := range []struct {
		why  string
		need Need
		want map[string]Fit
		by   map[string]string // the tightest limit
	}{
		{"little of everything", Need{Clients: 500, RateRPS: 1000}, map[string]Fit{"light": Carries, "heavy": Carries, "single": Carries}, nil},
		{"65 % of the light one's core", Need{Clients: 500, RateRPS: 65e3}, map[string]Fit{"light": Carries, "heavy": Carries, "single": Carries}, map[string]string{"light": "CPU"}},
		{"80 % of it", Need{Clients: 500, RateRPS: 80e3}, map[string]Fit{"light": Tight, "heavy": Tight, "single": Tight}, map[string]string{"heavy": "CPU"}},
		{"more than it has", Need{Clients: 500, RateRPS: 101e3}, map[string]Fit{"light": Fails, "heavy": Fails, "single": Fails}, nil},
		{"half of the heavy one's cores are taken away", Need{Clients: 500, RateRPS: 60e3, Cores: 1}, map[string]Fit{"light": Carries, "heavy": Fails, "single": Carries}, nil},
		{"cores that were never seen used help nobody", Need{Clients: 500, RateRPS: 150e3, Cores: 64}, map[string]Fit{"light": Fails, "heavy": Fails, "single": Fails}, nil},
		{"a wait fills the only slot", Need{Clients: 500, RateRPS: 1000, WaitSec: 0.010}, map[string]Fit{"light": Carries, "heavy": Carries, "single": Fails}, map[string]string{"single": "slots"}},
		{"memory for the light one", Need{Clients: 5000, RateRPS: 1000, MemoryBytes: 1 << 30}, map[string]Fit{"light": Carries, "heavy": Fails, "single": Carries}, map[string]string{"heavy": "memory"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got, err := Advise(set, tt.need)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(tt.want) {
				t.Errorf("%d models, want %d", len(got), len(tt.want))
			}
			for i, a := range got {
				if a.Fit != tt.want[a.Model] {
					t.Errorf("%s %s with headroom %.3g, want: %s", a.Model, a.Fit, a.Headroom(), tt.want[a.Model])
				}
				if by := tt.by[a.Model]; by != "" && a.Tightest().What != by {
					t.Errorf("%s is limited by %s, want %s", a.Model, a.Tightest().What, by)
				}
				if i > 0 && got[i-1].Fit == a.Fit && got[i-1].Headroom() < a.Headroom() {
					t.Errorf("%s comes after %s", a.Model, got[i-1].Model)
				}
			}
		})
	}
}

// The arithmetic is shown with the numbers that it is of.
func TestArithmetic(t *testing.T) {
	got, err := Advise(made(10, 100, 1000), Need{Clients: 2000, RateRPS: 20e3, WaitSec: 0.05, MemoryBytes: 1 << 30, Workload: "plaintext"})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, a := range got {
		if a.Model == "light" {
			for _, l := range a.Limits {
				text.WriteString(l.What + " " + strings.Join(l.Steps, "\n") + "\n")
			}
			text.WriteString(strings.Join(a.Doubts, "\n"))
		}
	}
	for _, want := range []string{
		"CPU 20.0k/s × 10.0 µs = 0.2 cores", "the nearest measured value: 10.0 µs at 1,000", "it has 1 core: the most that it used in the run, of 2 cores",
		"slots 20.0k/s × (50.0 ms + 10.0 µs) = 1.00k requests at a time", "each of 2,000 clients",
		"memory 11.0 MiB at 2,000 clients: 10.5 MiB + 1,000 × 512 B a client", "2,000 clients are more than were measured (1,000)", "the cost of waiting itself",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, text.String())
		}
	}
}

func TestMistakes(t *testing.T) {
	good := Need{Clients: 10, RateRPS: 10}
	for _, tt := range []struct {
		why    string
		change func(*Need)
		set    *result.Set
		want   string
	}{
		{"nobody", func(n *Need) { n.Clients = 0 }, nil, "--clients 0; allowed: 1 to 1e+09"},
		{"no rate", func(n *Need) { n.RateRPS = math.NaN() }, nil, "--rate NaN; allowed: 1e-06 to 1e+12 requests/s"},
		{"a rate of hundreds of digits", func(n *Need) { n.RateRPS = 1e300 }, nil, "--rate 1e+300; allowed: "},
		{"a wait of years", func(n *Need) { n.WaitSec = 1e9 }, nil, "--wait-ms 1e+12; allowed: 0 to 8.64e+07"},
		{"cores of no number", func(n *Need) { n.Cores = math.Inf(1) }, nil, "--cores +Inf; allowed: 0 to 1e+06"},
		{"memory below nothing", func(n *Need) { n.MemoryBytes = -1 }, nil, "--memory -1 bytes; allowed: above 0"},
		{"more than the clients can ask for", func(n *Need) { n.WaitSec = 2 }, nil, "10 clients that wait 2.00 s for each answer cannot ask for more than 5.00/s; 10.0/s was asked for"},
		{"a workload that was not measured", func(n *Need) { n.Workload = "cpu-5ms" }, nil, "allowed: http/plaintext, http/wait-10ms"},
		{"a protocol that was not measured", func(n *Need) { n.Protocol = "echo" }, nil, "did not measure this workload"},
		{"a run of nothing", func(*Need) {}, &result.Set{}, "no closed loop without a setting has a repeat that counts"},
	} {
		need, set := good, tt.set
		tt.change(&need)
		if set == nil {
			set = made(10, 100)
		}
		if _, err := Advise(set, need); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.why, err, tt.want)
		}
	}
}

// What follows the laws that are assumed is predicted exactly.
func TestCheckExact(t *testing.T) {
	all := Check(made(10, 50, 100, 1000))
	byModel := map[string]int{}
	for _, p := range all {
		byModel[p.Model]++
		if p.Model == "single" && p.What == "throughput" && p.Asked == "http wait-10ms" {
			continue // its slots are not among what Check predicts with
		}
		if math.Abs(p.Error()) > 0.002 {
			t.Errorf("%+v is off by %+.2f %%", p, 100*p.Error())
		}
		if want := p.Clients == 1000 || p.Clients == 10 && p.What != "memory"; p.Outside != want {
			t.Errorf("%+v: outside is %v", p, p.Outside)
		}
	}
	if byModel["light"] != 2*4*3 {
		t.Errorf("predictions by model: %v", byModel)
	}
	if got := Check(made(10, 100)); got != nil {
		t.Errorf("of two numbers of clients, one was left out: %+v", got)
	}
}

// A law that is broken at one tier shows as an error there, of the known size.
func TestCheckFindsWhatItCannotPredict(t *testing.T) {
	set := made(10, 100, 1000)
	for i := range set.Repeats {
		if r := &set.Repeats[i]; r.Model == "light" && r.Clients == 100 && r.Workload == "plaintext" {
			r.Server.CPUUserSec *= 2
		}
	}
	found := false
	for _, p := range Check(set) {
		if p.Model == "light" && p.Clients == 100 && p.Asked == "http plaintext" && p.What == "CPU per request" {
			found = true
			if math.Abs(p.Error()+0.5) > 0.001 || p.Outside {
				t.Errorf("%+v is off by %+.2f %%, want −50", p, 100*p.Error())
			}
		}
	}
	if !found {
		t.Error("it was not predicted")
	}
	for _, a := range Accuracies(Check(set)) {
		if a.What == "CPU per request" && !a.Outside && (math.Abs(a.Max-0.5) > 0.001 || a.Median > 0.001 || a.N != 6) {
			t.Errorf("%+v", a)
		}
	}
}

// The published runs are of real servers: memory is near a line, and the price
// of a request changes little between tiers. It fails when a rule of the
// prediction is broken, not when a machine was busy.
func TestCheckPublished(t *testing.T) {
	dirs, err := filepath.Glob("../../results/*-quick")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no published run: %v", err)
	}
	for _, dir := range dirs {
		set, err := result.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range Accuracies(Check(set)) {
			if !a.Outside && a.Median > 0.25 {
				t.Errorf("%s: %+v", dir, a)
			}
		}
	}
}

func TestCurve(t *testing.T) {
	c := curve{{10, 100}, {1000, 300}}
	for _, tt := range []struct {
		why     string
		clients float64
		scale   scale
		value   float64
		outside bool
	}{
		{"measured", 10, logarithmic, 100, false},
		{"half way in the logarithm", 100, logarithmic, 200, false},
		{"flat below", 1, logarithmic, 100, true},
		{"flat above", 1e5, logarithmic, 300, true},
		{"half way", 505, linear, 200, false},
		{"on as it went", 1990, linear, 500, true},
	} {
		e, ok := c.at(tt.clients, tt.scale)
		if !ok || math.Abs(e.value-tt.value) > 1e-9 || e.outside != tt.outside {
			t.Errorf("%s: %+v, want %v", tt.why, e, tt.value)
		}
	}
	if e, ok := (curve{{10, 300}, {1000, 100}}).at(1e6, linear); !ok || e.value != 100 {
		t.Errorf("memory is given back to nobody: %+v", e)
	}
	if _, ok := (curve{{10, 300}}).at(20, linear); ok {
		t.Error("a line through one point")
	}
}
