package process

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
)

// A worker takes tens of milliseconds to start, so that hundreds of connections in the queue would
// keep a server that is to end for many seconds.
func TestNoWorkerIsStartedTooLate(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	f, err := accepted.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	_ = accepted.Close()
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()

	m := &master{cfg: servers.Config{}.WithDefaults(), exe: "/no/program", limiter: admit.Limiter{Max: 1}, queue: make(chan int, 1)}
	if !m.limiter.TryAcquire() {
		t.Fatal("there is no room for one")
	}
	past := time.Now().Add(-time.Second)
	m.startBy.Store(&past)
	m.queue <- fd
	close(m.queue)
	m.serveQueue()
	if n := m.limiter.Open(); n != 0 {
		t.Errorf("%d connections are counted", n)
	}
	if m.short {
		t.Error("it tried to start a worker")
	}
	_ = client.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v, not that its connection was reset", err)
	}
}
