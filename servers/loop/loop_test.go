package loop

import (
	"container/heap"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
)

// The answer that is due first comes first, also when connections end in between.
func TestDues(t *testing.T) {
	var d dues
	var all []*active
	for range 200 {
		a := &active{due: time.Duration(rand.IntN(50)), place: -1}
		all = append(all, a)
		heap.Push(&d, a)
	}
	left := 0
	for i, a := range all {
		if i%3 == 0 {
			heap.Remove(&d, a.place)
		} else {
			left++
		}
	}
	for i, a := range all {
		if in := a.place >= 0; in == (i%3 == 0) || in && d[a.place] != a {
			t.Fatalf("entry %d has place %d", i, a.place)
		}
	}
	last := time.Duration(0)
	for ; len(d) > 0; left-- {
		a := heap.Pop(&d).(*active)
		if a.due < last || a.place != -1 {
			t.Errorf("due %v after %v, place %d", a.due, last, a.place)
		}
		last = a.due
	}
	if left != 0 {
		t.Errorf("%d are missing", left)
	}
}

// newMany returns loops without their acceptor, and a listener to make connections with.
func newMany(t *testing.T, n, limit int) (*many, *net.TCPListener) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := servers.Config{Protocol: servers.Echo, Addr: ln.Addr().String(), Log: zerolog.Nop()}.WithDefaults()
	m := &many{
		cfg:     cfg,
		log:     &libraryLog{Logger: cfg.Log},
		limiter: admit.Limiter{Max: limit, Log: cfg.Log},
		handing: make(chan struct{}, handing),
	}
	for range n {
		if err := m.add(nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_ = ln.Close()
		m.stop()
	})
	return m, ln.(*net.TCPListener)
}

// connect makes a connection and has m place it. The caller sees by the client's end when it has
// arrived.
func connect(t *testing.T, m *many, ln *net.TCPListener) net.Conn {
	t.Helper()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	server, err := ln.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	m.place(server)
	return client
}

func echoes(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, "x"); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// Connections are spread evenly when they come, and a loop that has lost some gets the next ones.
func TestPlacementIsEven(t *testing.T) {
	const loops = 4
	m, ln := newMany(t, loops, 1000)
	loads := func() (all []int32) {
		for _, l := range m.loops {
			all = append(all, l.load.Load())
		}
		return all
	}
	spread := func(want int32) {
		t.Helper()
		for _, n := range loads() {
			if n != want {
				t.Fatalf("loops have %v, want %d each", loads(), want)
			}
		}
	}
	var clients []net.Conn
	for range 10 * loops { // in a burst: none has arrived for sure when the next one comes
		clients = append(clients, connect(t, m, ln))
	}
	spread(10)
	for _, c := range clients {
		if err := echoes(c); err != nil {
			t.Fatal(err)
		}
	}
	// The first loop has every fourth, from the first on. When it has lost them, it gets the next
	// ten.
	for i := 0; i < len(clients); i += loops {
		_ = clients[i].Close()
	}
	for deadline := time.Now().Add(time.Minute); m.loops[0].load.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("loops have %v after those of the first were closed", loads())
		}
	}
	for range 10 {
		if err := echoes(connect(t, m, ln)); err != nil {
			t.Fatal(err)
		}
	}
	spread(10)
}

func TestManyRefusesAtTheLimit(t *testing.T) {
	m, ln := newMany(t, 2, 3)
	for range 3 {
		if err := echoes(connect(t, m, ln)); err != nil {
			t.Fatal(err)
		}
	}
	if err := echoes(connect(t, m, ln)); err == nil {
		t.Error("a connection over the limit was served")
	}
	if n := m.limiter.Open(); n != 3 {
		t.Errorf("%d connections are open, want 3", n)
	}
}

// A loop that gnet ends by an error ends the server: its connections would not be served.
func TestManyEndsWithALoop(t *testing.T) {
	log := &libraryLog{Logger: zerolog.Nop()}
	ended := 0
	log.ended = func() { ended++ }
	log.Errorf("Accept() failed due to error: %v", errors.New("a"))
	if ended != 0 {
		t.Error("not every error is an end")
	}
	log.Errorf("event-loop(%d) is exiting due to error: %v", 0, errors.New("b"))
	if ended != 1 || !strings.Contains(log.cause(), "a") {
		t.Errorf("ended %d times, cause %q", ended, log.cause())
	}
}

// Both end in time when there was never a connection.
func TestEndsWithoutConnections(t *testing.T) {
	for name, serve := range map[string]func(context.Context, servers.Config) error{
		"one":  One,
		"many": func(ctx context.Context, cfg servers.Config) error { return Many(ctx, cfg, 2) },
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr().String()
		_ = ln.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cfg := servers.Config{Protocol: servers.HTTP, Addr: addr, Log: zerolog.Nop(), Ready: cancel}
		if err := serve(ctx, cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
