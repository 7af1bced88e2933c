package wire

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tierbench/tierbench/servers"
)

const get = "GET /plaintext HTTP/1.1\r\nHost: h\r\n\r\n"

func withSettings(protocol string, set func(*servers.Config)) *Server {
	cfg := servers.Config{Protocol: protocol}.WithDefaults()
	set(&cfg)
	return New(cfg)
}

// A model that serves one connection at a time answers one request: what was sent after it has to
// be sent again.
func TestCloseEach(t *testing.T) {
	closeEach := func(cfg *servers.Config) { cfg.CloseEach = true }
	out, closed := feedAll(withSettings(servers.HTTP, closeEach), []byte(get+get))
	if n := strings.Count(string(out), "200 OK"); n != 1 || !closed || !strings.Contains(string(out), "\r\nConnection: close\r\n") {
		t.Errorf("closed = %v, %d answers in %q; want one, which says that it is the last", closed, n, out)
	}
	out, closed = feedAll(withSettings(servers.Echo, closeEach), []byte("ping"))
	if string(out) != "ping" || !closed {
		t.Errorf("echo: %q, closed = %v; want one echo", out, closed)
	}
}

func TestFaultsOnlyWhereAskedFor(t *testing.T) {
	const ask = "GET /fault/recovered-panic HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, test := range []struct {
		reason string
		faults bool
		send   string
		want   string
		closed bool
	}{
		{"without the setting the route does not exist", false, ask, "HTTP/1.1 404 ", false},
		{"with it there is", true, ask, "HTTP/1.1 500 ", true},
		{"and no other one", true, "GET /fault/nothing HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 404 ", false},
		{"what it does not allow is said as elsewhere", true, "POST /fault/panic HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 405 ", false},
		{"the others are as they were", true, get, "HTTP/1.1 200 ", false},
	} {
		s := withSettings(servers.HTTP, func(cfg *servers.Config) { cfg.Faults = test.faults })
		out, closed := feedAll(s, []byte(test.send))
		if !strings.HasPrefix(string(out), test.want) || closed != test.closed {
			t.Errorf("%s: closed = %v, %q; want %v and %s", test.reason, closed, out, test.closed, test.want)
		}
	}
}

// The lock is free again after each call, and its holder keeps all others from their
// answers.
func TestInterpreterLock(t *testing.T) {
	s := withSettings(servers.HTTP, func(cfg *servers.Config) { cfg.GIL = time.Hour })
	s.gil.Lock(s.gil.NewThread())
	answered := make(chan struct{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			var c Conn
			for range 100 {
				if out, _ := s.Feed(&c, []byte(get), nil); !strings.HasPrefix(string(out), "HTTP/1.1 200 ") {
					t.Errorf("answered %q", out)
				}
				select {
				case <-answered:
				default:
					t.Error("answered while another had the lock")
				}
			}
		})
	}
	close(answered)
	s.gil.Unlock()
	all.Wait()
}
