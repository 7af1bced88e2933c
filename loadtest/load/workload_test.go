package load_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/wrk"
)

// add adds a workload to the table for the time of a test.
func add(t *testing.T, w load.Workload) {
	t.Helper()
	before := load.Workloads
	load.Workloads = append(slices.Clip(before), w)
	t.Cleanup(func() { load.Workloads = before })
}

// nap is a workload that no other code knows.
var nap = load.Workload{
	Protocol: "http", Name: "nap", Method: "GET", Path: "/nap?cs={time}", Answer: "awake",
	Time:  load.Time{Unit: 10 * time.Millisecond, Max: 500 * time.Millisecond, Spent: load.Waiting},
	Peers: []string{load.Stock, load.Wrk},
}

// serveNap answers naps of 20 ms with a body, and the rest of what is needed.
func serveNap(t *testing.T, body string) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mux http.ServeMux
	mux.HandleFunc("GET /plaintext", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Hello, World!") })
	mux.HandleFunc("GET /nap", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "cs=2" {
			http.Error(w, r.URL.RawQuery, http.StatusBadRequest)
			return
		}
		time.Sleep(20 * time.Millisecond)
		_, _ = io.WriteString(w, body)
	})
	srv := &http.Server{Handler: &mux}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return ln.Addr().String()
}

func parse(workload string) (*plan.Plan, error) {
	cfg, err := plan.Parse("c.yaml", []byte("models: [thread]\nclients: [4]\nduration: 200ms\nwarmup: 0\ngenerator: [vegeta, stock, wrk]\nworkloads: ["+workload+"]\n"))
	if err != nil {
		return nil, err
	}
	return plan.Make(cfg, []result.Info{{Name: "thread"}}, plan.Limit{Clients: 100})
}

// A workload is an entry of the table, and nothing else: a config can ask for it,
// all generators that are named drive it, and each answer is checked.
func TestAWorkloadIsOneEntryOfTheTable(t *testing.T) {
	add(t, nap)
	p, err := parse("{protocol: http, workload: nap, time: 20ms}")
	if err != nil {
		t.Fatal(err)
	}
	addr := serveNap(t, nap.Answer)
	target := load.Target{Addr: addr, Protocol: "http", Requests: p.Cells[0].Workload.Requests}
	work := p.Cells[0].Work(0)
	if key := p.Cells[0].Key; key.Workload != "nap-20ms" {
		t.Errorf("the cell's key is %v", key)
	}
	for _, r := range []result.Request{p.Cells[0].Workload.Request(), result.ParseRequest("nap-20ms")} {
		if sec, spent := load.TimeOf("http", r); sec != 0.02 || spent != load.Waiting {
			t.Errorf("%+v takes %v s, spent %v", r, sec, spent)
		}
	}
	type clients interface {
		Run(context.Context, load.Work, load.Hooks) (*load.Window, error)
		Close() error
	}
	for i, connect := range []func() (clients, error){
		func() (clients, error) {
			c, _, err := attack.Connect(t.Context(), target, p.Cells[0].Population(), attack.Options{})
			return c, err
		},
		func() (clients, error) { return attack.NewStock(target, 4) },
		func() (clients, error) { return wrk.New(target, 4, 1), nil },
	} {
		generator := p.Cells[i].Generator
		if generator == plan.Wrk && missing(t, plan.Wrk) {
			continue
		}
		c, err := connect()
		if err != nil {
			t.Fatalf("%s: %v", generator, err)
		}
		w, err := c.Run(t.Context(), work, load.Hooks{})
		if err != nil || len(w.Errors) > 0 {
			t.Errorf("%s: err %v, errors %v", generator, err, w.Errors)
		}
		all := w.Whole().Service
		if n, least := all.TotalCount(), time.Duration(all.Min()); n == 0 || n > 4*int64(w.Length/(20*time.Millisecond)+1) || least < 20*time.Millisecond*99/100 {
			t.Errorf("%s: %d answers, the first after %v; each takes 20 ms", generator, n, least)
		}
		_ = c.Close()
	}
}

func TestAWrongAnswerToAWorkloadOfTheTableIsRefused(t *testing.T) {
	add(t, nap)
	p, err := parse("{protocol: http, workload: nap, time: 20ms}")
	if err != nil {
		t.Fatal(err)
	}
	target := load.Target{Addr: serveNap(t, "asleep"), Protocol: "http", Requests: p.Cells[0].Workload.Requests}
	c, _, err := attack.Connect(t.Context(), target, p.Cells[0].Population(), attack.Options{})
	if err != nil {
		t.Fatal(err) // a connection is proven by plaintext
	}
	defer c.Close()
	w, err := c.Run(t.Context(), p.Cells[0].Work(0), load.Hooks{})
	if err != nil || w.Whole().Service.TotalCount() != 0 || w.Errors[result.KindBytes] == 0 {
		t.Errorf("err %v, %d right answers, errors %v", err, w.Whole().Service.TotalCount(), w.Errors)
	}
}

