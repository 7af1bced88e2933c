package attack

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// The tests of this file are of the meter itself: a server that does a known
// thing must be measured as doing it. A busy machine makes everything later, so
// only lower bounds are checked against the clock.

// atLeast counts the values of a histogram that are not below d.
func atLeast(h *hdrhistogram.Histogram, d time.Duration) (n int64) {
	for _, bar := range h.Distribution() {
		if bar.To >= int64(d) {
			n += bar.Count
		}
	}
	return n
}

// A server that stalls for a second makes one answer late by the actual send,
// and all that were due meanwhile by the schedule.
func TestAStallShowsInTheResponseTime(t *testing.T) {
	const stall = time.Second
	addr := serve(t, echoUntil(8, func(_ *net.TCPConn, _, k int, msg []byte) ([]byte, bool) {
		if k == 10 {
			time.Sleep(stall)
		}
		return msg, false
	}))
	c := connect(t, echoTarget(addr, 8), 1, Options{})
	work := load.Work{Loop: result.Open, Length: 2500 * time.Millisecond, Pace: load.Pace{Rate: 100}}
	w, err := c.Run(t.Context(), work, load.Hooks{})
	if err != nil || len(w.Errors) != 0 {
		t.Fatalf("err %v, errors %v", err, w.Errors)
	}
	all := w.Whole()
	if p99 := time.Duration(all.Response.ValueAtQuantile(99)); p99 < stall*9/10 {
		t.Errorf("p99 of the response time is %v, the server stalled for %v", p99, stall)
	}
	service, response := atLeast(all.Service, stall/2), atLeast(all.Response, stall/2)
	if service < 1 || response < 45 {
		t.Errorf("%d service times and %d response times of half the stall, want at least 1 and 45 (50 were due in the first half)", service, response)
	}
	if n := all.Service.TotalCount(); all.Response.TotalCount() != n || all.Lag.TotalCount() != n {
		t.Errorf("%d service times, %d response times, %d lags", n, all.Response.TotalCount(), all.Lag.TotalCount())
	}
	// What was due in the window is known from the schedule alone.
	if want := 100 * w.Length.Seconds(); math.Abs(float64(w.Due)-want) > 1 {
		t.Errorf("%d requests were due in %v, want %.1f", w.Due, w.Length, want)
	}
	// A request in flight as the window opens was due before it: at most one a client.
	if missing := w.Due - all.Service.TotalCount(); w.Unsent > missing+1 {
		t.Errorf("%d of %d unsent, but only %d were not answered", w.Unsent, w.Due, missing)
	}
}

// A server that is too slow leaves requests unsent, which must be known.
func TestWhatWasDueAndNotSentIsCounted(t *testing.T) {
	addr := serve(t, echoUntil(8, func(_ *net.TCPConn, _, k int, msg []byte) ([]byte, bool) {
		if k > 0 {
			time.Sleep(100 * time.Millisecond)
		}
		return msg, false
	}))
	c := connect(t, echoTarget(addr, 8), 2, Options{})
	w, err := c.Run(t.Context(), load.Work{Loop: result.Open, Length: time.Second, Pace: load.Pace{Rate: 1000}}, load.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	// Two clients cannot have asked for more than 20 and the two in flight.
	if n := w.Whole().Service.TotalCount(); n > 20 || w.Unsent < w.Due-22 || w.Due < 999 {
		t.Errorf("%d answered, %d due, %d unsent", n, w.Due, w.Unsent)
	}
}

// Each service time is compared with what the server itself knows to have held
// the request for.
func TestKnownServiceTimesAreRecovered(t *testing.T) {
	var mu sync.Mutex
	var held []time.Duration
	addr := serve(t, echoUntil(8, func(_ *net.TCPConn, _, k int, msg []byte) ([]byte, bool) {
		begin := time.Now()
		time.Sleep(time.Duration(5+10*(k%3)) * time.Millisecond)
		if k > 0 {
			mu.Lock()
			held = append(held, time.Since(begin))
			mu.Unlock()
		}
		return msg, false
	}))
	c := connect(t, echoTarget(addr, 8), 1, Options{Raw: true})
	w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Length: time.Minute, Requests: 30}, load.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	samples, whole := c.Samples()
	if int64(len(samples)) != w.Whole().Service.TotalCount() || len(samples) < 30 || !whole {
		t.Fatalf("%d samples of %d requests", len(samples), w.Whole().Service.TotalCount())
	}
	mu.Lock()
	defer mu.Unlock()
	// The first request may have been sent before the window opened.
	offset := len(held) - len(samples)
	ok := false
	for ; offset >= 0 && !ok; offset-- {
		ok = true
		for i, s := range samples {
			ok = ok && s.service >= held[offset+i]
		}
	}
	if !ok {
		t.Errorf("service times %v are shorter than the server held the requests: %v", samples, held)
	}
	// A value of the histogram is at most 0.1 % off.
	for _, s := range samples {
		if n := atLeast(w.Whole().Service, s.service*999/1000); n == 0 {
			t.Errorf("no value of the histogram reaches %v", s.service)
		}
	}
}

