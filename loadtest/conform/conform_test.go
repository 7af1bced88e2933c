//go:build linux

package conform

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
)

// optional are the workloads that the contract leaves open.
func optional() []string {
	return load.Workloads.Over("http").Where(func(w load.Workload) bool {
		return !slices.Contains([]string{"plaintext", "echo", "idle"}, w.Name)
	}).Names()
}

// The servers of these tests are this binary. Its arguments are the role, a protocol and an
// address; the role says what is wrong with the server.
func TestMain(m *testing.M) {
	if len(os.Args) > 4 && os.Args[1] == "role" {
		role(os.Args[2], os.Args[3], os.Args[4])
		return
	}
	// The checks wait most of the time.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// role is a server with a fault. With none it keeps the contract.
func role(protocol, addr, fault string) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	switch fault {
	case "dies":
		fmt.Fprintln(os.Stderr, "cannot open the database")
		os.Exit(3)
	case "never-listens":
		<-term
		return
	case "child":
		select {}
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		panic(err)
	}
	switch fault {
	case "few":
		ln = &fewer{Listener: ln}
	case "goes-on":
		ln = &lingering{Listener: ln, enough: make(chan struct{})}
	}
	var stop func()
	if protocol == "http" {
		stop = serveHTTP(ln, fault)
	} else {
		stop = serveEcho(ln, fault)
	}
	if fault == "orphaning" {
		child := exec.Command(os.Args[0], "role", protocol, addr, "child")
		if err := child.Start(); err != nil {
			panic(err)
		}
	}
	<-term
	switch fault {
	case "deaf":
		select {}
	case "bad-exit":
		stop()
		os.Exit(4)
	case "drops":
		os.Exit(0)
	case "goes-on":
		ln.(*lingering).wait()
	}
	stop()
}

// fewer closes new connections while 50 are open, as often as a check with 60 clients
// needs to notice. It accepts later ones, so that it does not matter when the server
// notices that the clients have closed theirs.
type fewer struct {
	net.Listener
	open   atomic.Int32
	closed int
}

func (l *fewer) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= 50 && l.closed == 0 || l.closed == 10 {
			return &limited{TCPConn: c.(*net.TCPConn), open: &l.open}, nil
		}
		l.open.Add(-1)
		l.closed++
		c.Close()
	}
}

// lingering continues to accept after SIGTERM, until it has served a client that connected
// too late, or until the time to stop is nearly over.
type lingering struct {
	net.Listener
	late   atomic.Int64 // from when on, in Unix nanoseconds; 0 before SIGTERM
	came   int          // since then
	enough chan struct{}
}

func (l *lingering) wait() {
	l.late.Store(time.Now().Add(lateAccept + 100*time.Millisecond).UnixNano())
	select {
	case <-l.enough:
	case <-time.After(stopTimeout - time.Second):
	}
}

func (l *lingering) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if late := l.late.Load(); err == nil && late != 0 && time.Now().UnixNano() > late {
		// The checker connects once at a time. When it connects for the third time, the
		// first connection has been served.
		if l.came++; l.came == 3 {
			close(l.enough)
		}
	}
	return c, err
}

type limited struct {
	*net.TCPConn
	open *atomic.Int32
	once sync.Once
}

func (c *limited) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.TCPConn.Close()
}

// oneRead takes the bytes of the first read for the whole request.
type oneRead struct {
	net.Conn
	read bool
}

func (c *oneRead) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.read && !bytes.Contains(b[:n], []byte("\r\n\r\n")) {
		return 0, io.EOF
	}
	c.read = true
	return n, err
}

type oneReads struct{ net.Listener }

func (l oneReads) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &oneRead{Conn: c}, nil
}

type connKey struct{}

func serveHTTP(ln net.Listener, fault string) (stop func()) {
	if fault == "one-read" {
		ln = oneReads{ln}
	}
	var mux http.ServeMux
	var count atomic.Int64
	text := func(pattern string, f func(r *http.Request) string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, f(r)) })
	}
	sleep := func(r *http.Request) string {
		ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return "done"
	}
	text("GET /healthz", func(*http.Request) string { return "ok" })
	text("GET /plaintext", func(*http.Request) string {
		if fault == "wrong-body" {
			return "Hello World"
		}
		return "Hello, World!"
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case fault == "text-echo" && len(body) == 1000:
			body = bytes.ToUpper(body)
		case fault == "small-echo" && len(body) > 8192:
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		_, _ = w.Write(body)
	})
	if fault != "bare" {
		text("GET /wait", func(r *http.Request) string {
			if fault == "drops" && r.URL.Query().Get("ms") == "500" {
				select {} // until SIGTERM ends it
			}
			if fault == "early" && r.URL.Query().Get("ms") == "50" {
				return "done"
			}
			return sleep(r)
		})
		text("GET /block", func(r *http.Request) string {
			if s := sleep(r); fault != "other-block" {
				return s
			}
			return "blocked"
		})
		text("GET /cpu", func(r *http.Request) string {
			if fault == "other-cpu" {
				return ""
			}
			return "done"
		})
		text("POST /counter", func(*http.Request) string { count.Add(1); return "ok" })
		text("GET /counter", func(*http.Request) string {
			if fault == "counter-text" {
				return "one"
			}
			return fmt.Sprintf("%d %d\n", count.Load(), os.Getpid())
		})
	}
	if fault == "fragile" {
		mux.HandleFunc("/no-such-path", func(http.ResponseWriter, *http.Request) { os.Exit(5) })
	}
	srv := &http.Server{
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, new(int))
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := r.Context().Value(connKey{}).(*int)
			*n++
			if fault == "closes-each" {
				w.Header().Set("Connection", "close")
			}
			if fault == "closes-unsaid" && *n == 10 {
				panic(http.ErrAbortHandler)
			}
			mux.ServeHTTP(w, r)
		}),
	}
	go func() { _ = srv.Serve(ln) }()
	return func() { _ = srv.Shutdown(context.Background()) }
}