func TestMistakesNameWhatTheTableAllows(t *testing.T) {
	add(t, nap)
	for _, tt := range []struct{ reason, workload, want string }{
		{"above its bound", "{protocol: http, workload: nap, time: 1s}", "c.yaml:6:51: workloads[0].time: 1s is more than 500ms"},
		{"not in its unit", "{protocol: http, workload: nap, time: 5ms}", "c.yaml:6:51: workloads[0].time: 5ms is not a multiple of 10ms"},
		{"without its time", "{protocol: http, workload: nap}", "workloads[0].time: is missing; http/nap takes a time"},
		{"with a payload", "{protocol: http, workload: nap, time: 20ms, payload_bytes: 5}", "http/nap sends no payload; only echo does"},
		{"over another protocol", "{protocol: echo, workload: nap}", `"nap" is not a workload over echo; allowed: echo, idle`},
		{"it is allowed", "{protocol: http, workload: doze}", "allowed: " + strings.Join(load.Workloads.Over("http").Names(), ", ")},
		{"it takes a time", "{protocol: http, workload: plaintext, time: 5ms}", "only " + strings.Join(load.Workloads.Over("http").Where(func(w load.Workload) bool { return w.Time.Unit > 0 }).Names(), ", ") + " do"},
		{"its peers", "{protocol: http, workload: counter}", "stock cannot do http/counter; allowed: http/plaintext, http/echo, http/nap"},
	} {
		if _, err := parse(tt.workload); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err %v\nwant %s", tt.reason, err, tt.want)
		}
	}
}

func missing(t *testing.T, program string) bool {
	_, err := exec.LookPath(program)
	if err != nil {
		t.Logf("%s is not installed", program)
	}
	return err != nil
}

// Each entry must be one that the generators can work with.
func TestTheTableIsConsistent(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range load.Workloads {
		if seen[w.String()] {
			t.Errorf("%v is there twice", w)
		}
		seen[w.String()] = true
		wrong := func(is bool, what string) {
			if is {
				t.Errorf("%v %s", w, what)
			}
		}
		http := w.Protocol == "http"
		wrong(w.Name == "" || strings.ContainsAny(w.Name, " -+%"), "has a name that is not one word")
		wrong(http != (w.Method != "") || http != strings.HasPrefix(w.Path, "/"), "has a method and a path if it is of HTTP")
		wrong(w.Echoes == (w.Answer != ""), "is answered with what is sent, or with an answer")
		wrong(strings.Contains(w.Path, "{time}") != (w.Time.Unit > 0), "says in its path how long it takes, if it takes a time")
		wrong(w.Time.Unit > w.Time.Max, "takes more than it may")
		wrong(!http && len(w.Peers) > 0, "is asked for by a peer that speaks only HTTP")
		wrong(w.Cheap && w.Time.Unit > 0, "is cheap and takes its time")
	}
	for _, protocol := range []string{"http", "echo"} {
		if w, _ := load.Workloads.Find(protocol, load.Least(protocol).Workload); !w.Cheap {
			t.Errorf("the least over %s is %v, which is not cheap", protocol, w)
		}
	}
}

func TestAPeerAsksForOneThing(t *testing.T) {
	one := load.Least("http")
	for _, tt := range []struct {
		reason string
		target load.Target
		want   string
	}{
		{"nothing", load.Target{Protocol: "http"}, "cannot ask for"},
		{"a mix", load.Target{Protocol: "http", Requests: []load.Request{one, one}}, "oha cannot ask for http/plaintext and http/plaintext; allowed: one of http/plaintext, http/wait, http/block, http/cpu"},
		{"what it cannot check", load.Target{Protocol: "http", Requests: []load.Request{{Workload: "echo"}}}, "oha cannot ask for http/echo"},
		{"nobody knows it", load.Target{Protocol: "http", Requests: []load.Request{{Workload: "nap"}}}, "oha cannot ask for http/nap"},
	} {
		if _, _, err := tt.target.For(load.Oha); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err %v, want %q in it", tt.reason, err, tt.want)
		}
	}
	if w, r, err := (load.Target{Protocol: "http", Requests: []load.Request{one}}).For(load.Oha); err != nil || w.URI(r) != "/plaintext" {
		t.Errorf("%v %v, err %v", w, r, err)
	}
}

func TestTheTimeOfARequestIsInItsName(t *testing.T) {
	for name, want := range map[string]float64{
		load.Request{Workload: "wait", Time: 50 * time.Millisecond}.Name():  50e-3,
		load.Request{Workload: "cpu", Time: 1500 * time.Microsecond}.Name(): 1500e-6,
		"plaintext": 0, "wait": 0, "wait-": 0, "plaintext+1%wait-50ms": 0, "wait-50ms+1%plaintext": 0, "echo-100B": 0, "unknown-5ms": 0,
	} {
		if sec, _ := load.TimeOf("http", result.ParseRequest(name)); sec != want {
			t.Errorf("%s takes %v s, want %v", name, sec, want)
		}
	}
	if _, spent := load.TimeOf("http", result.ParseRequest("block-5ms")); spent != load.Blocking {
		t.Errorf("a block spends it %v", spent)
	}
}
