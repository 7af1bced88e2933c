package attack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// serve runs a scripted server: handle gets each connection with its number,
// from 0. It returns the address.
func serve(t *testing.T, handle func(n int, c *net.TCPConn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { handle(n, c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return ln.Addr().String()
}

// echoUntil echoes messages of size bytes; what answer number k (from 0: the
// one that Connect asks for) of the connection is, spoil may change. It ends
// when spoil says so.
func echoUntil(size int, spoil func(c *net.TCPConn, n, k int, msg []byte) (answer []byte, end bool)) func(int, *net.TCPConn) {
	return func(n int, c *net.TCPConn) {
		defer c.Close()
		msg := make([]byte, size)
		for k := 0; ; k++ {
			if _, err := io.ReadFull(c, msg); err != nil {
				return
			}
			answer, end := spoil(c, n, k, msg)
			if _, err := c.Write(answer); err != nil || end {
				return
			}
		}
	}
}

func well(_ *net.TCPConn, _, _ int, msg []byte) ([]byte, bool) { return msg, false }

func connect(t *testing.T, target load.Target, n int, o Options) *Clients {
	t.Helper()
	c, stats, err := Connect(t.Context(), target, load.Population{Clients: n}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if stats.Refused != 0 || stats.Sec <= 0 || stats.Histogram.TotalCount() != int64(n) {
		t.Errorf("connect: %+v", stats)
	}
	if got := c.Established(); got != n {
		t.Fatalf("%d clients established, want %d", got, n)
	}
	return c
}

func echoTarget(addr string, payload int) load.Target {
	return load.Target{Addr: addr, Protocol: "echo", Requests: []load.Request{{Workload: "echo", PayloadBytes: payload}}}
}

func httpTarget(addr, workload string) load.Target {
	return load.Target{Addr: addr, Protocol: "http", Requests: []load.Request{{Workload: workload}}}
}

// closedLoop is a closed loop without a warm-up.
func closedLoop(length time.Duration) load.Work {
	return load.Work{Loop: result.Closed, Length: length}
}

func TestEveryAnswerIsCountedOnce(t *testing.T) {
	for _, tt := range []struct {
		reason          string
		clients, shards int
	}{
		{"one client", 1, 4},
		{"fewer clients than shards", 3, 4},
		{"clients that do not divide evenly", 50, 3},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			var conns, answers atomic.Int64
			addr := serve(t, func(n int, c *net.TCPConn) {
				conns.Add(1)
				echoUntil(32, func(_ *net.TCPConn, _, _ int, msg []byte) ([]byte, bool) {
					answers.Add(1)
					return msg, false
				})(n, c)
			})
			c := connect(t, echoTarget(addr, 32), tt.clients, Options{Shards: tt.shards})
			if got, want := c.Shards(), min(tt.clients, tt.shards); got != want {
				t.Errorf("%d shards, want %d", got, want)
			}
			var opened, closed int64
			w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Warmup: 10 * time.Millisecond, Length: 200 * time.Millisecond}, load.Hooks{
				Open:  func() error { opened = answers.Load(); return nil },
				Close: func() error { closed = answers.Load(); return nil },
			})
			if err != nil || len(w.Errors) != 0 {
				t.Fatalf("err %v, errors %v", err, w.Errors)
			}
			if got := int(conns.Load()); got != tt.clients {
				t.Errorf("the server saw %d connections, want %d", got, tt.clients)
			}
			// Between the hooks the server answers all requests of the window,
			// but for those on the way at either edge: one for each client.
			n := w.Whole().Service.TotalCount()
			if served := closed - opened; n > served+int64(tt.clients) || n < 1 {
				t.Errorf("%d requests counted in the window, the server answered %d", n, served)
			}
			if w.BytesIn != 32*n || w.BytesOut != 32*n || w.Sum != float64(n) || w.Clients != int64(tt.clients) {
				t.Errorf("%d requests, bytes in %d out %d, %g by %d clients", n, w.BytesIn, w.BytesOut, w.Sum, w.Clients)
			}
			if c.Established() != tt.clients {
				t.Errorf("%d clients established at the end", c.Established())
			}
		})
	}
}

