package wrk

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

const printed = `Running 2s test @ http://127.0.0.1:1/plaintext
  1 threads and 4 connections
Requests/sec:  1000.00

tierbench {"requests":4000,"duration_us":4000000,"bytes":400000,"connect":0,"read":2,"write":0,"status":0,"timeout":1,"values":[[100,3000],[200,900],[5000,100]]}
`

func TestParseWrk(t *testing.T) {
	w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
	if err := parseWrk([]byte(printed), run{}, w); err != nil {
		t.Fatal(err)
	}
	if w.BytesIn != 100000 {
		t.Errorf("%d bytes in a quarter of 400000", w.BytesIn)
	}
	if want := map[string]int64{"read": 2, "timeout": 1}; !maps.Equal(w.Errors, want) {
		t.Errorf("errors %v, want %v", w.Errors, want)
	}
	if h := w.Whole().Service; h.TotalCount() != 1000 || h.ValueAtQuantile(50)/1000 != 100 || h.Max()/1000 < 5000 {
		t.Errorf("%d values, median %d ns, largest %d ns", h.TotalCount(), h.ValueAtQuantile(50), h.Max())
	}
}

func TestParseWrkSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ reason, out, want string }{
		{"wrk failed before it measured", "unable to connect to 127.0.0.1:1 Connection refused\n", "no result"},
		{"the line is cut short", strings.TrimSuffix(printed, "]}\n"), "unexpected end of JSON"},
		{"no time has passed", "\ntierbench {\"requests\":1}\n", "the run took 0 µs; want more than 0"},
	} {
		w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
		if err := parseWrk([]byte(tt.out), run{}, w); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err %v, want %q in it", tt.reason, err, tt.want)
		}
	}
}

func FuzzParseWrk(f *testing.F) {
	f.Add(printed)
	f.Fuzz(func(t *testing.T, out string) {
		w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
		_ = parseWrk([]byte(out), run{}, w)
	})
}

func TestParseOha(t *testing.T) {
	out, err := os.ReadFile("testdata/oha.json")
	if err != nil {
		t.Fatal(err)
	}
	w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
	if err := parseOha(out, run{}, w); err != nil {
		t.Fatal(err)
	}
	if want := map[string]int64{"reset": 1, "status": 2}; !maps.Equal(w.Errors, want) {
		t.Errorf("errors %v, want %v: those of its end are none", w.Errors, want)
	}
	h := w.Whole().Service
	if h.TotalCount() != 1000 { // 3998 in 4 s, rounded
		t.Errorf("%d requests in a quarter of the run", h.TotalCount())
	}
	for q, want := range map[float64]int64{10: 400, 25: 600, 50: 900, 75: 1100, 90: 1400, 95: 1800, 99: 5000} {
		if got := h.ValueAtQuantile(q) / 1000; got < want || got > want+want/1000 { // the histogram's resolution
			t.Errorf("p%g is %d µs, want %d", q, got, want)
		}
	}
	for _, tt := range []struct{ reason, out, want string }{
		{"not JSON", "error: unexpected argument", "invalid character"},
		{"no time has passed", `{"summary": {"total": 0}}`, "the run took 0 s; want more than 0"},
		{"nothing was answered, and the percentiles are null", `{"summary": {"total": 1}, "latencyPercentiles": {"p10": null}}`, "no request was answered"},
		{"a percentile is missing", `{"summary": {"total": 1}, "statusCodeDistribution": {"200": 5}, "latencyPercentiles": {"p10": 1, "p25": null}}`, "no percentile p25"},
		{"fewer answers than none", `{"summary": {"total": 1}, "statusCodeDistribution": {"200": -5}}`, "-5 answers"},
	} {
		w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
		if err := parseOha([]byte(tt.out), run{}, w); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err %v, want %q in it", tt.reason, err, tt.want)
		}
	}
}

