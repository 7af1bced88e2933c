package attack

import (
	"context"
	"log"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// The environment of a process of this test program that is a null server: so the
// CPU time and the allocations of a benchmark are the generator's alone.
const nullProtocol, nullAddr = "ATTACK_TEST_NULL_PROTOCOL", "ATTACK_TEST_NULL_ADDR"

func TestMain(m *testing.M) {
	if addr := os.Getenv(nullAddr); addr != "" {
		if err := ServeNull(context.Background(), os.Getenv(nullProtocol), addr, 1); err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

// startNull starts a null server and returns its address.
func startNull(b *testing.B, protocol string) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), nullProtocol+"="+protocol, nullAddr+"="+addr)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return addr
}

// BenchmarkRequest is what a request costs the generator: CPU time, system calls
// included, and allocations.
func BenchmarkRequest(b *testing.B) {
	for _, bb := range []struct {
		name, protocol string
		requests       []load.Request
		loop           string
	}{
		{"echo", "echo", []load.Request{{Workload: "echo", PayloadBytes: 64}}, result.Closed},
		{"http", "http", []load.Request{{Workload: "plaintext"}}, result.Closed},
		{"open", "echo", []load.Request{{Workload: "echo", PayloadBytes: 64}}, result.Open},
	} {
		b.Run(bb.name, func(b *testing.B) {
			t := load.Target{Addr: startNull(b, bb.protocol), Protocol: bb.protocol, Requests: bb.requests}
			c, _, err := Connect(b.Context(), t, load.Population{Clients: 64}, Options{Shards: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			work := load.Work{Loop: bb.loop, Length: time.Hour, Requests: int64(b.N), Pace: load.Pace{Rate: 20_000}}
			before, err := host.OwnCPU()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			if _, err := c.Run(b.Context(), work, load.Hooks{}); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			after, err := host.OwnCPU()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/(after-before), "req/cpu-s")
		})
	}
}