func TestFailuresAreCountedAsWhatTheyAre(t *testing.T) {
	const size = 16
	// Each spoils the answer number 3 of connection 0, once.
	at := func(f func(c *net.TCPConn, msg []byte) ([]byte, bool)) func(int, *net.TCPConn) {
		return echoUntil(size, func(c *net.TCPConn, n, k int, msg []byte) ([]byte, bool) {
			if n == 0 && k == 3 {
				return f(c, msg)
			}
			return msg, false
		})
	}
	tests := []struct {
		reason string
		handle func(int, *net.TCPConn)
		want   map[string]int64
	}{
		{"one byte is wrong", at(func(_ *net.TCPConn, msg []byte) ([]byte, bool) {
			msg[size-1]++
			return msg, false
		}), map[string]int64{result.KindBytes: 1}},
		{"an answer comes twice", at(func(_ *net.TCPConn, msg []byte) ([]byte, bool) {
			return append(msg[:size:size], msg...), false
		}), map[string]int64{result.KindUnasked: 1}},
		{"the answer belongs to an earlier request", at(func(_ *net.TCPConn, msg []byte) ([]byte, bool) {
			msg[4]-- // the request's count
			return msg, false
		}), map[string]int64{result.KindBytes: 1}},
		{"half an answer and the end", at(func(_ *net.TCPConn, msg []byte) ([]byte, bool) {
			return msg[:size/2], true
		}), map[string]int64{result.KindTruncated: 1}},
		{"the end where an answer is due", at(func(*net.TCPConn, []byte) ([]byte, bool) {
			return nil, true
		}), map[string]int64{result.KindEOF: 1}},
		{"a reset", at(func(c *net.TCPConn, _ []byte) ([]byte, bool) {
			_ = c.SetLinger(0)
			return nil, true
		}), map[string]int64{result.KindReset: 1}},
		{"an answer that never comes", at(func(c *net.TCPConn, _ []byte) ([]byte, bool) {
			_, _ = io.Copy(io.Discard, c)
			return nil, true
		}), map[string]int64{result.KindTimeout: 1}},
		{"an answer in single bytes is right", echoUntil(size, func(c *net.TCPConn, _, _ int, msg []byte) ([]byte, bool) {
			for i := range msg[:size-1] {
				_, _ = c.Write(msg[i : i+1])
			}
			return msg[size-1:], false
		}), map[string]int64{}},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			addr := serve(t, tt.handle)
			c := connect(t, echoTarget(addr, size), 4, Options{AnswerTimeout: 3 * time.Second})
			w, err := c.Run(t.Context(), closedLoop(200*time.Millisecond), load.Hooks{})
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(w.Errors, tt.want) {
				t.Errorf("errors %v, want %v", w.Errors, tt.want)
			}
		})
	}
}

func TestALostConnectionIsReplacedAndTheLossCounted(t *testing.T) {
	addr := serve(t, echoUntil(8, func(_ *net.TCPConn, n, k int, msg []byte) ([]byte, bool) {
		return msg, n == 0 && k == 2
	}))
	c := connect(t, echoTarget(addr, 8), 1, Options{})
	replaced := make(chan struct{})
	w, err := c.Run(t.Context(), closedLoop(100*time.Millisecond), load.Hooks{Close: func() error {
		for c.Established() != 1 { // the window is held open until it is back
			time.Sleep(time.Millisecond)
		}
		close(replaced)
		return nil
	}})
	<-replaced
	if lost := w.Errors[result.KindEOF] + w.Errors[result.KindReset]; err != nil || lost != 1 {
		t.Errorf("err %v, errors %v, want the loss counted once", err, w.Errors)
	}
}

func TestHTTPAnswersAreChecked(t *testing.T) {
	ok := "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 13\r\n\r\nHello, World!"
	tests := []struct {
		reason string
		answer func(k int) string
		want   string // kind of error; "" is none
	}{
		{"always the same bytes", func(int) string { return ok }, ""},
		{"a header that changes, such as Date", func(k int) string {
			return fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: %d\r\nContent-Length: 13\r\n\r\nHello, World!", k/5)
		}, ""},
		{"chunks", func(int) string {
			return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nHello, \r\n6\r\nWorld!\r\n0\r\n\r\n"
		}, ""},
		{"a status that is not 200", func(k int) string {
			if k == 3 {
				return "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
			}
			return ok
		}, "status-503"},
		{"a body with one wrong byte", func(k int) string {
			if k == 3 {
				return ok[:len(ok)-1] + "?"
			}
			return ok
		}, result.KindBytes},
		{"a shorter answer with the same start does not make the client wait", func(k int) string {
			if k == 3 {
				return "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nHello"
			}
			return ok
		}, result.KindBytes},
		{"no HTTP at all", func(k int) string {
			if k == 3 {
				return "SSH-2.0-OpenSSH\r\n\r\n"
			}
			return ok
		}, result.KindMalformed},
		{"more than the answer", func(k int) string {
			if k == 3 {
				return ok + "x"
			}
			return ok
		}, result.KindUnasked},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			addr := serve(t, func(n int, c *net.TCPConn) {
				br := bufio.NewReader(c)
				for k := 0; ; k++ {
					req, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					if req.Method != "GET" || req.URL.Path != "/plaintext" {
						t.Errorf("%s %s", req.Method, req.URL)
					}
					if n > 0 { // a replacement is well again
						_, _ = io.WriteString(c, ok)
					} else {
						_, _ = io.WriteString(c, tt.answer(k))
					}
				}
			})
			c := connect(t, httpTarget(addr, "plaintext"), 1, Options{})
			w, err := c.Run(t.Context(), closedLoop(100*time.Millisecond), load.Hooks{})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]int64{}
			if tt.want != "" {
				want[tt.want] = 1
			}
			if !maps.Equal(w.Errors, want) {
				t.Errorf("errors %v, want %v", w.Errors, want)
			}
			if w.Whole().Service.TotalCount() == 0 {
				t.Error("no request was answered")
			}
		})
	}
}

