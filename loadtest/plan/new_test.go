package plan

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// ignoreSource compares the values of configs, not the text that they were read from.
var ignoreSource = cmp.Options{cmpopts.IgnoreUnexported(Config{}, Experiment{}), cmpopts.IgnoreFields(Config{}, "File", "Text")}

// Every config of the project stays the same when New makes it from its values, and
// when the text that New wrote is parsed again.
func TestNewSaysAllThatAFileSays(t *testing.T) {
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("configs %v, err %v", files, err)
	}
	configs := map[string]*Config{}
	for _, file := range files {
		if configs[file], err = Read(file); err != nil {
			t.Fatal(err)
		}
	}
	if configs["other"], err = Parse("other.yaml", []byte(everything)); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range configs {
		made, err := New(*cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(cfg, made, ignoreSource); diff != "" {
			t.Errorf("%s: made of its values, it is another (-file +made):\n%s", name, diff)
		}
		read, err := Parse(made.Name+".yaml", []byte(made.Text))
		if err != nil {
			t.Errorf("%s: %v in\n%s", name, err, made.Text)
			continue
		}
		if diff := cmp.Diff(made, read, ignoreSource); diff != "" {
			t.Errorf("%s: its text is that of another (-made +read):\n%s", name, diff)
		}
	}
}

// Values that the configs of the project do not use.
const everything = `
title: "a: title # with 'quotes'"
models: [mine]
commands:
  mine: {doc: "7", run: [./mine, "{addr}", "--name=a b", "true", ""], closes_each: true, protocols: [http], box: {cpus: 0.25}}
workloads:
  - {protocol: http, mix: [{workload: wait, time: 20ms}, {workload: block, time: 1s, clients: 2}]}
clients: [3]
loop: [closed, open]
rate: 7%
shape: {kind: sine, amplitude: 6.5%, period: 1.5s}
active: 29%
box: {memory: 1.5GiB, cpus: 2}
setting: "0012"
connect_rate: 1000000
ratios: [{model: mine, peer: mine, metric: p99, setting: x, at_least: 0.001, at_most: 2500000.5}]
slo: [{p99: 1.234567ms, errors: 0.07%, throughput: 1234567/s, memory: 1.5GiB}]
trials: [{name: t, run: [x], variants: [a], increments: 3, workers: 4, repeats: 5}]
`

func TestNewHasTheRulesOfAFile(t *testing.T) {
	ok := Experiment{Models: []string{"thread"}, Workloads: []Workload{Least("http")}, Clients: []int{1}, Duration: time.Second, Repeats: 1}
	for _, tt := range []struct {
		reason string
		change func(*Experiment)
		want   string
	}{
		{"a number out of its range", func(e *Experiment) { e.Clients = []int{5, 0} }, "clients[1]: is 0; allowed: a whole number from 1 to 10000000"},
		{"a number below zero", func(e *Experiment) { e.Repeats = -1 }, "repeats: is -1; allowed: a whole number from 1 to 1000"},
		{"a duration out of its range", func(e *Experiment) { e.Duration = 100 * time.Hour }, `duration: is "100h0m0s"; allowed: a duration from 100ms to 1h0m0s, such as 500ms or 2s`},
		{"nothing to ask", func(e *Experiment) { e.Workloads = nil }, "workloads: is missing; it needs at least one entry"},
		{"a workload that is not there", func(e *Experiment) { e.Workloads[0].Requests[0].Workload = "x" }, `workloads[0].workload: "x" is not a workload over http; allowed: plaintext`},
		{"a rule of several values", func(e *Experiment) { e.Loops = []string{result.Open} }, "rate: is missing; an open loop needs one"},
		{"twice the same", func(e *Experiment) { e.Clients = []int{5, 5} }, "clients[1]: 5 is already listed as clients[0]"},
	} {
		e := ok
		e.Workloads = []Workload{{Protocol: "http", Requests: []load.Request{{Workload: "plaintext"}}}}
		tt.change(&e)
		_, err := New(Config{Experiments: []*Experiment{&e}})
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: err %v\nwant %s", tt.reason, err, tt.want)
		}
	}
	cfg, err := New(Config{Name: "made", Experiments: []*Experiment{&ok}})
	if err != nil {
		t.Fatal(err)
	}
	if e := cfg.Experiments[0]; e.ConnectRate != 5000 || len(e.Loops) != 1 || len(e.Generators) != 1 {
		t.Errorf("what is not set is not as in a file: %+v", e)
	}
	if _, err := Make(cfg, nil, limit); err == nil || !strings.HasPrefix(err.Error(), `models[0]: "thread" is neither built in nor`) {
		t.Errorf("err %v", err)
	}
}

// New fills in what a file leaves out, but not in the values of its caller.
func TestNewLeavesItsArgumentAlone(t *testing.T) {
	asked := func() Config {
		return Config{
			Commands: map[string]Command{"mine": {Run: []string{"x"}}},
			Trials:   []Trial{{Name: "t", Variants: []string{"a"}}},
			SLOs:     []result.SLO{{P99Sec: 0.5}},
			Experiments: []*Experiment{{
				Models: []string{"mine"}, Clients: []int{5}, Duration: 3 * time.Second, Repeats: 1,
				Workloads: []Workload{{Protocol: "http", Requests: []load.Request{{Workload: "echo"}, {Workload: "plaintext"}}}},
				Fault:     &Fault{Kind: Leak, At: time.Second},
			}},
		}
	}
	c := asked()
	made, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asked(), c, ignoreSource); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
	e := made.Experiments[0]
	if e.Workloads[0].Requests[0].PayloadBytes != load.DefaultPayloadBytes || e.Fault.LimitMB != defaultLimit || made.Trials[0].Repeats != defaultTrialRepeats {
		t.Errorf("%+v, %+v, %+v", e.Workloads, e.Fault, made.Trials)
	}
}