func serveEcho(ln net.Listener, fault string) (stop func()) {
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	var serving sync.WaitGroup
	serve := func(c net.Conn) {
		defer func() {
			mu.Lock()
			delete(open, c)
			mu.Unlock()
			c.Close()
		}()
		buf := make([]byte, 4096)
		for n, total := 1, 0; ; n++ {
			k, err := c.Read(buf)
			if fault == "fragile" && errors.Is(err, syscall.ECONNRESET) {
				os.Exit(5)
			}
			if err != nil {
				return
			}
			total += k
			switch {
			case fault == "closes-unsaid" && n == 10 && k < 50, fault == "small-echo" && total > 8192:
				return
			case fault == "text-echo" && k == 1000:
				copy(buf, bytes.ToUpper(buf[:k]))
			case fault == "swaps" && k > 1 && k < 50: // in pieces of a message
				buf[0], buf[1] = buf[1], buf[0]
			case fault == "drops" && bytes.HasPrefix(buf[:k], []byte("in flight")):
				select {} // until SIGTERM ends it
			}
			if _, err := c.Write(buf[:k]); err != nil || fault == "closes-each" {
				return
			}
		}
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			serving.Go(func() { serve(c) })
		}
	}()
	return func() {
		ln.Close()
		time.Sleep(100 * time.Millisecond)
		mu.Lock()
		for c := range open {
			_ = c.(interface{ CloseRead() error }).CloseRead() // what has arrived is still read
		}
		mu.Unlock()
		serving.Wait()
	}
}

// Each fault must be caught by its own rule, and by no other.
func TestEachBreachIsCaughtByItsRule(t *testing.T) {
	for _, tt := range []struct {
		protocol, fault string
		fails, absent   []string
	}{
		{protocol: "http", fault: "none"},
		{protocol: "http", fault: "bare", absent: optional()},
		{protocol: "http", fault: "dies", fails: []string{"ready"}},
		{protocol: "http", fault: "never-listens", fails: []string{"ready"}},
		{protocol: "http", fault: "wrong-body", fails: []string{"plaintext"}},
		{protocol: "http", fault: "closes-unsaid", fails: []string{"keep-alive"}},
		{protocol: "http", fault: "closes-each", absent: []string{"keep-alive", "pipelining"}},
		{protocol: "http", fault: "text-echo", fails: []string{"echo"}},
		{protocol: "http", fault: "one-read", fails: []string{"split"}},
		{protocol: "http", fault: "small-echo", fails: []string{"large"}},
		{protocol: "http", fault: "few", fails: []string{"connections"}},
		{protocol: "http", fault: "early", fails: []string{"wait"}},
		{protocol: "http", fault: "other-block", fails: []string{"block"}},
		{protocol: "http", fault: "other-cpu", fails: []string{"cpu"}},
		{protocol: "http", fault: "counter-text", fails: []string{"counter"}},
		{protocol: "http", fault: "fragile", fails: []string{"bad-requests"}},
		{protocol: "http", fault: "drops", fails: []string{"in-flight"}},
		{protocol: "http", fault: "goes-on", fails: []string{"stops-accepting"}},
		{protocol: "http", fault: "deaf", fails: []string{"exits"}, absent: []string{"stops-accepting", "leaves-nothing"}},
		{protocol: "http", fault: "bad-exit", fails: []string{"exits"}},
		{protocol: "http", fault: "orphaning", fails: []string{"leaves-nothing"}},

		{protocol: "echo", fault: "none"},
		{protocol: "echo", fault: "never-listens", fails: []string{"ready"}},
		{protocol: "echo", fault: "text-echo", fails: []string{"echo"}},
		{protocol: "echo", fault: "closes-unsaid", fails: []string{"keep-alive"}},
		{protocol: "echo", fault: "closes-each", absent: []string{"keep-alive", "split", "large"}},
		{protocol: "echo", fault: "small-echo", fails: []string{"large"}},
		{protocol: "echo", fault: "few", fails: []string{"connections"}},
		{protocol: "echo", fault: "fragile", fails: []string{"bad-clients"}},
		{protocol: "echo", fault: "drops", fails: []string{"in-flight"}},
		{protocol: "echo", fault: "goes-on", fails: []string{"stops-accepting"}},
		{protocol: "echo", fault: "deaf", fails: []string{"exits"}, absent: []string{"stops-accepting", "leaves-nothing"}},
		{protocol: "echo", fault: "orphaning", fails: []string{"leaves-nothing"}},
	} {
		t.Run(tt.protocol+"/"+tt.fault, func(t *testing.T) {
			t.Parallel()
			ready := time.Duration(0)
			if tt.fault == "never-listens" {
				ready = time.Second
			}
			start := Command([]string{os.Args[0], "role", "{protocol}", "{addr}", tt.fault}, ready)
			var running []Server
			findings, err := Check(t.Context(), tt.protocol, func(ctx context.Context, protocol string) (Server, error) {
				s, err := start(ctx, protocol)
				if err == nil {
					running = append(running, s)
				}
				return s, err
			}, Options{Clients: 60})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string][]string{}
			for _, f := range findings {
				got[f.Outcome] = append(got[f.Outcome], f.Rule)
				if f.Seen == "" || f.Want == "" {
					t.Errorf("%s: nothing is said: %+v", f.Rule, f)
				}
			}
			if !slices.Equal(got[Fail], tt.fails) || !slices.Equal(got[Absent], tt.absent) {
				t.Errorf("fails %q, absent %q; want %q and %q", got[Fail], got[Absent], tt.fails, tt.absent)
				for _, f := range findings {
					t.Logf("%-6s %-15s %s", f.Outcome, f.Rule, f.Seen)
				}
			}
			for _, s := range running {
				if left, err := s.Processes(); err != nil || len(left) > 0 {
					t.Errorf("left: %v, err %v", left, err)
				}
			}
		})
	}
}