func FuzzParseOha(f *testing.F) {
	out, err := os.ReadFile("testdata/oha.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(out))
	f.Fuzz(func(t *testing.T, out string) {
		w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
		_ = parseOha([]byte(out), run{}, w)
	})
}

// The fixture is wrk2's output for 8 connections at 500 requests/s.
func TestParseWrk2(t *testing.T) {
	out, err := os.ReadFile("testdata/wrk2.txt")
	if err != nil {
		t.Fatal(err)
	}
	r := run{n: 8, threads: 1, rate: 500}
	w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
	if err := parseWrk2(out, r, w); err != nil {
		t.Fatal(err)
	}
	all := w.Whole()
	// 5992 requests in 11.988 s. A client had a schedule for 11.970 s on average.
	if n := all.Service.TotalCount(); n != 501 || all.Response.TotalCount() != n || w.Due != 500 || len(w.Errors) != 0 {
		t.Errorf("%d requests and %d response times of %d due, errors %v", n, all.Response.TotalCount(), w.Due, w.Errors)
	}
	within := func(what string, got int64, low, high int64) {
		if got < low || got > high {
			t.Errorf("%s is %d ns, want %d to %d", what, got, low, high)
		}
	}
	within("p50 of the response time", all.Response.ValueAtQuantile(50), 1_103_000, 1_105_000)
	within("p99 of the response time", all.Response.ValueAtQuantile(99), 8_900_000, 10_000_000) // it printed 9.34 ms
	within("p50 of the service time", all.Service.ValueAtQuantile(50), 139_000, 141_000)
	for _, tt := range []struct{ reason, out, want string }{
		{"it printed its usage", "Throughput MUST be specified", "no result"},
		{"it was asked for no service times", string(bytes.ReplaceAll(out, []byte("Uncorrected"), nil)), "no uncorrected latencies"},
		{"a table is not there", string(bytes.ReplaceAll(out, []byte("Detailed"), nil)), "no percentile spectrum"},
		{"counts that fall", strings.Replace(string(out), "           99 ", "            0 ", 1), "the counts must not fall"},
	} {
		w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
		if err := parseWrk2([]byte(tt.out), r, w); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err %v, want %q in it", tt.reason, err, tt.want)
		}
	}
}

func FuzzParseWrk2(f *testing.F) {
	out, err := os.ReadFile("testdata/wrk2.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(out))
	f.Fuzz(func(t *testing.T, out string) {
		w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
		_ = parseWrk2([]byte(out), run{n: 8, threads: 1, rate: 500}, w)
	})
}

func TestPath(t *testing.T) {
	for _, tt := range []struct {
		reason string
		target load.Target
		want   string // empty is an error
	}{
		{"plaintext", load.Target{Protocol: "http", Requests: []load.Request{{Workload: "plaintext"}}}, "/plaintext"},
		{"a wait, in milliseconds", load.Target{Protocol: "http", Requests: []load.Request{{Workload: "wait", Time: 20 * time.Millisecond}}}, "/wait?ms=20"},
		{"a block, in milliseconds", load.Target{Protocol: "http", Requests: []load.Request{{Workload: "block", Time: 100 * time.Millisecond}}}, "/block?ms=100"},
		{"work, in microseconds", load.Target{Protocol: "http", Requests: []load.Request{{Workload: "cpu", Time: time.Millisecond}}}, "/cpu?us=1000"},
		{"a body would have to be checked", load.Target{Protocol: "http", Requests: []load.Request{{Workload: "echo"}}}, ""},
		{"a mix", load.Target{Protocol: "http", Requests: []load.Request{{Workload: "plaintext"}, {Workload: "plaintext"}}}, ""},
		{"another protocol", load.Target{Protocol: "echo", Requests: []load.Request{{Workload: "plaintext"}}}, ""},
	} {
		for _, tool := range []tool{wrk, wrk2, oha} {
			w, r, err := tt.target.For(tool.name)
			if got := w.URI(r); got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("%s by %s: %q, err %v, want %q", tt.reason, tool.name, got, err, tt.want)
			}
		}
	}
}

// plaintext starts a server that all of the tools can drive.
func plaintext(t *testing.T) load.Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/plaintext" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "Hello, World!")
	})}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return load.Target{Addr: ln.Addr().String(), Protocol: "http", Requests: []load.Request{{Workload: "plaintext"}}}
}

func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("this machine has no %s, so it is not driven: %v", program, err)
	}
}

func TestTheRealWrk(t *testing.T) {
	needs(t, "wrk")
	target := plaintext(t)
	c := New(target, 5, 1)
	var opened, closed int
	w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Length: 200 * time.Millisecond}, load.Hooks{
		Open:  func() error { opened = c.Established(); return nil },
		Close: func() error { closed = c.Established(); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if opened != 5 || closed != 5 || len(w.Errors) != 0 || w.Whole().Service.TotalCount() == 0 || w.Length < 200*time.Millisecond {
		t.Errorf("%d and %d connections, errors %v, %d requests in %v", opened, closed, w.Errors, w.Whole().Service.TotalCount(), w.Length)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Run(ctx, load.Work{Loop: result.Closed, Length: time.Hour}, load.Hooks{}); err == nil {
		t.Error("an ended context did not end the run")
	}
	if _, err := c.Run(ctx, load.Work{Loop: result.Open}, load.Hooks{}); err == nil {
		t.Error("wrk did an open loop")
	}
}
