package all

import (
	"context"
	"net"
	"runtime/debug"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tierbench/tierbench/servers"
)

// The end of Serve must not bring back the limit on threads that was there before: blocked ones may
// be left, and with more of them than that the process would panic instead of ending.
func TestServeLeavesRoomForThreads(t *testing.T) {
	for _, name := range []string{"thread", "goroutine"} {
		t.Run(name, func(t *testing.T) {
			const before = 5000 // less than any server asks for
			was := debug.SetMaxThreads(before)
			defer debug.SetMaxThreads(was)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_ = ln.Close()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			m, ok := Find(name)
			if !ok {
				t.Fatalf("there is no model %s", name)
			}
			cfg := servers.Config{Protocol: servers.HTTP, Addr: ln.Addr().String(), MaxConns: 100, Log: zerolog.Nop(), Ready: stop}
			if err := m.Serve(ctx, cfg); err != nil {
				t.Fatal(err)
			}
			if after := debug.SetMaxThreads(before); after < 10_000 {
				t.Errorf("Go's runtime allows %d threads after it", after)
			}
		})
	}
}
