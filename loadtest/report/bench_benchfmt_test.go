package report

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/tierbench/tierbench/loadtest/stats"
)

func TestBenchReadsBack(t *testing.T) {
	set := whole()
	var b bytes.Buffer
	if err := Bench(&b, set); err != nil {
		t.Fatal(err)
	}
	valid := 0
	for _, r := range set.Repeats {
		if stats.Counts(&r) {
			valid++
		}
	}
	r := benchfmt.NewReader(&b, "bench.txt")
	var names []string
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Errorf("benchstat would refuse: %v", rec)
		case *benchfmt.Result:
			names = append(names, string(rec.Name))
			if len(names) > 1 {
				continue
			}
			if got := rec.GetConfig("cpu"); got != "AMD EPYC 7B13" {
				t.Errorf("cpu is %q", got)
			}
			if rec.GetConfig("run") != "" {
				t.Error("a run's name in the configuration keeps benchstat from comparing two runs")
			}
			first := &set.Repeats[0]
			cpu := first.CPUPerRequestSec()
			for _, want := range []benchfmt.Value{
				{Value: 1 / first.ThroughputRPS, Unit: "sec/op"}, // the reader's own scale for ns/op
				{Value: first.ThroughputRPS, Unit: "req/s"},
				{Value: first.Service.P99, Unit: "p99-sec"},
				{Value: cpu, Unit: "cpu-sec/req"},
				{Value: first.MemoryPerClientBytes(), Unit: "B/client"},
			} {
				if got, ok := rec.Value(want.Unit); !ok || math.Abs(got/want.Value-1) > 1e-5 {
					t.Errorf("%s is %v (%v), want %v", want.Unit, got, ok, want.Value)
				}
			}
			if rec.Iters != int(first.Requests) {
				t.Errorf("%d iterations, want the %d requests", rec.Iters, first.Requests)
			}
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if len(names) != valid {
		t.Errorf("%d lines, want one for each of the %d repeats that count", len(names), valid)
	}
	for _, want := range []string{
		"Tier/model=eventloop/protocol=http/workload=plaintext/clients=10",
		"Tier/model=thread/protocol=echo/workload=idle/clients=9000",
		"Tier/model=thread/protocol=http/workload=wait-50ms/loop=open/rate=90%/clients=200",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("no line is named %s", want)
		}
	}
}
