package result

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRecordsThatCannotBe(t *testing.T) {
	good := func() *Repeat {
		return &Repeat{Key: Key{Model: "thread", Clients: 10}, Response: &Latency{}, Mix: []MixPart{{}, {}}}
	}
	for _, tt := range []struct {
		why    string
		change func(*Repeat)
		want   string
	}{
		{"as it is", func(*Repeat) {}, ""},
		{"a worker ended, and its CPU time with it", func(r *Repeat) { r.Server.CPUUserSec = -0.5 }, ""},
		{"throughput fell", func(r *Repeat) { r.Drift.Change, r.CarriedSec = -0.5, -1 }, ""},
		{"of no model", func(r *Repeat) { r.Model = "" }, "line 1: model: is missing"},
		{"clients below none", func(r *Repeat) { r.Clients = -5 }, "line 1: clients: is -5; allowed: 0 to 1e+15"},
		{"a throughput whose square is infinite", func(r *Repeat) { r.ThroughputRPS = 1e300 }, "line 1: throughput_rps: is 1e+300"},
		{"an answer before its request", func(r *Repeat) { r.Service.P99 = -1 }, "line 1: service_sec.p99: is -1"},
		{"one before it was due", func(r *Repeat) { r.Response.Max = -1 }, "line 1: response_sec.max: is -1"},
		{"one of a kind", func(r *Repeat) { r.Mix[1].Service.Mean = -1 }, "line 1: kinds[1].service_sec.mean: is -1"},
		{"less than no memory", func(r *Repeat) { r.Server.PSSBytes = -1 }, "line 1: server.pss_bytes: is -1"},
	} {
		r := good()
		tt.change(r)
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		_, err = DecodeLines[Repeat](strings.NewReader(string(line) + "\n"))
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.why, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want %q", tt.why, err, tt.want)
		}
	}
	if _, err := DecodeLines[Repeat](strings.NewReader("null\n")); err == nil {
		t.Error("null is taken for a repeat")
	}
}
