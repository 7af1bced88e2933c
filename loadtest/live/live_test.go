package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	made "github.com/invopop/jsonschema"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/vbauerster/mpb/v8"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/trial"
)

var update = flag.Bool("update", false, "write the schema and the golden files")

var (
	key  = result.Key{Model: "eventloop", Protocol: "http", Workload: "plaintext", Clients: 100, Loop: result.Closed}
	step = plan.Step{Cell: &plan.Cell{Key: key}, Repeat: 2}
)

func begin() Start {
	return Start{
		Run: &result.Run{ID: "20260102T030405Z-quick", Name: "quick", Repeats: 3, Cells: []result.Key{key}, Host: result.Host{Cores: 2}},
		Dir: "results/20260102T030405Z-quick", Steps: 9, Done: 2, Notes: []string{"nginx is left out: nginx: not found"},
	}
}

// ended returns the event at the end of a repeat.
func ended(n int, v result.Verdict, reasons ...result.Reason) loadtest.Event {
	return loadtest.Event{Step: step, N: n, Total: 9, Left: 4 * time.Second, Repeat: &result.Repeat{
		Key: key, Repeat: 2, Requests: 1000, ThroughputRPS: 98_100, Service: result.Latency{P99: 0.0034},
		Server: result.Server{CPUUserSec: 0.005, CPUSysSec: 0.006}, Errors: map[string]int64{"reset": 3},
		Gates: result.Gates{Verdict: v, Reasons: reasons},
	}}
}

// play is a campaign of three repeats.
func play(w Watcher) {
	w.Begin(begin())
	w.Event(loadtest.Event{Step: step, N: 3, Total: 9, Left: 90 * time.Second})
	w.Event(loadtest.Event{Step: step, N: 3, Total: 9, Left: 90 * time.Second, Warning: "the generator's ceiling is not known"})
	w.Event(loadtest.Event{Step: step, N: 3, Total: 9, Left: 90 * time.Second, Second: &loadtest.Progress{N: 0, Requests: 98_123, P99Sec: 0.0034}})
	w.Event(loadtest.Event{Step: step, N: 3, Total: 9, Left: 90 * time.Second, Second: &loadtest.Progress{N: 1, Requests: 1000, Errored: 7, P99Sec: 0.1}})
	w.Event(ended(3, result.Valid))
	w.Event(ended(4, result.Suspect, result.Reason{Gate: result.GateSteady, Text: "not steady: throughput changed by +20 % ± 3 % over the window"}))
	w.Event(ended(5, result.Invalid, result.Reason{Gate: result.GateErrors, Text: "errors: reset 3"}, result.Reason{Gate: result.GateWindow, Text: "the window was short"}))
}

