// Package statstest makes up runs for tests. The numbers resemble measured ones and are
// always the same.
package statstest

import (
	"math/rand/v2"
	"time"

	"github.com/tierbench/tierbench/loadtest/result"
)

// shape is how a fixture's model performs.
type shape struct {
	name, doc string
	rps       func(n int) float64
	tail      float64 // p99 as a multiple of p50
	perClient float64 // bytes
	threads   func(n int) int
	processes int
}

var shapes = []shape{
	{"eventloop", "One thread waits on all connections at once (gnet, one loop).", func(int) float64 { return 90e3 }, 1.4, 591, func(int) int { return 9 }, 1},
	{"thread", "A kernel thread for each connection, with blocking reads and writes.", func(n int) float64 {
		return 62e3 / (1 + float64(n)/3000)
	}, 6, 26e3, func(n int) int { return n + 8 }, 1},
	{"prefork", "A worker process for each core (fasthttp prefork, SO_REUSEPORT).", func(n int) float64 { return 88e3 / (1 + float64(n)/40e3) }, 2.2, 8e3, func(int) int { return 27 }, 3},
}

// Run returns a run of three models over HTTP and echo at the given tiers. From 10,000
// clients on, no repeat of thread is valid; from 1,000 on, its second repeat is not.
func Run(tiers []int, repeats int) *result.Set {
	rnd := rand.New(rand.NewPCG(1, 2))
	set := &result.Set{Run: result.Run{
		Schema: result.Schema, ID: "20260301T120000Z-quick", Name: "quick",
		Title:   "Three models at the tiers",
		Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Ended: time.Date(2026, 3, 1, 12, 2, 14, 0, time.UTC),
		ConfigFile: "configs/quick.yaml", ConfigText: "# Three models at the tiers.\nname: quick\nclients: [10, 100, 1000, 10000]\n",
		Generator: "vegeta", Seed: 42, Repeats: repeats,
		Host: result.Host{
			OS: "linux", Arch: "amd64", Kernel: "6.18.5", CPUModel: "AMD EPYC 7B13", Cores: 2, MemBytes: 24 << 30, Virtual: "kvm",
			Limits:  map[string]int64{"nofile": 20000, "nproc": -1},
			Sysctls: map[string]string{"net.core.somaxconn": "4096", "net.ipv4.ip_local_port_range": "32768 60999"},
		},
		Build: result.Build{Go: "go1.26.8", Commit: "0123456789abcdef0123456789abcdef01234567", Modules: map[string]string{
			"github.com/panjf2000/gnet/v2": "v2.9.7", "github.com/tsenart/vegeta/v12": "v12.13.0",
		}},
	}}
	run := &set.Run
	for _, s := range shapes {
		run.Models = append(run.Models, result.Info{Name: s.name, Doc: s.doc})
	}
	for _, pw := range [][2]string{{"http", "plaintext"}, {"echo", "echo"}} {
		for _, n := range tiers {
			for _, s := range shapes {
				k := result.Key{Model: s.name, Protocol: pw[0], Workload: pw[1], Clients: n, Loop: result.Closed}
				run.Cells = append(run.Cells, k)
				for i := 1; i <= repeats; i++ {
					set.Repeats = append(set.Repeats, repeat(rnd, run.ID, k, s, i))
				}
			}
		}
	}
	return set
}

// AddIdle adds a cell of idle echo connections for each model.
func AddIdle(set *result.Set, clients int) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, s := range shapes {
		k := result.Key{Model: s.name, Protocol: "echo", Workload: result.Idle, Clients: clients, Loop: result.Closed}
		set.Run.Cells = append(set.Run.Cells, k)
		for i := 1; i <= set.Run.Repeats; i++ {
			r := repeat(rnd, set.Run.ID, k, s, i)
			r.Requests, r.ThroughputRPS, r.Service = 0, 0, result.Latency{}
			r.Errors, r.Gates = nil, result.Gates{Verdict: result.Valid}
			set.Repeats = append(set.Repeats, r)
		}
	}
}

// AddOpen adds a cell of an open loop for each model and rate. A rate is a fraction of the
// model's capacity.
func AddOpen(set *result.Set, clients int, parts ...float64) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, part := range parts {
		for _, s := range shapes {
			k := result.Key{Model: s.name, Protocol: "http", Workload: "wait-50ms", Clients: clients, Loop: result.Open, Rate: result.Schedule{Rate: result.Rate{Capacity: part}}}
			set.Run.Cells = append(set.Run.Cells, k)
			for i := 1; i <= set.Run.Repeats; i++ {
				r := repeat(rnd, set.Run.ID, k, s, i)
				r.RateRPS = part * s.rps(clients)
				r.Requests = int64(r.RateRPS * r.DurationSec * 0.999)
				r.ThroughputRPS = float64(r.Requests) / r.DurationSec
				r.Service = result.Latency{Mean: 51e-3, P50: 50.4e-3, P90: 51e-3, P99: 55e-3, P999: 60e-3, Max: 70e-3}
				late := 1 + s.tail*part/4*rnd.Float64()
				r.Response = &result.Latency{Mean: 52e-3, P50: 50.9e-3, P90: 54e-3, P99: 55e-3 * late, P999: 70e-3 * late, Max: 90e-3 * late}
				r.Generator.SendLagP99Sec = 40e-6 + 20e-6*rnd.Float64()
				r.Errors, r.Gates = nil, result.Gates{Verdict: result.Valid}
				set.Repeats = append(set.Repeats, r)
			}
		}
	}
}

