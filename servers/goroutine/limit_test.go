package goroutine

import (
	"context"
	"net"
	"runtime/debug"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tierbench/tierbench/servers"
)

// The end of Serve must not bring back the runtime's own limit on threads: blocked ones may be left, and with more of them
// than that the process would panic instead of ending.
func TestServeLeavesRoomForThreads(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := servers.Config{Protocol: servers.HTTP, Addr: ln.Addr().String(), MaxConns: 11_000, Log: zerolog.Nop()}
	_ = ln.Close()
	listened := false
	ctx, stop := context.WithCancel(t.Context())
	cfg.Ready = func() { listened = true; stop() }
	defer stop()
	if err := Serve(ctx, cfg); err != nil && !listened {
		t.Skipf("no room for %d connections: %v", cfg.MaxConns, err)
	}
	was := debug.SetMaxThreads(20_000)
	debug.SetMaxThreads(was)
	if was < cfg.MaxConns {
		t.Errorf("Go's runtime allows %d threads, and %d connections may have one each", was, cfg.MaxConns)
	}
}