func TestIdleClientsOnlyAnswerAtTheEnd(t *testing.T) {
	var mu sync.Mutex
	asked := map[int]int{}
	addr := serve(t, echoUntil(8, func(_ *net.TCPConn, n, _ int, msg []byte) ([]byte, bool) {
		mu.Lock()
		defer mu.Unlock()
		asked[n]++
		return msg, false
	}))
	c, _, err := Connect(t.Context(), echoTarget(addr, 8), load.Population{Clients: 10, Active: 3}, Options{Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, err := c.Run(t.Context(), closedLoop(100*time.Millisecond), load.Hooks{})
	if err != nil || len(w.Errors) != 0 || w.Answered != 7 || w.Clients != 3 {
		t.Errorf("err %v, errors %v, %d idle clients answered, %d active", err, w.Errors, w.Answered, w.Clients)
	}
	mu.Lock()
	defer mu.Unlock()
	idle := 0
	for _, n := range asked {
		if n == 2 { // when it connected, and the probe
			idle++
		}
	}
	if idle != 7 || len(asked) != 10 {
		t.Errorf("%d of %d connections were asked twice, want 7 of 10: %v", idle, len(asked), asked)
	}
}

func TestALostIdleClientIsFound(t *testing.T) {
	lose := make(chan struct{})
	addr := serve(t, func(n int, c *net.TCPConn) {
		if n < 3 {
			_, _ = io.CopyN(c, c, 8)
			<-lose
			_ = c.Close()
			return
		}
		echoUntil(8, well)(n, c) // those that replace them
	})
	c := connect(t, echoTarget(addr, 8), 3, Options{})
	w, err := c.Run(t.Context(), load.Work{Length: time.Second}, load.Hooks{Open: func() error {
		time.AfterFunc(100*time.Millisecond, func() { close(lose) })
		return nil
	}})
	if err != nil || w.Errors[result.KindEOF]+w.Errors[result.KindReset] != 3 {
		t.Errorf("err %v, errors %v, want all three losses", err, w.Errors)
	}
}

func TestPerRequestClientsConnectForEach(t *testing.T) {
	var conns, answers atomic.Int64
	addr := serve(t, func(_ int, c *net.TCPConn) {
		conns.Add(1)
		defer c.Close()
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		if !req.Close {
			t.Error("the request does not say that it is the last")
		}
		answers.Add(1)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, World!")
	})
	c, _, err := Connect(t.Context(), httpTarget(addr, "plaintext"), load.Population{Clients: 4, PerRequest: true}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Length: 10 * time.Second, Requests: 100}, load.Hooks{})
	n := w.Whole().Service.TotalCount()
	if err != nil || len(w.Errors) != 0 || n < 100 || w.Connect.TotalCount() < n-4 {
		t.Errorf("err %v, errors %v, %d requests, %d connects", err, w.Errors, n, w.Connect.TotalCount())
	}
	if c.Established() != 4 || conns.Load() < n || answers.Load() < n {
		t.Errorf("%d clients live, %d connections and %d answers for %d requests", c.Established(), conns.Load(), answers.Load(), n)
	}
}

// A server that closes after an answer and says so has done nothing wrong.
func TestAnAnnouncedCloseIsNoError(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\nHello, World!",
		"HTTP/1.0 200 OK\r\n\r\nHello, World!", // its length is its end
	} {
		addr := serve(t, func(_ int, c *net.TCPConn) {
			defer c.Close()
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, answer)
			}
		})
		c := connect(t, httpTarget(addr, "plaintext"), 3, Options{})
		w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Length: 10 * time.Second, Requests: 50}, load.Hooks{})
		if n := w.Whole().Service.TotalCount(); err != nil || len(w.Errors) != 0 || n < 50 || c.Established() != 3 || w.Closes < n-3 || w.Closes > n {
			t.Errorf("%q: err %v, errors %v, %d requests, %d closes, %d clients", answer, err, w.Errors, n, w.Closes, c.Established())
		}
	}
}