func TestHTTPEcho(t *testing.T) {
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // net/http reads no more once it writes
		_, _ = w.Write(body)
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(ln)
	defer srv.Close()
	c := connect(t, load.Target{Addr: ln.Addr().String(), Protocol: "http", Requests: []load.Request{{Workload: "echo", PayloadBytes: 3000}}}, 5, Options{})
	w, err := c.Run(t.Context(), closedLoop(100*time.Millisecond), load.Hooks{})
	if err != nil || len(w.Errors) != 0 || w.Whole().Service.TotalCount() == 0 {
		t.Errorf("err %v, errors %v, %d requests", err, w.Errors, w.Whole().Service.TotalCount())
	}
}

func TestSecondsAddUpToTheWindow(t *testing.T) {
	c := connect(t, echoTarget(serve(t, echoUntil(8, well)), 8), 4, Options{Shards: 2})
	var at []time.Duration
	var progress []int64
	w, err := c.Run(t.Context(), closedLoop(1100*time.Millisecond), load.Hooks{
		Second:   func(d time.Duration) error { at = append(at, d); return nil },
		Progress: func(_ int, s *load.Interval) { progress = append(progress, s.Service.TotalCount()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var told, sliced int64
	for _, n := range progress {
		told += n
	}
	for _, n := range w.Slices {
		sliced += n
	}
	all := w.Whole().Service.TotalCount()
	if len(w.Intervals) < 2 || told != all || len(progress) != len(w.Intervals) {
		t.Errorf("%d seconds with %d requests in all, told of %v", len(w.Intervals), all, progress)
	}
	if want := int(w.Length / load.SliceLength); len(w.Slices) != want || sliced > all {
		t.Errorf("%d slices with %d requests, want %d with at most %d", len(w.Slices), sliced, want, all)
	}
	if len(at) != 1 || at[0] != time.Second {
		t.Errorf("hooks at %v, want one at 1s", at)
	}
}

func TestAnEndedContextEndsTheRunAndKeepsWhatWasMeasured(t *testing.T) {
	// The server goes silent after some answers: nobody must wait for them.
	addr := serve(t, echoUntil(8, func(c *net.TCPConn, _, k int, msg []byte) ([]byte, bool) {
		if k == 20 {
			_, _ = io.Copy(io.Discard, c)
			return nil, true
		}
		return msg, false
	}))
	c := connect(t, echoTarget(addr, 8), 3, Options{AnswerTimeout: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	w, err := c.Run(ctx, closedLoop(time.Hour), load.Hooks{Open: func() error {
		go func() { time.Sleep(100 * time.Millisecond); cancel() }()
		return nil
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err %v", err)
	}
	if w.Whole().Service.TotalCount() > 3*20 || w.Length <= 0 || len(w.Errors) != 0 {
		t.Errorf("%d requests in %v, errors %v", w.Whole().Service.TotalCount(), w.Length, w.Errors)
	}
}

func TestAnErrorOfAMarkEndsTheRun(t *testing.T) {
	c := connect(t, echoTarget(serve(t, echoUntil(8, well)), 8), 2, Options{})
	boom := errors.New("boom")
	if _, err := c.Run(t.Context(), closedLoop(time.Hour), load.Hooks{Open: func() error { return boom }}); !errors.Is(err, boom) {
		t.Errorf("err %v", err)
	}
}

func TestHoldAsksEachClientOnceAtTheEnd(t *testing.T) {
	var asked atomic.Int64
	addr := serve(t, echoUntil(8, func(_ *net.TCPConn, n, k int, msg []byte) ([]byte, bool) {
		asked.Add(1)
		if n == 7 && k == 1 {
			msg[0]++
		}
		return msg, false
	}))
	c := connect(t, echoTarget(addr, 8), 10, Options{})
	var held int64
	w, err := c.Run(t.Context(), load.Work{Length: 50 * time.Millisecond}, load.Hooks{Close: func() error { held = asked.Load(); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if held != 10 {
		t.Errorf("%d requests before the end of the window, want the 10 of Connect", held)
	}
	if w.Answered != 9 || !maps.Equal(w.Errors, map[string]int64{result.KindBytes: 1}) || asked.Load() != 20 {
		t.Errorf("%d right, errors %v, %d asked", w.Answered, w.Errors, asked.Load())
	}
}

func TestConnectSaysWhyItFailed(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, stats, err := Connect(ctx, echoTarget(addr, 8), load.Population{Clients: 3}, Options{})
	if err == nil || Classify(err) != result.KindRefused || stats.Refused == 0 || stats.Kind != result.KindRefused {
		t.Errorf("err %v, stats %+v", err, stats)
	}
	if _, _, err := Connect(t.Context(), load.Target{Addr: addr, Protocol: "echo", Requests: []load.Request{{Workload: "cpu"}}}, load.Population{Clients: 1}, Options{}); err == nil {
		t.Error("connected for a workload that it cannot ask for")
	}
}

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, result.KindRefused},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, result.KindReset},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, result.KindReset},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, result.KindTimeout},
		{context.DeadlineExceeded, result.KindTimeout},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, result.KindFDs},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}, result.KindPorts},
		{io.EOF, result.KindEOF},
		{io.ErrUnexpectedEOF, result.KindTruncated},
		{fmt.Errorf("answer: %w", statusError(503)), "status-503"},
		{fmt.Errorf("%w: %w", errMalformed, io.ErrUnexpectedEOF), result.KindMalformed},
		{errors.New("something"), result.KindOther},
	} {
		if got := Classify(fmt.Errorf("wrapped: %w", tt.err)); got != tt.want {
			t.Errorf("%v is %q, want %q", tt.err, got, tt.want)
		}
	}
}

// FuzzTake feeds arbitrary bytes as an answer, whole and byte by byte: the
// verdict must be the same, and right only for what a parser calls right.
func FuzzTake(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nHello, World!\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\nHello, World!"))
	target := httpTarget("127.0.0.1:1", "plaintext")
	f.Fuzz(func(t *testing.T, data []byte) {
		verdict := func(learned bool, whole bool) string {
			ex, err := newExchange(target, target.Requests[0], false)
			if err != nil {
				t.Fatal(err)
			}
			if learned {
				ex.head = []byte("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n")
			}
			var a answer
			for rest := data; len(rest) > 0; {
				n := len(rest)
				if !whole {
					n = 1
				}
				done, err := ex.take(&a, rest[:n])
				if err != nil {
					return Classify(err)
				}
				if rest = rest[n:]; done {
					return "right"
				}
			}
			if err := ex.end(&a); err != nil {
				return Classify(err)
			}
			return "right"
		}
		fresh := verdict(false, true)
		if learned := verdict(true, true); (fresh == "right") != (learned == "right") {
			t.Errorf("%q is %s when parsed, %s when compared", data, fresh, learned)
		}
		// Byte by byte, what comes after the answer is not seen yet.
		if bytewise := verdict(true, false); bytewise != "right" && fresh == "right" {
			t.Errorf("%q is %s whole, %s bytewise", data, fresh, bytewise)
		}
	})
}

func TestAWindowEndsWhenItIsToldTo(t *testing.T) {
	addr := serve(t, echoUntil(8, well))
	c := connect(t, echoTarget(addr, 8), 2, Options{})
	enough := make(chan struct{})
	w, err := c.Run(t.Context(), closedLoop(time.Hour), load.Hooks{
		Open:   func() error { close(enough); return nil },
		Enough: enough,
	})
	if err != nil || len(w.Errors) != 0 || w.Length > time.Minute {
		t.Errorf("err %v, errors %v, a window of %v", err, w.Errors, w.Length)
	}
	if got := w.Whole().Service.TotalCount(); got != c.Answers() {
		t.Errorf("%d answers, and %d in the window", c.Answers(), got)
	}
}

// A part of a population may have none of those that ask.
func TestAPartWithoutActiveClients(t *testing.T) {
	addr := serve(t, echoUntil(8, well))
	c, _, err := Connect(t.Context(), echoTarget(addr, 8), load.Population{Clients: 3, First: 40, Active: -1}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	w, err := c.Run(t.Context(), load.Work{Length: 20 * time.Millisecond}, load.Hooks{})
	if err != nil || len(w.Errors) != 0 || w.Answered != 3 || w.Clients != 0 || w.Whole().Service.TotalCount() != 0 {
		t.Errorf("err %v, window %+v: want 3 probes answered, and no client that asked", err, w)
	}
}
