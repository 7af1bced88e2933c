package all

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/counter"
)

func get(path string) string { return "GET " + path + " HTTP/1.1\r\n" + host + "\r\n" }

// Pipelined answers keep their order, whatever some of them wait for, however what was sent is cut
// into pieces.
func TestOrderAroundWaits(t *testing.T) {
	send := get("/plaintext") + get("/wait?ms=30") + get("/healthz") + get("/block?ms=5") + get("/wait?ms=1") + get("/wait?ms=0") +
		"POST /echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" +
		get("/wait?ms=x") + get("/block?ms=1") + get("/cpu?us=100") + get("/plaintext")
	want := hello + done + answer(200, "text/plain", "ok") + done + done + done + echoed("hello") + badMS + done + done + hello
	eachKeeping(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		p := use(t, model, protocol)
		var all sync.WaitGroup
		for name, sizes := range map[string][]int{"whole": {len(send)}, "byte by byte": {1}, "in pieces": {7, 40, 3}} {
			all.Go(func() {
				c := p.dial()
				sent := make(chan error, 1)
				go func() {
					for i, rest := 0, send; len(rest) > 0; i++ {
						n := min(sizes[i%len(sizes)], len(rest))
						if _, err := io.WriteString(c, rest[:n]); err != nil {
							sent <- err
							return
						}
						rest = rest[n:]
						time.Sleep(bytePause)
					}
					sent <- nil
				}()
				if err := expect(c, want); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if err := <-sent; err != nil {
					t.Errorf("%s: send: %v", name, err)
				}
				if err := exchange(c, get("/healthz"), answer(200, "text/plain", "ok")); err != nil {
					t.Errorf("%s: afterwards: %v", name, err)
				}
			})
		}
		all.Wait()
	})
}

const longest = 10 * time.Second // that a request may wait

// Answers that are ready are sent before delayed ones.
func TestReadyAnswersDoNotWait(t *testing.T) {
	eachKeeping(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		for _, path := range []string{"/wait", "/block"} {
			c := start(t, model, protocol).dial()
			begin := time.Now()
			if err := exchange(c, get("/plaintext")+get(fmt.Sprintf("%s?ms=%d", path, longest.Milliseconds())), hello); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took >= longest {
				t.Errorf("an answer that was ready came after %v, with the next one", took)
			}
			_ = c.Close()
		}
	})
}

// together has n clients ask for path at once, and returns how long it took until all had their
// answer.
func together(t *testing.T, p *process, n int, path string) time.Duration {
	t.Helper()
	var conns []net.Conn
	for range n {
		c := p.dial()
		if err := exchange(c, get("/healthz"), answer(200, "text/plain", "ok")); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	begin := time.Now()
	for _, c := range conns {
		if _, err := io.WriteString(c, get(path)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range conns {
		if err := expect(c, done); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	}
	return time.Since(begin)
}

// All wait at the same time, in every model. The sum of the times is so long that no busy machine
// makes up for it.
func TestWaitsOverlap(t *testing.T) {
	const ms = 200
	eachKeeping(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		n := 300
		if model == "process" {
			n = 40 // each takes the start of a process
		}
		sum := time.Duration(n) * ms * time.Millisecond
		if took := together(t, use(t, model, protocol), n, fmt.Sprintf("/wait?ms=%d", ms)); took > sum/2 {
			t.Errorf("%d waits of %d ms took %v: not at the same time", n, ms, took)
		}
	})
}

// A blocking call stalls the loop whose thread makes it, and no other, unless it is given to the
// pool.
func TestBlockingCalls(t *testing.T) {
	t.Parallel()
	const n, ms = 60, 100
	sum := n * ms * time.Millisecond
	path := fmt.Sprintf("/block?ms=%d", ms)
	for _, test := range []struct {
		model   string
		args    []string
		stalled int // how many threads at most make the calls, one after the other; 0: enough
	}{
		{model: "eventloop", stalled: 1},
		{model: "multiloop", stalled: runtime.GOMAXPROCS(0)},
		{model: "eventloop", args: []string{"--offload"}},
		{model: "multiloop", args: []string{"--offload"}},
		{model: "eventloop", args: []string{"--offload", "--offload-threads", "2"}, stalled: 2},
		{model: "thread"},
		{model: "goroutine"},
	} {
		t.Run(strings.Join(append([]string{test.model}, test.args...), " "), func(t *testing.T) {
			t.Parallel()
			p := start(t, test.model, servers.HTTP, test.args...)
			took := together(t, p, n, path)
			switch {
			case test.stalled > 0 && took < sum/time.Duration(test.stalled):
				t.Errorf("%d calls of %d ms took %v: %d threads cannot do that", n, ms, took, test.stalled)
			case test.stalled == 0 && took > sum:
				t.Errorf("%d calls of %d ms took %v: not at the same time", n, ms, took)
			}
			p.signal(terminate)
			p.stopped()
		})
	}
}

// A client may close its sending side while its answer is waited for.
func TestHalfCloseWhileWaiting(t *testing.T) {
	eachKeeping(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		p := use(t, model, protocol)
		for _, path := range []string{"/wait?ms=100", "/block?ms=100"} {
			c := p.dial()
			if _, err := io.WriteString(c, get(path)+get("/plaintext")); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if err := expect(c, done+hello); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if err := end(c); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	})
}

// A delayed answer is in flight when the server stops: it is sent, as the last on its
// connection.
func TestStopAnswersWhatIsWaitedFor(t *testing.T) {
	const clients = 20
	last := answer(200, "text/plain", "done", closing)
	eachKeeping(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		p := start(t, model, protocol)
		p.settle()
		var conns []net.Conn
		for range clients {
			c := p.dial()
			// Served before any waits: a server may have to start a process for it.
			if err := exchange(c, get("/plaintext"), hello); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		for _, c := range conns {
			// The answer before it shows that the wait has begun.
			if err := exchange(c, get("/plaintext")+get("/wait?ms=2000"), hello); err != nil {
				t.Fatal(err)
			}
		}
		p.signal(terminate)
		for _, c := range conns {
			if err := expect(c, last); err != nil {
				t.Error(err)
			} else if err := end(c); err != nil {
				t.Error(err)
			}
			_ = c.Close()
		}
		p.stopped()
	})
}

// An answer that is delayed for longer than the drain timeout is cut off, also where a system call
// blocks a thread or a whole loop.
func TestStopCutsOffWaits(t *testing.T) {
	eachKeeping(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		for _, path := range []string{"/wait", "/block"} {
			p := start(t, model, protocol, "--drain-timeout", "300ms")
			c := p.dial()
			begin := time.Now()
			if err := exchange(c, get("/plaintext")+get(fmt.Sprintf("%s?ms=%d", path, longest.Milliseconds())), hello); err != nil {
				t.Fatal(err)
			}
			p.signal(terminate)
			p.stopped()
			if took := time.Since(begin); took >= longest {
				t.Errorf("%s: the server was %v late: it waited to the end", path, took)
			}
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("%s: a connection survived its server", path)
			}
		}
	})
}