func TestAMixIsAskedByItsWeights(t *testing.T) {
	var paths sync.Map
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := paths.LoadOrStore(r.Method+" "+r.URL.String(), new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		switch r.Method + r.URL.Path {
		case "GET/plaintext":
			_, _ = io.WriteString(w, "Hello, World!")
		case "GET/wait":
			_, _ = io.WriteString(w, "done")
		case "POST/counter":
			_, _ = io.WriteString(w, "ok")
		case "GET/counter":
			_, _ = io.WriteString(w, "1234 5\n")
		}
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(ln)
	defer srv.Close()
	target := load.Target{Addr: ln.Addr().String(), Protocol: "http", Requests: []load.Request{
		{Workload: "plaintext", Weight: 8}, {Workload: "wait", Time: 50 * time.Millisecond, Weight: 1}, {Workload: "counter", Weight: 1},
	}}
	c := connect(t, target, 1, Options{})
	w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Length: 10 * time.Second, Requests: 100}, load.Hooks{})
	if err != nil || len(w.Errors) != 0 {
		t.Fatalf("err %v, errors %v", err, w.Errors)
	}
	got := map[string]int64{}
	var total int64
	paths.Range(func(k, v any) bool {
		got[k.(string)] = v.(*atomic.Int64).Load()
		total += got[k.(string)]
		return true
	})
	if n := got["GET /counter"]; n != 1 {
		t.Errorf("the counter was read %d times, want once", n)
	}
	total -= 2 // its reading, and what proves the connection
	got["GET /plaintext"]--
	for path, share := range map[string]float64{"GET /plaintext": 0.8, "GET /wait?ms=50": 0.1, "POST /counter": 0.1} {
		// The rotation may have been cut off anywhere.
		if math.Abs(float64(got[path])-share*float64(total)) > 1 {
			t.Errorf("%s was asked %d times of %d, want a share of %g", path, got[path], total, share)
		}
	}
}

func TestRotation(t *testing.T) {
	of := func(weights ...int) []int {
		var r []load.Request
		for _, w := range weights {
			r = append(r, load.Request{Weight: w})
		}
		return rotation(r)
	}
	for _, tt := range []struct {
		reason    string
		got, want []int
	}{
		{"a single one", of(0), []int{0}},
		{"two alike take turns", of(1, 1), []int{0, 1}},
		{"a rare one is in the middle of the others", of(4, 1), []int{0, 0, 1, 0, 0}},
		{"three to two", of(3, 2), []int{0, 1, 0, 1, 0}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.reason, tt.got, tt.want)
		}
	}
}

func TestActiveClientsAreSpreadEvenly(t *testing.T) {
	for _, tt := range []struct{ k, n int }{{0, 5}, {1, 5}, {3, 10}, {5, 5}, {100, 10_000}} {
		var halves [2]int
		for i := range tt.n {
			if spread(i, tt.k, tt.n) {
				halves[2*i/tt.n]++
			}
		}
		if sum := halves[0] + halves[1]; sum != tt.k || halves[0]-halves[1] > 1 || halves[1]-halves[0] > 1 {
			t.Errorf("%d of %d: %v in the halves", tt.k, tt.n, halves)
		}
	}
}

