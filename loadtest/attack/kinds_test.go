package attack

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// serveHTTP is a scripted server of any number of requests a connection: answer
// gives the body of each.
func serveHTTP(t *testing.T, answer func(conn int, r *http.Request) string) string {
	return serve(t, func(n int, c *net.TCPConn) {
		defer c.Close()
		br := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			body := answer(n, r)
			if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
				return
			}
		}
	})
}

func TestAMixByClientsKeepsThemApart(t *testing.T) {
	const clients, slow = 7, 20 * time.Millisecond
	for _, loop := range []string{result.Closed, result.Open} {
		t.Run(loop, func(t *testing.T) {
			var mu sync.Mutex
			asked := map[int]map[string]int{} // of each connection, by path
			addr := serveHTTP(t, func(n int, r *http.Request) string {
				mu.Lock()
				if asked[n] == nil {
					asked[n] = map[string]int{}
				}
				asked[n][r.URL.Path]++
				mu.Unlock()
				if r.URL.Path == "/plaintext" {
					return "Hello, World!"
				}
				time.Sleep(slow)
				return "done"
			})
			target := load.Target{Addr: addr, Protocol: "http", ByClients: true, Requests: []load.Request{
				{Workload: "plaintext"}, {Workload: "cpu", Time: 5 * time.Millisecond, Clients: 2},
			}}
			c := connect(t, target, clients, Options{Shards: 3})
			w, err := c.Run(t.Context(), load.Work{Loop: loop, Length: 400 * time.Millisecond, Pace: load.Pace{Rate: 500}}, load.Hooks{})
			if err != nil || len(w.Errors) != 0 {
				t.Fatalf("err %v, errors %v", err, w.Errors)
			}
			mu.Lock()
			defer mu.Unlock()
			burners := 0
			for n, paths := range asked {
				// A connection is proven by plaintext.
				if len(paths) != 1 && paths["/plaintext"] != 1 {
					t.Errorf("connection %d asked for %v", n, paths)
				}
				if paths["/cpu"] > 0 {
					burners++
				}
			}
			if burners != 2 || len(asked) != clients {
				t.Errorf("%d of %d connections asked for CPU work, want 2 of %d", burners, len(asked), clients)
			}
			if len(w.Mix) != 2 || w.Mix[0].Name != "plaintext" || w.Mix[0].Clients != 0 || w.Mix[1].Name != "cpu-5ms" || w.Mix[1].Clients != 2 {
				t.Fatalf("kinds %+v", w.Mix)
			}
			fast, burnt := w.Mix[0].Service.TotalCount(), w.Mix[1].Service.TotalCount()
			all := w.Whole()
			if fast == 0 || burnt == 0 || fast+burnt != all.Service.TotalCount() {
				t.Errorf("%d and %d requests, %d in all", fast, burnt, all.Service.TotalCount())
			}
			if n := atLeast(w.Mix[1].Service, slow); n != burnt {
				t.Errorf("%d of %d slow requests took the time that they were held", n, burnt)
			}
			if open := loop == result.Open; (w.Mix[0].Response != nil) != open || open && w.Mix[0].Response.TotalCount() != fast {
				t.Errorf("response times %v", w.Mix[0].Response)
			}
			// Fairness is that of the clients of the first kind.
			if w.Clients != clients-2 || w.Sum != float64(fast) {
				t.Errorf("%g answers to %d clients, want %d to %d", w.Sum, w.Clients, fast, clients-2)
			}
		})
	}
}

func TestAMixByWeightsKeepsItsKindsApart(t *testing.T) {
	addr := serveHTTP(t, func(_ int, r *http.Request) string {
		if r.URL.Path == "/plaintext" {
			return "Hello, World!"
		}
		return "done"
	})
	target := load.Target{Addr: addr, Protocol: "http", Requests: []load.Request{
		{Workload: "plaintext", Weight: 3}, {Workload: "block", Time: time.Millisecond, Weight: 1},
	}}
	c := connect(t, target, 1, Options{})
	w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Length: time.Minute, Requests: 100}, load.Hooks{})
	if err != nil || len(w.Errors) != 0 || len(w.Mix) != 2 {
		t.Fatalf("err %v, errors %v, kinds %v", err, w.Errors, w.Mix)
	}
	a, b := w.Mix[0].Service.TotalCount(), w.Mix[1].Service.TotalCount()
	if d := a - 3*b; d < -3 || d > 3 || w.Mix[1].Clients != 0 || w.Clients != 1 || w.Sum != float64(a+b) {
		t.Errorf("%d and %d requests of weights 3 and 1", a, b)
	}
}

func TestClientsOfTheirOwnAreSpread(t *testing.T) {
	requests := []load.Request{{}, {Clients: 2}, {Clients: 3}}
	for _, n := range []int{6, 10, 1000} {
		got := map[int]int{}
		for i := range n {
			got[own(requests, i, n)]++
		}
		if got[1] != 2 || got[2] != 3 || got[0] != n-5 {
			t.Errorf("of %d clients: %v", n, got)
		}
	}
}
