package attack

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// The null server must give answers that this generator takes for right, else
// it would be no measure of it.
func TestTheNullServerAnswersRightly(t *testing.T) {
	before := load.Workloads
	defer func() { load.Workloads = before }()
	load.Workloads = append(slices.Clip(before), load.Workload{
		Protocol: "http", Name: "short", Method: "GET", Path: "/short", Answer: "!", Cheap: true,
	})
	for _, target := range []load.Target{
		{Protocol: "echo", Requests: []load.Request{{Workload: "echo", PayloadBytes: 64}}},
		{Protocol: "echo", Requests: []load.Request{{Workload: "echo", PayloadBytes: 64 << 10}}},
		{Protocol: "http", Requests: []load.Request{{Workload: "plaintext"}}},
		{Protocol: "http", Requests: []load.Request{{Workload: "echo", PayloadBytes: 20_000}}},
		{Protocol: "http", Requests: []load.Request{{Workload: "short"}}},
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		target.Addr = ln.Addr().String()
		_ = ln.Close()
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- ServeNull(ctx, target.Protocol, target.Addr, 2) }()
		// It may be asked before it listens: connecting tries again.
		c, _, err := Connect(t.Context(), target, load.Population{Clients: 6}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.Run(t.Context(), load.Work{Loop: result.Closed, Length: 10 * time.Second, Requests: 200}, load.Hooks{})
		if n := w.Whole().Service.TotalCount(); err != nil || len(w.Errors) != 0 || n < 200 {
			t.Errorf("%s %+v: err %v, errors %v, %d requests", target.Protocol, target.Requests, err, w.Errors, n)
		}
		_ = c.Close()
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}