// Every workload of the table has a rule.
func TestEachWorkloadIsARule(t *testing.T) {
	before := load.Workloads
	defer func() { load.Workloads = before }()
	pause := load.Workload{
		Protocol: "http", Name: "pause", Method: "GET", Path: "/wait?ms={time}", Answer: "done",
		Time: load.Time{Unit: time.Millisecond, Max: time.Second, Spent: load.Waiting},
	}
	nap, tally, copied := pause, pause, pause
	nap.Name, nap.Answer = "nap", "awake"
	tally.Name, tally.Method, tally.Path, tally.Answer, tally.Time, tally.Counter = "tally", "POST", "/counter", "ok", load.Time{}, "/plaintext"
	copied.Name, copied.Method, copied.Path, copied.Answer, copied.Time, copied.Echoes = "copy", "POST", "/echo", "", load.Time{}, true
	gone := copied
	gone.Name, gone.Path = "gone", "/gone"
	load.Workloads = append(slices.Clip(before), pause, nap, tally, copied, gone)

	c := &checker{
		ctx: t.Context(), protocol: "http", has: map[string]bool{}, opt: Options{Patience: defaultPatience},
		start: Command([]string{os.Args[0], "role", "{protocol}", "{addr}", "none"}, 0),
	}
	defer c.kill()
	for _, tt := range []struct{ rule, want, outcome, seen string }{
		{"pause", "GET /wait?ms=50 is answered after that time, with done", Pass, "answered after "},
		{"nap", "GET /wait?ms=50 is answered after that time, with awake", Fail, `body "done", want "awake"`},
		{"tally", "POST /counter is answered with ok, GET /plaintext with the count and the id of the process that counted", Fail, `GET: body "Hello, World!", want the count`},
		{"copy", "POST /echo is answered with the same body", Pass, "answered after "},
		{"gone", "POST /gone is answered with the same body", Absent, "status 404"},
	} {
		rules := httpRules()
		i := slices.IndexFunc(rules, func(r rule) bool { return r.name == tt.rule })
		if i < 0 {
			t.Errorf("%s is no rule", tt.rule)
			continue
		}
		outcome, seen := c.tryOn(rules[i])
		if rules[i].want != tt.want || outcome != tt.outcome || !strings.HasPrefix(seen, tt.seen) {
			t.Errorf("%s: %q is %s: %s\nwant %q, %s: %s", tt.rule, rules[i].want, outcome, seen, tt.want, tt.outcome, tt.seen)
		}
		if c.has[tt.rule] != (tt.rule == "pause" || tt.rule == "copy" || tt.rule == "tally") {
			t.Errorf("has %v", c.has)
		}
	}
	if w, ok := c.slow(); !ok || w.Name != "pause" {
		t.Errorf("%v can be held in flight", w)
	}
}

// A check that was canceled leaves no process behind.
func TestAnEndedContextEndsTheCheck(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	start := Command([]string{os.Args[0], "role", "{protocol}", "{addr}", "none"}, 0)
	var server Server
	_, err := Check(ctx, "http", func(ctx context.Context, protocol string) (Server, error) {
		s, err := start(ctx, protocol)
		server = s
		cancel()
		return s, err
	}, Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err %v", err)
	}
	if left, err := server.Processes(); err != nil || len(left) > 0 {
		t.Errorf("left: %v, err %v", left, err)
	}
}
