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
		Generator:   result.Generator{Name: "vegeta"},
		Fairness:    result.Fairness{Jain: 0.99, Mean: 1000},
		Drift:       result.Drift{Change: 0.01, StdErr: 0.01, Slices: 40},
		CPUs:        result.CPUs{ServerCount: 1, GeneratorCount: 1},
		Machine:     result.Machine{Others: []result.Process{{PID: 7, Name: "make", Cores: 0.02}}},
	}
}

// open makes it one of an open loop: 5,000 requests/s were due, each answered
// in 2 ms.
func open(r *result.Repeat) {
	r.Loop, r.RateRPS, r.Requests, r.ThroughputRPS = result.Open, 5_000, 10_000, 5_000
	r.Response = &result.Latency{Mean: 0.002, P99: 0.005}
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
		{"status codes come first", func(r *result.Repeat) {
			r.Errors = map[string]int64{"eof": 1, result.KindOfStatus(503): 2, result.KindOfStatus(429): 3}
		}, "errors: status-429 3, status-503 2, eof 1"},
		{"closes that were announced", func(r *result.Repeat) { r.Closes, r.Established.Server.End = 7, 101 }, ""},
		{"but not a client that is lost", func(r *result.Repeat) { r.Closes, r.Established.Generator.End = 7, 99 }, "99 (generator, at the end)"},
		{"wrong bytes are errors", func(r *result.Repeat) { r.Errors = map[string]int64{"wrong-bytes": 1} }, "wrong-bytes 1"},
		{"90 % of the window is enough", func(r *result.Repeat) { r.DurationSec = 1.8 }, ""},
		{"less is not", func(r *result.Repeat) { r.DurationSec = 1.79 }, "measured 1.79 s of the 2 s asked"},
		{"5 % too few in flight pass", func(r *result.Repeat) { r.Service.Mean = 0.00190001 }, ""},
		{"more than 5 % too few fail", func(r *result.Repeat) { r.Service.Mean = 0.00189 }, "Little's law"},
		{"5 % too many pass", func(r *result.Repeat) { r.Service.Mean = 0.0020999 }, ""},
		{"more than 5 % too many fail", func(r *result.Repeat) { r.Service.Mean = 0.00211 }, "+5.5 %"},
		{"what the window cut off is known", func(r *result.Repeat) { r.Service.Mean, r.CarriedSec = 0.0018, 0.02 }, "-10.0 %"},
		{"and makes up for what is missing", func(r *result.Repeat) {
			r.Requests, r.ThroughputRPS, r.Service.Mean, r.CarriedSec = 900, 450, 0.2, 20
		}, ""},
		{"also where too much is there", func(r *result.Repeat) {
			r.Requests, r.ThroughputRPS, r.Service.Mean, r.CarriedSec = 1100, 550, 0.2, -20
		}, ""},
		{"but no more than a request of each client", func(r *result.Repeat) {
			r.Requests, r.ThroughputRPS, r.Service.Mean, r.CarriedSec = 900, 450, 0.18, 200
		}, "Little's law"},
		{"nothing was answered", func(r *result.Repeat) { r.Requests = 0 }, "no request was answered"},
		{"Little's law does not hold for an open loop", func(r *result.Repeat) { r.Loop = result.Open; r.Service.Mean = 1 }, ""},
		{"nor where nothing is asked", func(r *result.Repeat) { r.Workload = result.Idle; r.Service.Mean = 0 }, ""},
		{"nor with wrk, whose clients think between requests", func(r *result.Repeat) { r.Generator.Name = "wrk"; r.Service.Mean = 0.001 }, ""},
		{"nothing was answered to wrk", func(r *result.Repeat) { r.Generator.Name = "wrk"; r.Requests = 0 }, "no request was answered"},
		{"a number of requests ends the window early", func(r *result.Repeat) { r.DurationSec, r.AskedRequests = 0.1, 100_000 }, ""},
		{"but not before they are all answered", func(r *result.Repeat) { r.DurationSec, r.AskedRequests = 0.1, 100_001 }, "measured 0.1 s"},
		{"idle clients are not in flight", func(r *result.Repeat) { r.Idle, r.Answered, r.Service.Mean = 90, 90, 0.0002 }, ""},
		{"an idle client that did not answer", func(r *result.Repeat) { r.Idle, r.Answered, r.Service.Mean = 90, 89, 0.0002 }, "only 89 of the 90 idle connections still answered at the end"},
		{"per-request clients are not established by the kernel", func(r *result.Repeat) { r.PerRequest, r.Established.Server.Start = true, 12 }, ""},
		{"but all must live", func(r *result.Repeat) { r.PerRequest, r.Established.Generator.End = true, 99 }, "99 (generator, at the end)"},
		{"the rate was reached but for those in flight", func(r *result.Repeat) { open(r); r.Requests = 9_890 }, ""},
		{"the rate was not reached", func(r *result.Repeat) { open(r); r.Requests, r.ThroughputRPS = 9_000, 4_500 }, "(90.0 %)"},
		{"2 % more than asked may be chance", func(r *result.Repeat) { open(r); r.Requests = 10_200 }, ""},
		{"as may those that were in flight when the window opened", func(r *result.Repeat) { open(r); r.Requests, r.Service.Mean = 10_220, 0.004 }, ""},
		{"more is a backlog", func(r *result.Repeat) { open(r); r.Requests, r.ThroughputRPS = 14_200, 7_100 }, "answered 7100 requests/s, but 5000 requests/s were asked for (142.0 %)"},
		{"whose waiting excuses nothing", func(r *result.Repeat) {
			open(r)
			r.Requests, r.ThroughputRPS, r.Response.Mean = 10_300, 5_150, 2
		}, "(103.0 %)"},
		{"a failure is the one reason that is given", func(r *result.Repeat) { *r = result.Repeat{Key: r.Key, AskedSec: 2, Failure: "the server ended"} }, "the server ended"},

		{"the lag is a tenth of the response time", func(r *result.Repeat) { open(r); r.Generator.SendLagP99Sec = 0.0005 }, ""},
		{"the lag is more", func(r *result.Repeat) { open(r); r.Generator.SendLagP99Sec = 0.000501 }, "?sent up to 501 µs late"},
		{"85 % of the ceiling", func(r *result.Repeat) { r.Generator.CeilingRPS = 59_000 }, ""},
		{"more than 85 % of the ceiling", func(r *result.Repeat) { r.Generator.CeilingRPS = 58_000 }, "?generator-bound: 5e+04 requests/s is 86 %"},
		{"a server whose own CPUs are full is the limit itself", func(r *result.Repeat) { r.Generator.CeilingRPS, r.Server.CPUUserSec = 51_000, 1.9 }, ""},
		{"a ceiling that is exceeded is not one", func(r *result.Repeat) { r.Generator.CeilingRPS = 40_650 }, ""},
		{"but the generator may still be busy", func(r *result.Repeat) { r.Generator.CeilingRPS, r.Generator.CPUSec = 40_650, 1.9 }, "?generator-bound: the generator kept its CPUs 95 % busy"},
		{"the ceiling means nothing to an open loop", func(r *result.Repeat) { open(r); r.Generator.CeilingRPS = 5_000 }, ""},
		{"the generator is busy and the server is not", func(r *result.Repeat) { r.Generator.CPUSec, r.Server.CPUUserSec = 1.9, 1.7 }, "?generator-bound: the generator kept its CPUs 95 % busy"},
		{"the server is busy within its box", func(r *result.Repeat) {
			r.Generator.CPUSec, r.Server.CPUUserSec, r.Box = 1.9, 0.95, &result.Box{Limits: result.Limits{CPUs: 0.5}}
		}, ""},
		{"both are busy", func(r *result.Repeat) { r.Generator.CPUSec, r.Server.CPUSysSec = 1.9, 1.9 }, ""},
		{"an accept queue was full in the window", func(r *result.Repeat) { r.Network.Window.ListenOverflows = 2 }, "?2 accept queue overflows"},
		{"a listener dropped connections", func(r *result.Repeat) { r.Network.Window.ListenDrops = 3 }, "?3 connections dropped"},
		{"SYNs were sent again", func(r *result.Repeat) { r.Network.Window.SynRetransmits = 4 }, "?4 SYN retransmits"},
		{"before the window that is only noted", func(r *result.Repeat) { r.Network.Connecting.SynRetransmits = 4 }, ""},
		{"service was uneven", func(r *result.Repeat) { r.Fairness.Jain = 0.949 }, "?uneven service"},
		{"with few answers that is chance", func(r *result.Repeat) { r.Fairness.Jain, r.Fairness.Mean = 0.8, 19 }, ""},
		{"4 clients of 100 wait for 4 s", func(r *result.Repeat) { r.Starved, r.Service.Max = 4, 2.5 }, "?4 of 100 clients got no answer in the window; the longest wait is 2.5 s or more"},
		{"of an open loop, the response time counts", func(r *result.Repeat) { open(r); r.Starved, r.Service.Max, r.Response.Max = 4, 2, 3 }, "?is 3 s or more"},
		{"a number of answers may be too few for all", func(r *result.Repeat) { r.Starved, r.AskedRequests = 4, 100_000 }, ""},
		{"no answer for 1 s", func(r *result.Repeat) { r.Drift.StallSec = 1 }, "?stalled: no answer for 1 s, in which 5e+04 were to be expected"},
		{"an empty slice", func(r *result.Repeat) { r.Drift.StallSec = 0.05 }, ""},
		{"few answers leave slices empty", func(r *result.Repeat) {
			open(r)
			r.RateRPS, r.Requests, r.ThroughputRPS, r.Drift.StallSec = 15, 30, 15, 1
		}, ""},
		{"answers that take long come in bursts", func(r *result.Repeat) {
			r.ThroughputRPS, r.Service.Mean, r.Service.P50, r.Drift.StallSec = 200, 0.5, 0.5, 0.5
		}, ""},
		{"slow in the middle", func(r *result.Repeat) { r.Drift.SlowShare = 0.3 }, "?stalled: in 30 % of the window, there were less than half as many answers as usual"},
		{"slow now and then", func(r *result.Repeat) { r.Drift.SlowShare = 0.1 }, ""},
		{"few answers vary by chance", func(r *result.Repeat) {
			r.Requests, r.ThroughputRPS, r.Service.Mean, r.Drift.SlowShare = 400, 200, 0.5, 0.3
		}, ""},
		{"bursts of answers leave slices without", func(r *result.Repeat) {
			r.ThroughputRPS, r.Service.Mean, r.Service.P50, r.Drift.SlowShare = 2_000, 0.05, 0.05, 0.5
		}, ""},
		{"a ramp begins slowly", func(r *result.Repeat) { open(r); r.Rate.Shape.Kind, r.Drift.SlowShare = result.Linear, 0.3 }, ""},
		{"throughput rose", func(r *result.Repeat) { r.Drift.Change, r.Drift.StdErr = 0.2, 0.04 }, "?not steady: throughput changed by +20 % ± 8 %"},
		{"throughput fell", func(r *result.Repeat) { r.Drift.Change, r.Drift.StdErr = -0.2, 0.04 }, "?not steady"},
		{"it may have been noise", func(r *result.Repeat) { r.Drift.Change, r.Drift.StdErr = 0.2, 0.051 }, ""},
		{"a ramp is meant to rise", func(r *result.Repeat) { open(r); r.Rate.Shape.Kind, r.Drift.Change = result.Linear, 0.2 }, ""},
		{"1 % was stolen", func(r *result.Repeat) { r.Machine.StolenSec = 0.04 }, ""},
		{"throttled for 1 % of the window", func(r *result.Repeat) { r.Machine.ThrottledSec = 0.02 }, ""},
		{"throttled for longer", func(r *result.Repeat) { r.Machine.ThrottledSec = 0.5 }, "?was throttled for 500 ms of CPU time in a window of 2 s"},
		{"more was stolen", func(r *result.Repeat) { r.Machine.StolenSec = 0.05 }, "?took 1.2 %"},
		{"another process used a tenth of a core", func(r *result.Repeat) { r.Machine.Others[0].Cores = 0.1 }, ""},
		{"which does not matter to memory", func(r *result.Repeat) { r.Workload, r.Machine.Others[0].Cores, r.Machine.StolenSec = result.Idle, 1, 1 }, ""},
		{"what a fault does is what was asked for", func(r *result.Repeat) {
			r.Fault = &result.Fault{Kind: "kill"}
			r.Errors, r.Established.Server.End, r.Service.Mean = map[string]int64{"reset": 9}, 3, 1
			r.Fairness.Jain, r.Drift.Change, r.Drift.StdErr = 0.1, 1, 0
			r.Network.Window = result.Trouble{ListenOverflows: 1, SynRetransmits: 1}
			r.Starved, r.Drift.StallSec, r.Drift.SlowShare = 3, 1, 0.5
		}, ""},
		{"but not that nothing was answered", func(r *result.Repeat) { r.Fault, r.Requests = &result.Fault{}, 0 }, "no request was answered"},
		{"nor that others used the machine", func(r *result.Repeat) { r.Fault, r.Machine.StolenSec = &result.Fault{}, 0.05 }, "?took 1.2 %"},
		{"another process used more", func(r *result.Repeat) { r.Machine.Others[0].Cores = 0.5 }, "?make 0.50"},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			r := good()
			tt.change(&r)
			g := gate.Judge(&r)
			verdict := result.Invalid
			want, suspect := strings.CutPrefix(tt.want, "?")
			switch {
			case suspect:
				verdict = result.Suspect
			case want == "":
				verdict = result.Valid
			}
			if g.Verdict != verdict {
				t.Fatalf("got %s %q, want %s", g.Verdict, g.Texts(), verdict)
			}
			if want != "" && (len(g.Reasons) != 1 || !strings.Contains(g.Reasons[0].Text, want)) {
				t.Errorf("reasons %q, want one with %q", g.Reasons, want)
			}
		})
	}
}

