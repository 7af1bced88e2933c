package gate_test

import (
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/gate"
	"github.com/tierbench/tierbench/loadtest/result"
)

// good is a repeat that passes: 100 clients, 50,000 requests/s of 2 ms each.
func good() result.Repeat {
	ends := result.Ends{Start: 100, End: 100}
	return result.Repeat{
		Key:      result.Key{Model: "m", Protocol: "http", Workload: "plaintext", Clients: 100, Loop: result.Closed},
		AskedSec: 2, DurationSec: 2, Requests: 100_000, ThroughputRPS: 50_000,
		Service:     result.Latency{Mean: 0.002},
		Established: result.Established{Server: ends, Generator: ends},
	}
}

func TestJudge(t *testing.T) {
	tests := []struct {
		reason string
		change func(*result.Repeat)
		want   string // part of the only reason; "" is valid
	}{
		{"nothing is wrong", func(*result.Repeat) {}, ""},
		{"one connection was never there by the kernel's count", func(r *result.Repeat) { r.Established.Server.Start = 99 }, "99 (server, at the start)"},
		{"one connection was lost", func(r *result.Repeat) { r.Established.Server.End = 99 }, "99 (server, at the end)"},
		{"somebody else is connected too", func(r *result.Repeat) { r.Established.Server.End = 101 }, "101 (server, at the end)"},
		{"the generator knows of a failure at the start", func(r *result.Repeat) { r.Established.Generator.Start = 98 }, "98 (generator, at the start)"},
		{"the generator lost one that the kernel still has", func(r *result.Repeat) { r.Established.Generator.End = 99 }, "99 (generator, at the end)"},
		{"a single error", func(r *result.Repeat) { r.Errors = map[string]int64{"reset": 1} }, "errors: reset 1"},
		{"errors are named in a fixed order", func(r *result.Repeat) { r.Errors = map[string]int64{"timeout": 2, "eof": 1} }, "errors: eof 1, timeout 2"},
		{"a kind that was not seen is no error", func(r *result.Repeat) { r.Errors = map[string]int64{"reset": 0} }, ""},
		{"wrong bytes are errors", func(r *result.Repeat) { r.Errors = map[string]int64{"wrong-bytes": 1} }, "wrong-bytes 1"},
		{"90 % of the window is enough", func(r *result.Repeat) { r.DurationSec = 1.8 }, ""},
		{"less is not", func(r *result.Repeat) { r.DurationSec = 1.79 }, "measured 1.79 s of the 2 s asked"},
		{"5 % too few in flight pass", func(r *result.Repeat) { r.Service.Mean = 0.00190001 }, ""},
		{"more than 5 % too few fail", func(r *result.Repeat) { r.Service.Mean = 0.00189 }, "Little's law"},
		{"5 % too many pass", func(r *result.Repeat) { r.Service.Mean = 0.0020999 }, ""},
		{"more than 5 % too many fail", func(r *result.Repeat) { r.Service.Mean = 0.00211 }, "+5.5 %"},
		{"nothing was answered", func(r *result.Repeat) { r.Requests = 0 }, "no request was answered"},
		{"Little's law does not hold for an open loop", func(r *result.Repeat) { r.Loop = result.Open; r.Service.Mean = 1 }, ""},
		{"nor where nothing is asked", func(r *result.Repeat) { r.Workload = result.Idle; r.Service.Mean = 0 }, ""},
		{"nor with wrk, whose clients think between requests", func(r *result.Repeat) { r.Generator.Name = "wrk"; r.Service.Mean = 0.001 }, ""},
		{"nothing was answered to wrk", func(r *result.Repeat) { r.Generator.Name = "wrk"; r.Requests = 0 }, "no request was answered"},
		{"a failure is the one reason that is given", func(r *result.Repeat) { *r = result.Repeat{Key: r.Key, AskedSec: 2, Failure: "the server ended"} }, "the server ended"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			r := good()
			tt.change(&r)
			g := gate.Judge(&r)
			if tt.want == "" {
				if g.Verdict != result.Valid || len(g.Reasons) != 0 {
					t.Fatalf("got %s %q, want valid", g.Verdict, g.Reasons)
				}
				return
			}
			if g.Verdict != result.Invalid || len(g.Reasons) != 1 || !strings.Contains(g.Reasons[0], tt.want) {
				t.Fatalf("got %s %q, want invalid with one reason that says %q", g.Verdict, g.Reasons, tt.want)
			}
		})
	}
}

func TestAnUncheckedLawIsNoted(t *testing.T) {
	r := good()
	r.Generator.Name, r.Service.Mean = "wrk", 0.001
	if g := gate.Judge(&r); len(g.Notes) != 1 || !strings.Contains(g.Notes[0], "Little's law") {
		t.Errorf("notes %q", g.Notes)
	}
	r = good()
	if g := gate.Judge(&r); len(g.Notes) != 0 {
		t.Errorf("notes %q on a repeat on which all was checked", g.Notes)
	}
}