// countAll has clients count, each the same number of times on its own connection, and then asks
// each connection: it returns the values by process.
func countAll(t *testing.T, p *process, clients, times int) (total int, values map[int]int) {
	t.Helper()
	var all sync.WaitGroup
	conns := make([]*net.TCPConn, clients)
	for i := range conns {
		conns[i] = p.dial()
		all.Go(func() {
			for range times {
				if err := exchange(conns[i], "POST /counter HTTP/1.1\r\n"+host+"\r\n", answer(200, "text/plain", "ok")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	values = make(map[int]int)
	for _, c := range conns {
		value, pid := ask(t, c)
		values[pid] = value
		_ = c.Close()
	}
	return clients * times, values
}

// ask gets the value of the counter and the process that told it.
func ask(t *testing.T, c net.Conn) (value, pid int) {
	t.Helper()
	if _, err := io.WriteString(c, get("/counter")); err != nil {
		t.Fatal(err)
	}
	var got []byte
	buf := make([]byte, 1024)
	for !strings.HasSuffix(string(got), "\n") || strings.HasSuffix(string(got), "\r\n") {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatalf("after %s: %v", short(got), err)
		}
		got = append(got, buf[:n]...)
	}
	_, body, _ := strings.Cut(string(got), "\r\n\r\n")
	if _, err := fmt.Sscanf(body, "%d %d\n", &value, &pid); err != nil {
		t.Fatalf("%s: %v", short(got), err)
	}
	return value, pid
}

// Nothing that was counted is lost: where processes share the counter in all of them, and otherwise
// in each by itself, so that what one process says is then less than what was counted.
func TestCounters(t *testing.T) {
	t.Parallel()
	const clients, times = 32, 50
	for _, k := range counter.Methods {
		if !k.Exact {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			eachKeeping(t, onlyHTTP, func(t *testing.T, model, protocol string) {
				p := start(t, model, protocol, "--counter", k.Name, "--counter-dir", t.TempDir())
				p.settle()
				total, values := countAll(t, p, clients, times)
				sum := 0
				for pid, v := range values {
					if sum += v; k.Processes && v != total {
						t.Errorf("process %d says %d after %d increments", pid, v, total)
					}
					if !k.Processes && len(values) > 1 && v >= total {
						t.Errorf("process %d says %d of %d increments: it has counted for others", pid, v, total)
					}
				}
				if !k.Processes && sum != total {
					t.Errorf("%v after %d increments", values, total)
				}
				p.signal(terminate)
				p.stopped()
			})
		})
	}
}

// Without anything that keeps others off, increments are lost, except on one loop, where there is
// nobody else.
func TestUnguardedCounter(t *testing.T) {
	t.Parallel()
	const clients, times = 16, 200
	for _, test := range []struct {
		model string
		loses bool
	}{{"eventloop", false}, {"thread", true}, {"goroutine", true}} {
		p := start(t, test.model, servers.HTTP, "--counter", "none")
		counted, value := 0, 0
		waitFor(t, "an increment to be lost, or to be sure that none is", func() bool {
			total, values := countAll(t, p, clients, times)
			counted += total
			for _, value = range values {
			}
			return value != counted || !test.loses
		})
		if lost := value != counted; lost != test.loses {
			t.Errorf("%s: %d after %d increments", test.model, value, counted)
		}
	}
}

// GET needs no counter of the user's choice, and names the process.
func TestCounterNamesItsProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "eventloop", servers.HTTP)
	if v, pid := ask(t, p.dial()); v != 0 || pid != p.cmd.Process.Pid {
		t.Errorf("value %d of process %d, want 0 of %s", v, pid, strconv.Itoa(p.cmd.Process.Pid))
	}
}