// Each schedule is compared with the integral of its rate: request number k is
// due when the k-th has become due.
func TestSchedules(t *testing.T) {
	const length = 10 * time.Second
	for _, tt := range []struct {
		reason string
		pace   load.Pace
		due    func(sec float64) float64 // requests due by then
	}{
		{"constant", load.Pace{Rate: 700}, func(s float64) float64 { return 700 * s }},
		{"less than one a second", load.Pace{Rate: 0.5}, func(s float64) float64 { return 0.5 * s }},
		{"a rising ramp", load.Pace{Shape: result.Linear, Rate: 100, To: 300}, func(s float64) float64 { return 100*s + 10*s*s }},
		{"a falling ramp", load.Pace{Shape: result.Linear, Rate: 300, To: 100}, func(s float64) float64 { return 300*s - 10*s*s }},
		{"steps", load.Pace{Shape: result.Steps, Rate: 100, To: 300, N: 5}, func(s float64) (n float64) {
			for i := range 5 {
				n += (100 + 50*float64(i)) * max(0, min(2, s-2*float64(i)))
			}
			return n
		}},
		{"a sine", load.Pace{Shape: result.Sine, Rate: 200, Amplitude: 100, Period: 5 * time.Second}, func(s float64) float64 {
			return 200*s + 100*5/(2*math.Pi)*(1-math.Cos(2*math.Pi*s/5))
		}},
	} {
		p, err := pacer(tt.pace, 1, length)
		if err != nil {
			t.Fatal(err)
		}
		s := newSchedule(p, time.Hour)
		last, n := time.Duration(0), 0.0
		for s.next < time.Hour+length {
			at := s.next - time.Hour
			n++
			// vegeta sends the first of a ramp at once, and its numeric solution for
			// the others is not exact.
			if want := tt.due(at.Seconds()); math.Abs(n-want) > 1.5 {
				t.Errorf("%s: request %g is due at %v, when %.2f should be", tt.reason, n, at, want)
				break
			}
			if at < last {
				t.Errorf("%s: request %g is due at %v, before the last one", tt.reason, n, at)
				break
			}
			last = at
			s.take()
		}
		if want := tt.due(length.Seconds()); math.Abs(n-want) > 2 {
			t.Errorf("%s: %g requests in %v, want %g", tt.reason, n, length, want)
		}
	}
	if _, err := pacer(load.Pace{Shape: "saw", Rate: 1}, 1, length); err == nil {
		t.Error("there is a schedule for an unknown shape")
	}
}

// Shards send at even intervals together, also those of several generators.
func TestShardsShareTheSchedule(t *testing.T) {
	var due []time.Duration
	for _, half := range []float64{0, 0.5} {
		c := &Clients{population: load.Population{Clients: 4}, work: load.Work{Pace: load.Pace{Rate: 1000, Share: 0.5, Before: half}}}
		c.shards = []*shard{{clients: make([]client, 1)}, {clients: make([]client, 3)}}
		for number, sh := range c.shards {
			sh.of, sh.number = c, number
			if err := sh.schedule(0); err != nil {
				t.Fatal(err)
			}
			for ; sh.open.plan.next <= time.Second; sh.open.plan.take() {
				due = append(due, sh.open.plan.next)
			}
		}
	}
	if n := len(due); n < 990 || n > 1001 {
		t.Errorf("all shards together send %d requests a second, want 1000", n)
	}
}

func TestSourcesHavePortsEnough(t *testing.T) {
	on := func(addr string, perRequest bool) *Clients {
		return &Clients{addr: netip.MustParseAddrPort(addr), population: load.Population{PerRequest: perRequest}}
	}
	for _, tt := range []struct {
		reason string
		c      *Clients
		client client
		want   string // "" is the kernel's choice
	}{
		{"the first clients", on("127.0.0.1:80", false), client{number: perSource - 1}, ""},
		{"those that one address has no ports for", on("127.0.0.1:80", false), client{number: perSource}, "127.0.0.2"},
		{"a million", on("127.0.0.1:80", false), client{number: 999_999}, "127.0.0.50"},
		{"beyond a byte", on("127.0.0.1:80", false), client{number: 300 * perSource}, "127.0.1.45"},
		{"another host has its own routes", on("192.0.2.1:80", false), client{number: perSource}, ""},
		{"IPv6 has one loopback address", on("[::1]:80", false), client{number: perSource}, ""},
		{"a connection for each request takes turns", on("127.0.0.1:80", true), client{number: 3, asked: 2}, "127.0.0.6"},
		{"and begins again", on("127.0.0.1:80", true), client{number: 3, asked: churnSources - 3}, ""},
	} {
		got := ""
		if a := tt.c.source(&tt.client); a.IsValid() {
			got = a.String()
		}
		if got != tt.want {
			t.Errorf("%s: from %q, want %q", tt.reason, got, tt.want)
		}
	}
}