func TestTheWorstVerdictStands(t *testing.T) {
	r := good()
	r.Machine.StolenSec, r.Established.Server.End, r.Fairness.Jain = 1, 1, 0.1
	if g := gate.Judge(&r); g.Verdict != result.Invalid || len(g.Reasons) != 3 {
		t.Errorf("got %s %q", g.Verdict, g.Reasons)
	}
}

func TestWhatIsNotCheckedIsNoted(t *testing.T) {
	for _, tt := range []struct {
		reason string
		change func(*result.Repeat)
		want   string
	}{
		{"a peer's clients", func(r *result.Repeat) { r.Generator.Name = "wrk" }, "with wrk, Little's law is not checked"},
		{"few answers", func(r *result.Repeat) { r.Fairness.Mean = 3 }, "even service is not checked"},
		{"a short window", func(r *result.Repeat) { r.Drift.Slices = 7 }, "steadiness is not checked"},
		{"closes that were announced", func(r *result.Repeat) { r.Closes = 7 }, "announced the end of 7 connections"},
		{"a fault", func(r *result.Repeat) { r.Fault = &result.Fault{} }, "established connections, errors, Little's law"},
		{"trouble before the window", func(r *result.Repeat) { r.Network.Connecting.ListenDrops = 1 }, "while the clients connected: 1 connections dropped"},
	} {
		r := good()
		tt.change(&r)
		if g := gate.Judge(&r); len(g.Notes) != 1 || !strings.Contains(g.Notes[0], tt.want) {
			t.Errorf("%s: notes %q, want %q", tt.reason, g.Notes, tt.want)
		}
	}
	r := good()
	if g := gate.Judge(&r); len(g.Notes) != 0 {
		t.Errorf("notes %q on a good repeat", g.Notes)
	}
}