func TestPlain(t *testing.T) {
	var b bytes.Buffer
	p := NewPlain(&b)
	play(p)
	p.End(nil)
	want := `quick: 1 cells × 3 repeats on 2 cores, into results/20260102T030405Z-quick
2 of 9 repeats are already measured
nginx is left out: nginx: not found
eventloop http/plaintext closed clients=100, repeat 2: warning: the generator's ceiling is not known
3/9 eventloop http/plaintext closed clients=100 repeat=2: 98100 req/s, p99 3.40 ms, 11.0 µs CPU a request (4s left)
4/9 eventloop http/plaintext closed clients=100 repeat=2: 98100 req/s, p99 3.40 ms, 11.0 µs CPU a request, suspect: not steady: throughput changed by +20 % ± 3 % over the window (4s left)
5/9 eventloop http/plaintext closed clients=100 repeat=2: invalid: errors: reset 3; the window was short (4s left)
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

// The two lines of the terminal after each event.
func TestTerminalLines(t *testing.T) {
	now := time.Unix(0, 0)
	var b bytes.Buffer
	w := newTerminal(&b, func() time.Time { return now }, mpb.WithOutput(io.Discard))
	w.Begin(begin())
	lines := func() [2]string {
		w.mu.Lock()
		defer w.mu.Unlock()
		return [2]string{w.runLine(), w.cellLine()}
	}
	const cell = "eventloop http/plaintext closed clients=100, repeat 2"
	for _, tt := range []struct {
		reason string
		ev     loadtest.Event
		passes time.Duration
		want   [2]string
	}{
		{"a step begins", loadtest.Event{Step: step, N: 3, Total: 9, Left: 90 * time.Second}, 0, [2]string{" 3 of 9, 1m30s left", cell}},
		{"time passes without an event", loadtest.Event{Step: step, N: 3, Total: 9, Left: 90 * time.Second}, 5 * time.Second, [2]string{" 3 of 9, 1m25s left", cell}},
		{"a second of the window", loadtest.Event{Step: step, N: 3, Total: 9, Second: &loadtest.Progress{Requests: 98_123, P99Sec: 0.0034}}, 0,
			[2]string{" 3 of 9, 1m25s left", cell + ": 98.1k/s, p99 3.40 ms"}},
		{"some fail", loadtest.Event{Step: step, N: 3, Total: 9, Second: &loadtest.Progress{Requests: 1000, Errored: 7, P99Sec: 0.1}}, 0,
			[2]string{" 3 of 9, 1m25s left", cell + ": 1.00k/s, p99 100 ms, 7 failed"}},
		{"the response time counts", loadtest.Event{Step: step, N: 3, Total: 9, Second: &loadtest.Progress{Requests: 1000, P99Sec: 0.0037, ResponseP99Sec: 0.907}}, 0,
			[2]string{" 3 of 9, 1m25s left", cell + ": 1.00k/s, p99 907 ms"}},
		{"few answers have no p99", loadtest.Event{Step: step, N: 3, Total: 9, Second: &loadtest.Progress{Requests: 999, P99Sec: 0.1}}, 0,
			[2]string{" 3 of 9, 1m25s left", cell + ": 999/s, p99 –"}},
		{"nothing is answered", loadtest.Event{Step: step, N: 3, Total: 9, Second: &loadtest.Progress{}}, 0, [2]string{" 3 of 9, 1m25s left", cell + ": 0/s"}},
		{"the repeat is valid", ended(3, result.Valid), 0, [2]string{" 3 of 9, 1 valid, 4s left", cell + ": done"}},
		{"the next is not", ended(4, result.Invalid, result.Reason{Gate: result.GateErrors, Text: "errors"}), 9 * time.Second, [2]string{" 4 of 9, 1 valid, 1 invalid, 0s left", cell + ": done"}},
	} {
		w.Event(tt.ev)
		now = now.Add(tt.passes)
		if got := lines(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.reason, got, tt.want)
		}
	}
	w.End(nil) // must not hang on bars that are not complete
}

// Warnings and repeats that are not valid stay on the terminal; valid repeats do not.
func TestTerminalKeepsDoubts(t *testing.T) {
	var b bytes.Buffer
	w := newTerminal(&b, time.Now, mpb.WithAutoRefresh(), mpb.WithRefreshRate(time.Millisecond))
	play(w)
	w.End(errors.New("interrupted"))
	for _, want := range []string{"into results/", "warning: the generator's ceiling is not known", "suspect: not steady", "invalid: errors: reset 3; and 1 more"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "µs CPU a request") {
		t.Errorf("a valid repeat has a line of its own:\n%s", &b)
	}
}

func events(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	j := newJSON(&b, func() time.Time { at = at.Add(time.Second); return at })
	play(j)
	j.End(errors.New("interrupted"))
	j.End(nil)
	return b.Bytes()
}

// Programs read these lines: a change of the golden file that is not an addition needs a
// new EventVersion.
func TestJSON(t *testing.T) {
	const golden = "testdata/events.jsonl"
	got := events(t)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(golden, got, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

// generate makes the schema from the types.
func generate(t *testing.T) []byte {
	t.Helper()
	r := &made.Reflector{RequiredFromJSONSchemaTags: true}
	s := r.Reflect(&Event{})
	s.ID = "https://github.com/tierbench/tierbench/schema/events/1"
	s.Title = "A line of tierbench run --json"
	s.Description = "event says what happened, and which of begin, step, second, warning, outcome and end are there. Units are seconds and requests a second."
	s.Definitions["Event"].Required = []string{"event", "time"}
	kind, _ := s.Definitions["Event"].Properties.Get("event")
	kind.Enum = []any{"begin", "step", "second", "warning", "repeat", "end"}
	for def, fields := range map[string][]string{
		"Begin": {"version", "run", "dir", "steps"}, "Step": {"n", "steps", "left_sec", "cell", "repeat"}, "Second": {"n", "requests", "errored", "p99_sec"},
		"Outcome": {"verdict", "requests", "errored", "throughput_rps", "p99_sec"}, "End": {"complete"}, "Labels": {"model", "protocol", "workload", "clients", "loop"},
	} {
		s.Definitions[def].Required = fields
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func TestSchemaIsThatOfTheEvents(t *testing.T) {
	if *update {
		EventSchema = generate(t)
		if err := os.WriteFile("event.schema.json", EventSchema, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(generate(t)), string(EventSchema)); diff != "" {
		t.Errorf("event.schema.json is not of these types (run with -update):\n%s", diff)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(EventSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("events.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("events.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(line string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	n := 0
	for line := range strings.Lines(string(events(t))) {
		n++
		if err := check(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if n != 10 {
		t.Errorf("%d lines", n)
	}
	for _, line := range []string{`{"event": "lunch", "time": "2026-01-02T03:04:06Z"}`, `{"event": "end"}`, `{"event": "end", "time": "2026-01-02T03:04:06Z", "end": {"complete": 1}}`} {
		if check(line) == nil {
			t.Errorf("%s is taken for an event", line)
		}
	}
}

// scrape reads the metrics as Prometheus does. It returns their values by name and labels.
func scrape(t *testing.T, addr net.Addr) map[string]float64 {
	t.Helper()
	resp, err := http.Get("http://" + addr.String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			id := name
			for _, l := range m.Label {
				id += " " + l.GetName() + "=" + l.GetValue()
			}
			values[id] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	at, stop, err := m.Serve("0")
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			stop()
		}
	}()
	if host, _, _ := net.SplitHostPort(at.String()); host != "127.0.0.1" {
		t.Errorf("without a host it listens on %s", at)
	}
	now := time.Unix(1000, 0)
	m.now = func() time.Time { return now }
	const cell = "tierbench_cell_info clients=100 loop=closed model=eventloop protocol=http rate= repeat=2 setting= workload=plaintext"
	check := func(when string, want map[string]float64, absent ...string) {
		t.Helper()
		got := scrape(t, at)
		for id, v := range want {
			if g, there := got[id]; !there || g != v {
				t.Errorf("%s: %s is %v (there: %v), want %v", when, id, g, there, v)
			}
		}
		for _, id := range absent {
			if _, there := got[id]; there {
				t.Errorf("%s: %s is there", when, id)
			}
		}
	}
	m.Begin(begin())
	check("at the start", map[string]float64{
		"tierbench_run_info config=quick run=20260102T030405Z-quick": 1, "tierbench_steps": 9, "tierbench_steps_done": 2, "tierbench_left_seconds": 0,
		"tierbench_repeats_total verdict=valid": 0, "tierbench_repeats_total verdict=suspect": 0, "tierbench_repeats_total verdict=invalid": 0,
	}, cell)
	m.Event(loadtest.Event{Step: step, N: 3, Total: 9, Left: 90 * time.Second})
	now = now.Add(10 * time.Second)
	m.Event(loadtest.Event{Step: step, N: 3, Total: 9, Second: &loadtest.Progress{Requests: 5000, P99Sec: 0.25, Errored: 4}})
	m.Event(loadtest.Event{Step: step, N: 3, Total: 9, Warning: "hm"})
	check("in a window", map[string]float64{
		cell: 1, "tierbench_clients": 100, "tierbench_left_seconds": 80, "tierbench_requests_per_second": 5000,
		"tierbench_service_time_p99_seconds": 0.25, "tierbench_errors_per_second": 4, "tierbench_warnings_total": 1, "tierbench_steps_done": 2,
	})
	m.Event(ended(3, result.Suspect, result.Reason{Gate: result.GateOther, Text: "hm"}))
	check("behind it", map[string]float64{
		"tierbench_clients": 0, "tierbench_left_seconds": 4, "tierbench_requests_per_second": 0, "tierbench_service_time_p99_seconds": 0, "tierbench_errors_per_second": 0,
		"tierbench_requests_total": 5000, "tierbench_errors_total": 4, "tierbench_steps_done": 3, "tierbench_repeats_total verdict=suspect": 1,
	}, cell)
	m.End(nil)
	check("at the end", map[string]float64{"tierbench_left_seconds": 0})
	if resp, err := http.Get("http://" + at.String() + "/"); err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("another path: %v, err %v", resp, err)
	}
	stop()
	stopped = true
	if conn, err := net.Dial("tcp", at.String()); err == nil {
		conn.Close()
		t.Error("it listens still")
	}
	if _, _, err := m.Serve("nonsense:port"); err == nil {
		t.Error("nonsense was listened on")
	}
}

func TestAllAreTold(t *testing.T) {
	var a, b bytes.Buffer
	all := All{NewPlain(&a), NewPlain(&b)}
	play(all)
	all.End(nil)
	if a.Len() == 0 || a.String() != b.String() {
		t.Errorf("one was told\n%s\nand the other\n%s", &a, &b)
	}
}

func TestTrialLine(t *testing.T) {
	ev := trial.Event{N: 2, Total: 5, Left: 3 * time.Second, Trial: &result.Trial{Name: "spawn", Variant: "fork", Repeat: 1, Values: map[string]float64{"b_sec": 0.25, "a": 3}}}
	if got, want := trialLine(ev), "2/5 trial spawn fork repeat=1: a 3, b_sec 0.25 (3s left)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
