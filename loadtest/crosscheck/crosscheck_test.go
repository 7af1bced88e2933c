package crosscheck

import (
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// repeats are those of one generator: one for each throughput.
func repeats(generator string, change func(*result.Repeat), throughputs ...float64) (out []result.Repeat) {
	for i, x := range throughputs {
		r := result.Repeat{
			Key:    result.Key{Model: "m", Protocol: "http", Workload: "plaintext", Clients: 16, Loop: result.Closed, Setting: result.ParseSetting("generator " + generator)},
			Repeat: i + 1, Requests: int64(x), ThroughputRPS: x, DurationSec: 1,
			Service:   result.Latency{Mean: 16 / x, P50: 15 / x, P99: 30 / x},
			Generator: result.Generator{Shards: 1, CPUSec: 0.2},
			Server:    result.Server{CPUUserSec: 0.3},
			CPUs:      result.CPUs{ServerCount: 2, GeneratorCount: 2, Shared: 2},
			Gates:     result.Gates{Verdict: result.Valid},
		}
		if change != nil {
			change(&r)
		}
		out = append(out, r)
	}
	return out
}

func TestOutcomes(t *testing.T) {
	for _, tt := range []struct {
		reason     string
		ours, peer []result.Repeat
		want       string
		because    string
		failed     bool
	}{
		{"they are the same", repeats("vegeta", nil, 100, 101, 102), repeats("wrk", nil, 100, 100, 103), "agree", "", false},
		{"a single pair has no interval", repeats("vegeta", nil, 100), repeats("wrk", nil, 104), "agree", "", false},
		{"within in the median only", repeats("vegeta", nil, 100, 100, 120), repeats("wrk", nil, 100, 100, 100), "undecided", "the interval is too wide: it reaches from 1.000 to 1.200", false},
		{"beyond in the median, but not in all", repeats("vegeta", nil, 80, 90, 100), repeats("wrk", nil, 100, 100, 100), "undecided", "too wide", false},
		{"apart, and nothing says why", repeats("vegeta", nil, 80, 81, 82), repeats("wrk", nil, 100, 100, 100), "DISAGREE", "", true},
		{"apart, and one thread is used up", repeats("vegeta", nil, 120, 121, 122),
			repeats("wrk", func(r *result.Repeat) { r.Generator.CPUSec = 0.98 }, 100, 100, 100), "explained", "wrk was CPU-bound: 1 thread, 98 % busy", false},
		{"apart, and the two share cores that are used up", repeats("vegeta", func(r *result.Repeat) { r.Generator.CPUSec, r.Server.CPUUserSec = 0.85, 1.1 }, 120, 121, 122),
			repeats("wrk", nil, 100, 100, 100), "explained", "share cores, which were 98 % busy", false},
		{"cores that are used up, but by each its own", repeats("vegeta", func(r *result.Repeat) {
			r.Generator.CPUSec, r.Server.CPUUserSec = 0.85, 1.1
			r.CPUs = result.CPUs{ServerCount: 1, GeneratorCount: 1}
		}, 120, 121, 122), repeats("wrk", nil, 100, 100, 100), "DISAGREE", "", true},
		{"apart with unequal threads", repeats("vegeta", nil, 120, 121, 122),
			repeats("oha", func(r *result.Repeat) { r.Generator.Shards = 2 }, 100, 100, 100), "explained", "unequal settings: vegeta had 1 thread, oha 2 threads", false},
		{"apart, and a gate has doubts", repeats("vegeta", func(r *result.Repeat) {
			r.Gates = result.Gates{Verdict: result.Suspect, Reasons: []result.Reason{{Gate: result.GateOtherProcesses, Text: "other processes used the CPUs, in cores: cc (pid 7) 0.80"}}}
		}, 80, 81, 82), repeats("wrk", nil, 100, 100, 100), "explained", "vegeta is suspect (other-processes)", false},
		{"ours failed", repeats("vegeta", func(r *result.Repeat) {
			r.Gates = result.Gates{Verdict: result.Invalid, Reasons: []result.Reason{{Gate: result.GateErrors, Text: "errors: timeout 3"}}}
		}, 100), repeats("wrk", nil, 100), "unmeasured", "vegeta: errors: timeout 3", true},
		{"the peer failed", repeats("vegeta", nil, 100), repeats("wrk", func(r *result.Repeat) {
			r.Gates = result.Gates{Verdict: result.Invalid, Reasons: []result.Reason{{Gate: result.GateErrors, Text: "errors: timeout 3"}}}
		}, 100), "unmeasured", "wrk: errors: timeout 3", false},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			rows := Rows(stats.Cells(&result.Run{}, append(tt.ours, tt.peer...)))
			if len(rows) != 1 {
				t.Fatalf("%d rows", len(rows))
			}
			r := rows[0]
			if Checked(rows) != (tt.want != "unmeasured") {
				t.Errorf("checked: %v", Checked(rows))
			}
			if r.Word() != tt.want || r.Failed() != tt.failed || !strings.Contains(strings.Join(r.Reasons, "\n"), tt.because) || (tt.because == "") != (r.Reasons == nil) {
				t.Errorf("%s, failed %v, %q; want %s because %q", r.Word(), r.Failed(), r.Reasons, tt.want, tt.because)
			}
		})
	}
}

func TestRowsPairWhatIsAsked(t *testing.T) {
	a, b := repeats("vegeta", nil, 100), repeats("wrk", nil, 100)
	b[0].Clients = 17
	if rows := Rows(stats.Cells(&result.Run{}, append(a, b...))); len(rows) != 0 {
		t.Errorf("16 clients are paired with 17: %+v", rows)
	}
	b = repeats("wrk, connection per request", nil, 100)
	if rows := Rows(stats.Cells(&result.Run{}, append(a, b...))); len(rows) != 0 {
		t.Errorf("cells of two settings are paired: %+v", rows)
	}
	a = repeats("vegeta, connection per request", nil, 100)
	if rows := Rows(stats.Cells(&result.Run{}, append(a, b...))); len(rows) != 1 || rows[0].Generator != "wrk" {
		t.Errorf("cells of one setting are not paired: %+v", rows)
	}
}

func TestWrite(t *testing.T) {
	rows := Rows(stats.Cells(&result.Run{}, append(repeats("vegeta", nil, 80_000, 81_000, 82_000), repeats("wrk-same", nil, 100_000, 100_000, 100_000)...)))
	var b strings.Builder
	if err := Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"81.0k", "100k", "0.810", "0.800 – 0.820", "16 : 16", "DISAGREE", "wrk starts a request's clock", "of 1 pairs: 1 disagree"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
	b.Reset()
	if err := Write(&b, nil); err != nil || !strings.Contains(b.String(), "nothing to compare") {
		t.Errorf("err %v\n%s", err, &b)
	}
}
