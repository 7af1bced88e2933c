package wrk

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
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

func TestParse(t *testing.T) {
	w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
	if err := parse([]byte(printed), w); err != nil {
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

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ reason, out, want string }{
		{"wrk failed before it measured", "unable to connect to 127.0.0.1:1 Connection refused\n", "Connection refused"},
		{"the line is cut short", strings.TrimSuffix(printed, "]}\n"), "unexpected end of JSON"},
		{"no time has passed", "\ntierbench {\"requests\":1}\n", "measured 0 µs"},
	} {
		w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
		if err := parse([]byte(tt.out), w); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err %v, want %q in it", tt.reason, err, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(printed)
	f.Fuzz(func(t *testing.T, out string) {
		w := &load.Window{Length: time.Second, Errors: map[string]int64{}}
		_ = parse([]byte(out), w)
	})
}

func TestTheRealWrk(t *testing.T) {
	if _, err := exec.LookPath("wrk"); err != nil {
		t.Skip("this machine has no wrk, so it is not driven: ", err)
	}
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
	defer srv.Close()
	c := New(load.Target{Addr: ln.Addr().String(), Protocol: "http", Requests: []load.Request{{Workload: "plaintext"}}}, 5, 1)
	var opened, closed int
	w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Length: 200 * time.Millisecond}, load.Marks{
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
	if _, err := c.Run(ctx, load.Work{Loop: result.Closed, Length: time.Hour}, load.Marks{}); err == nil {
		t.Error("an ended context did not end the run")
	}
	if _, err := c.Run(ctx, load.Work{Loop: result.Open}, load.Marks{}); err == nil {
		t.Error("wrk did an open loop")
	}
	if _, err := portOf("nonsense"); err == nil {
		t.Error("a port was found in nonsense")
	}
}