// TestAnySourceConnects connects from an address that is not the kernel's choice.
func TestAnySourceConnects(t *testing.T) {
	from := make(chan string, 1)
	addr := serve(t, func(n int, c *net.TCPConn) {
		from <- c.RemoteAddr().(*net.TCPAddr).IP.String()
		echoUntil(8, well)(n, c)
	})
	c, _, err := Connect(t.Context(), echoTarget(addr, 8), load.Population{Clients: 1, First: perSource}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := <-from; got != "127.0.0.2" {
		t.Errorf("connected from %s", got)
	}
}

// What is written must be what vegeta's own decoders read.
func TestRawResultsAreVegetas(t *testing.T) {
	addr := serve(t, echoUntil(16, func(_ *net.TCPConn, n, k int, msg []byte) ([]byte, bool) {
		if n == 0 && k == 3 {
			msg[15]++
		}
		return msg, false
	}))
	c := connect(t, echoTarget(addr, 16), 4, Options{Raw: true})
	w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Length: 10 * time.Second, Requests: 200}, load.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	samples, whole := c.Samples()
	want := w.Whole().Service.TotalCount() + w.Errors[result.KindBytes]
	if !whole || int64(len(samples)) != want {
		t.Fatalf("%d samples, want %d", len(samples), want)
	}
	for _, format := range RawFormats {
		var buf bytes.Buffer
		if err := c.WriteRaw(&buf, format, "a test", samples); err != nil {
			t.Fatal(err)
		}
		decode := vegeta.DecoderFor(&buf)
		var m vegeta.Metrics
		seq, last := uint64(0), time.Time{}
		for {
			var r vegeta.Result
			if err := decode(&r); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			if r.Seq != seq || r.Timestamp.Before(last) || r.Attack != "a test" {
				t.Fatalf("%s: result %d is %+v, the one before was of %v", format, seq, r, last)
			}
			seq, last = seq+1, r.Timestamp
			m.Add(&r)
		}
		m.Close()
		if int64(m.Requests) != want || m.StatusCodes["200"] != int(want-1) || m.Errors[0] != result.KindBytes || m.BytesOut.Total != 16*m.Requests {
			t.Errorf("%s: vegeta counts %d requests, codes %v, errors %v", format, m.Requests, m.StatusCodes, m.Errors)
		}
	}
	if err := c.WriteRaw(io.Discard, "xml", "", nil); err == nil {
		t.Error("WriteRaw wrote an unknown format")
	}
}

func TestOnlyThisHostIsLoaded(t *testing.T) {
	// 192.0.2.0/24 is for documentation: nobody has it.
	_, _, err := Connect(t.Context(), echoTarget("192.0.2.1:80", 8), load.Population{Clients: 1}, Options{})
	if !errors.Is(err, ErrRemote) {
		t.Errorf("err %v", err)
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		if p := netip.MustParsePrefix(a.String()); !local(p.Addr()) {
			t.Errorf("%v is not taken for this host's", p)
		}
	}
	if local(netip.MustParseAddr("192.0.2.1")) || !local(netip.MustParseAddr("127.3.4.5")) || !local(netip.MustParseAddr("::1")) {
		t.Error("the wrong addresses are this host's")
	}
}