// AddSeconds adds the series of all repeats.
func AddSeconds(set *result.Set) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, r := range set.Repeats {
		for i := range int(r.DurationSec) {
			by := 0.97 + 0.06*rnd.Float64()
			set.Seconds = append(set.Seconds, result.Second{
				Run: r.Run, Key: r.Key, Repeat: r.Repeat, AtSec: float64(i + 1), IntervalSec: 1,
				Requests: int64(r.ThroughputRPS * by), P50Sec: r.Service.P50, P99Sec: r.Service.P99,
				CPUUserSec: r.Server.CPUUserSec / r.DurationSec * by, CPUSysSec: r.Server.CPUSysSec / r.DurationSec * by,
			})
		}
	}
}

// Suspect makes the repeats of a model at a number of clients suspect.
func Suspect(set *result.Set, model string, clients int, reason string) {
	for i := range set.Repeats {
		if r := &set.Repeats[i]; r.Model == model && r.Clients == clients {
			r.Gates = result.Gates{Verdict: result.Suspect, Reasons: []result.Reason{{Gate: result.GateOther, Text: reason}}}
		}
	}
}

func repeat(rnd *rand.Rand, run string, k result.Key, s shape, number int) result.Repeat {
	const sec = 5.0
	n := float64(k.Clients)
	noise := func(by float64) float64 { return 1 + by*(2*rnd.Float64()-1) }
	rps := s.rps(k.Clients) * noise(0.03)
	if k.Protocol == "echo" {
		rps *= 1.15
	}
	p50 := n / rps * 0.95
	p99 := p50 * s.tail * noise(0.15)
	r := result.Repeat{
		Request: result.ParseRequest(k.Workload),
		Run:     run, Key: k, Repeat: number, AskedSec: sec, DurationSec: sec, WarmupSec: 1,
		Started:  time.Date(2026, 3, 1, 12, 0, number, 0, time.UTC),
		Requests: int64(rps * sec), ThroughputRPS: rps,
		Service:   result.Latency{Mean: n / rps, P50: p50, P90: p50 * 1.2, P99: p99, P999: p99 * 1.8, Max: p99 * 3.1},
		Generator: result.Generator{Name: "vegeta", CPUSec: 4.6, Shards: 2},
		Gates:     result.Gates{Verdict: result.Valid},
		Server: result.Server{
			CPUUserSec: 1.4 * noise(0.05), CPUSysSec: 3.1 * noise(0.05),
			Usage: result.Usage{
				PSSBytes: 9<<20 + int64(n*s.perClient*noise(0.02)), Threads: s.threads(k.Clients), Processes: s.processes,
				KernelStackBytes: int64(s.threads(k.Clients)) * 16 << 10, FDs: k.Clients + 12,
			},
			CtxSwitches: int64(rps * 0.8 * noise(0.1)), ConnsPerProcess: []int{k.Clients},
			Before: result.Usage{PSSBytes: 9 << 20, KernelStackBytes: 8 * 16 << 10, Threads: 8, Processes: s.processes, FDs: 12},
		},
		Established: result.Established{Server: result.Ends{Start: k.Clients, End: k.Clients}, Generator: result.Ends{Start: k.Clients, End: k.Clients}},
	}
	if s.processes > 1 {
		r.Server.ConnsPerProcess = []int{k.Clients/2 + k.Clients%2, k.Clients / 2}
	}
	switch {
	case s.name != "thread" || k.Clients < 1000:
	case k.Clients >= 10000:
		r.Established.Server.End = 9950
		r.Errors = map[string]int64{"timeout": 576}
		r.Gates = result.Gates{Verdict: result.Invalid, Reasons: []result.Reason{{Gate: result.GateErrors, Text: "576 requests failed: timeout 576"}, {Gate: result.GateEstablished, Text: "9,950 of 10,000 connections established at the end"}}}
	case number == 2:
		r.Errors = map[string]int64{"reset": 3}
		r.Gates = result.Gates{Verdict: result.Invalid, Reasons: []result.Reason{{Gate: result.GateErrors, Text: "3 requests failed: reset 3"}}}
	}
	return r
}
