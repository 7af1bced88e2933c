package slo

import (
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// repeat is one of a cell with 10 clients.
func repeat(n int, rps, p99 float64, errors int64) result.Repeat {
	r := result.Repeat{
		Key:    result.Key{Model: "thread", Protocol: "http", Workload: "plaintext", Clients: 10, Loop: result.Closed},
		Repeat: n, Requests: 1000, ThroughputRPS: rps, Service: result.Latency{P99: p99},
		Server: result.Server{Usage: result.Usage{PSSBytes: 3 << 20, KernelStackBytes: 1 << 20}},
		Gates:  result.Gates{Verdict: result.Valid},
	}
	if errors > 0 {
		r.Errors = map[string]int64{"reset": errors}
		r.Gates = result.Gates{Verdict: result.Invalid, Reasons: []result.Reason{{Gate: result.GateErrors, Text: "errors: reset"}}}
	}
	return r
}

func part(f float64) *float64 { return &f }

func TestJudge(t *testing.T) {
	two := []result.Repeat{repeat(1, 100, 0.010, 0), repeat(2, 200, 0.020, 0)}
	for _, tt := range []struct {
		reason  string
		slo     result.SLO
		repeats []result.Repeat
		want    []string // what, bound, value and verdict of each row
	}{
		{"each bound by itself", result.SLO{P99Sec: 0.050, Errors: part(0), ThroughputRPS: 50, MemoryBytes: 8 << 20}, two, []string{
			"p99 ≤ 50.0 ms 15.0 ms met", "errors ≤ 0 % 0 % met", "throughput ≥ 50.0/s 150/s met", "memory ≤ 8.00 MiB 4.00 MiB met"}},
		{"missed from above", result.SLO{P99Sec: 0.005}, two, []string{"p99 ≤ 5.00 ms 15.0 ms missed"}},
		{"missed from below", result.SLO{ThroughputRPS: 1000}, two, []string{"throughput ≥ 1.00k/s 150/s missed"}},
		{"kernel stacks are memory too", result.SLO{MemoryBytes: 3.5 * (1 << 20)}, two, []string{"memory ≤ 3.50 MiB 4.00 MiB missed"}},
		{"the interval includes the bound", result.SLO{P99Sec: 0.014}, two, []string{"p99 ≤ 14.0 ms 15.0 ms missed, undecided"}},
		{"a bound that is just met", result.SLO{ThroughputRPS: 100}, two[:1], []string{"throughput ≥ 100/s 100/s met"}},
		{"errors count though their repeat does not", result.SLO{Errors: part(0.001), P99Sec: 1}, []result.Repeat{repeat(1, 100, 0.01, 250)},
			[]string{"p99 ≤ 1.00 s – not measured", "errors ≤ 0.1 % 20 % missed"}},
		{"one repeat of three in which some failed", result.SLO{Errors: part(0)}, []result.Repeat{repeat(1, 100, 0.01, 0), repeat(2, 100, 0.01, 250), repeat(3, 100, 0.01, 0)},
			[]string{"errors ≤ 0 % 7.69 % missed, undecided"}},
		{"nothing was measured", result.SLO{P99Sec: 1}, nil, []string{"p99 ≤ 1.00 s – not measured"}},
		{"another model's", result.SLO{Model: "eventloop", P99Sec: 1}, two, nil},
		{"other numbers of clients", result.SLO{Clients: 11, P99Sec: 1}, two, nil},
		{"the cell that it names", result.SLO{Model: "thread", Protocol: "http", Workload: "plaintext", Clients: 10, Loop: result.Closed, P99Sec: 1}, two[:1], []string{"p99 ≤ 1.00 s 10.0 ms met"}},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			run := &result.Run{SLOs: []result.SLO{tt.slo}, Cells: []result.Key{two[0].Key}}
			var got []string
			for _, r := range Judge(run, stats.Cells(run, tt.repeats)) {
				got = append(got, r.What+" "+r.Bound.String()+" "+r.Shown()+" "+r.Judgement.String())
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("got %q, want %q", got[i], tt.want[i])
				}
			}
		})
	}
}

func TestIdleCellsHaveOnlyMemory(t *testing.T) {
	r := repeat(1, 0, 0, 0)
	r.Workload = result.Idle
	run := &result.Run{SLOs: []result.SLO{{P99Sec: 1, ThroughputRPS: 5, MemoryBytes: 1}}}
	rows := Judge(run, stats.Cells(run, []result.Repeat{r}))
	if len(rows) != 1 || rows[0].What != "memory" || len(Of(rows, stats.Missed)) != 1 || len(Of(rows, stats.Met)) != 0 {
		t.Errorf("rows %+v", rows)
	}
}