// In a window that is shorter than a request is long for many of them, what is
// cut off at its ends makes up for what is not: each client always has one
// request in flight, so that their times in the window add up to it.
func TestWhatTheWindowCutsOffIsKnown(t *testing.T) {
	const clients = 20
	addr := serve(t, echoUntil(8, func(_ *net.TCPConn, n, _ int, msg []byte) ([]byte, bool) {
		time.Sleep(time.Duration(10+n%7*20) * time.Millisecond)
		return msg, false
	}))
	c := connect(t, echoTarget(addr, 8), clients, Options{Shards: 2})
	work := closedLoop(200 * time.Millisecond)
	work.Warmup = 100 * time.Millisecond // all have asked when the window opens
	w, err := c.Run(t.Context(), work, load.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	service := w.Whole().Service
	answered := float64(service.TotalCount()) * service.Mean()
	got, want := answered+float64(w.Carried), clients*float64(w.Length)
	if math.Abs(got/want-1) > 0.005 { // three digits, and the turns of the generator's loop
		t.Errorf("in flight %.4g of %.4g ns, of which %v is carried", got, want, w.Carried)
	}
	if w.Carried == 0 {
		t.Error("nothing was cut off")
	}
}

// A server that stalls in the warm-up leaves a backlog. The window contains only what is due
// within it.
func TestTheBacklogOfTheWarmUpIsDropped(t *testing.T) {
	const rate, clients = 500, 2
	release := make(chan struct{})
	addr := serve(t, echoUntil(8, func(_ *net.TCPConn, _, k int, msg []byte) ([]byte, bool) {
		if k == 1 {
			<-release
		}
		return msg, false
	}))
	c := connect(t, echoTarget(addr, 8), clients, Options{Shards: 1})
	work := load.Work{Loop: result.Open, Warmup: 100 * time.Millisecond, Length: 500 * time.Millisecond, Pace: load.Pace{Rate: rate}}
	stalled := 3 * work.Warmup
	time.AfterFunc(stalled, func() { close(release) })
	begun := time.Now()
	var opened time.Time
	w, err := c.Run(t.Context(), work, load.Hooks{Open: func() error { opened = time.Now(); return nil }})
	if err != nil || len(w.Errors) != 0 {
		t.Fatalf("err %v, errors %v", err, w.Errors)
	}
	if took := opened.Sub(begun); took < stalled {
		t.Errorf("the window opened after %v, with requests of the stall of %v in flight", took, stalled)
	}
	if want := rate * w.Length.Seconds(); math.Abs(float64(w.Due)-want) > 1 {
		t.Errorf("%d requests were due in %v, want %.1f", w.Due, w.Length, want)
	}
	if n := w.Whole().Response.TotalCount(); n > w.Due+clients {
		t.Errorf("%d requests were answered, but only %d were due", n, w.Due)
	}
}

// A server that answers nothing in the warm-up does not keep the window from opening.
func TestDrainingEnds(t *testing.T) {
	addr := serve(t, func(_ int, c *net.TCPConn) {
		_, _ = io.CopyN(c, c, 8)
		_, _ = io.Copy(io.Discard, c)
	})
	c := connect(t, echoTarget(addr, 8), 1, Options{AnswerTimeout: 100 * time.Millisecond})
	w, err := c.Run(t.Context(), load.Work{Loop: result.Open, Warmup: 50 * time.Millisecond, Length: 100 * time.Millisecond, Pace: load.Pace{Rate: 500}}, load.Hooks{})
	if err != nil || w.Length < 100*time.Millisecond || w.Errors[result.KindTimeout] != 1 {
		t.Errorf("err %v, window %v, errors %v", err, w.Length, w.Errors)
	}
}

// Clients that wait throughout the window are few requests, but many times as long as the
// others.
func TestClientsWithoutAnAnswerAreCounted(t *testing.T) {
	const clients, starved = 20, 3
	for _, loop := range []string{result.Closed, result.Open} {
		release := make(chan struct{})
		addr := serve(t, echoUntil(8, func(_ *net.TCPConn, n, k int, msg []byte) ([]byte, bool) {
			if n < starved && k == 1 {
				<-release
			}
			return msg, false
		}))
		c := connect(t, echoTarget(addr, 8), clients, Options{Shards: 2})
		work := load.Work{Loop: loop, Warmup: 300 * time.Millisecond, Length: 300 * time.Millisecond, Pace: load.Pace{Rate: 1000}}
		w, err := c.Run(t.Context(), work, load.Hooks{Close: func() error { close(release); return nil }})
		if err != nil || len(w.Errors) != 0 {
			t.Fatalf("%s: err %v, errors %v", loop, err, w.Errors)
		}
		if w.Starved != starved {
			t.Errorf("%s: %d clients got no answer, want %d", loop, w.Starved, starved)
		}
		if n := atLeast(w.Waiting, w.Length); n != starved {
			t.Errorf("%s: %d of %d requests in flight waited for the whole window, want %d", loop, n, w.Waiting.TotalCount(), starved)
		}
		if all := w.Whole(); load.Censored(all.Service, w.Waiting).Max < w.Length.Seconds() {
			t.Errorf("%s: the longest service time is %v in a window of %v", loop, load.Censored(all.Service, w.Waiting).Max, w.Length)
		} else if all.Response != nil && atLeast(w.WaitingDue, w.Length) != starved {
			t.Errorf("%s: the response times of clients that waited are not there", loop)
		}
	}
}
