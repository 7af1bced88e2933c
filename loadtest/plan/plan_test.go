package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

var builtin = []result.Info{{Name: "prefork", Doc: "p"}, {Name: "thread", Doc: "t"}, {Name: "eventloop", Doc: "e"}}

var limit = Limit{Clients: 19744, Why: "descriptors"}

const good = `
title: A test
models: [thread, eventloop]
workloads:
  - protocol: http
    workload: plaintext
  - protocol: echo
    workload: echo
    payload_bytes: 100
clients: [10, 1_000]
warmup: 0
duration: 1.5s
repeats: 2
seed: 7
`

func TestMistakes(t *testing.T) {
	tests := []struct {
		reason string
		config string
		want   []string // every mistake, whole
	}{
		{"nothing in the file", "", []string{`c.yaml:1:1: the file is empty; it needs at least models, workloads and clients`}},
		{"only a comment", "# hello\n", []string{`c.yaml:1:1: the file is empty; it needs at least models, workloads and clients`}},
		{"not YAML", "models: [a\n", []string{`c.yaml:1:9: not YAML: sequence end token ']' not found`}},
		{"a list at the top", "- 1\n", []string{
			`c.yaml:1:1: is a list; allowed: a mapping of keys and values`,
			`c.yaml:1:1: clients: is missing; it needs at least one entry`,
			`c.yaml:1:1: models: is missing; it needs at least one entry`,
			`c.yaml:1:1: workloads: is missing; it needs at least one entry`,
		}},
		{"an unknown key is named with those that are known", good + "client: 5\n", []string{
			`c.yaml:15:1: client: unknown key; allowed: a_a, active, box, clients, commands, connect_rate, connection, cpus, duration, experiments, fault, generator, hold, loop, models, rate, ratios, repeats, requests, seed, server_args, setting, shape, slo, title, trials, warmup, workloads`,
		}},
		{"a key that is there twice", good + "seed: 8\n", []string{`c.yaml:15:1: not YAML: mapping key "seed" already defined at [14:1]`}},
		{"zero clients", strings.Replace(good, "[10,", "[0,", 1), []string{`c.yaml:10:11: clients[0]: is 0; allowed: a whole number from 1 to 10000000`}},
		{"half a client", strings.Replace(good, "[10,", "[1.5,", 1), []string{`c.yaml:10:11: clients[0]: is 1.5; allowed: a whole number from 1 to 10000000`}},
		{"a word for a number", strings.Replace(good, "[10,", "[ten,", 1), []string{`c.yaml:10:11: clients[0]: is "ten"; allowed: a whole number from 1 to 10000000`}},
		{"a number for a list", strings.Replace(good, "[10, 1_000]", "10", 1), []string{`c.yaml:10:10: clients: is 10; allowed: a list`}},
		{"an empty list", strings.Replace(good, "[10, 1_000]", "[]", 1), []string{`c.yaml:10:10: clients: is empty; it needs at least one entry`}},
		{"the same tier twice", strings.Replace(good, "1_000", "10", 1), []string{`c.yaml:10:15: clients[1]: 10 is already listed as clients[0]`}},
		{"the same model twice after one that is wrong", strings.Replace(good, "[thread, eventloop]", "[5, thread, thread]", 1), []string{
			`c.yaml:3:10: models[0]: is 5; allowed: a text`,
			`c.yaml:3:21: models[2]: thread is already listed as models[1]`,
		}},
		{"a duration without a unit", strings.Replace(good, "1.5s", "2", 1), []string{`c.yaml:12:11: duration: is 2; allowed: a duration from 100ms to 1h0m0s, such as 500ms or 2s`}},
		{"a negative duration", strings.Replace(good, "1.5s", "-2s", 1), []string{`c.yaml:12:11: duration: is "-2s"; allowed: a duration from 100ms to 1h0m0s, such as 500ms or 2s`}},
		{"no repeats", strings.Replace(good, "repeats: 2", "repeats: 0", 1), []string{`c.yaml:13:10: repeats: is 0; allowed: a whole number from 1 to 1000`}},
		{"a loop that is not there", good + "loop: half\n", []string{`c.yaml:15:7: loop: "half" is not allowed; allowed: closed, open`}},
		{"an open loop without a rate", good + "loop: open\n", []string{`c.yaml:2:1: rate: is missing; an open loop needs one, such as 500/s, 2/s per client or 70%`}},
		{"a rate without an open loop", good + "rate: 5/s\n", []string{`c.yaml:15:7: rate: is only for loop: open, or [closed, open]`}},
		{"a rate without a unit", good + "loop: open\nrate: 5\n", []string{`c.yaml:16:7: rate: is 5; allowed: a rate above 0 and up to 10000000, such as 500/s, 2/s per client, or 70% of what the closed loop reached`}},
		{"a rate of nothing", good + "loop: open\nrate: 0/s\n", []string{`c.yaml:16:7: rate: is "0/s"; allowed: a rate above 0 and up to 10000000, such as 500/s, 2/s per client, or 70% of what the closed loop reached`}},
		{"a fraction of what is not measured", good + "loop: open\nrate: 70%\n", []string{`c.yaml:16:7: rate: is a fraction of the closed loop's throughput, so loop must be [closed, open]`}},
		{"an unknown shape", good + "loop: open\nrate: 5/s\nshape: {kind: saw}\n", []string{`c.yaml:17:15: shape.kind: "saw" is not allowed; allowed: constant, steps, linear, sine`}},
		{"steps of what stays the same", good + "loop: open\nrate: 5/s\nshape: {kind: constant, steps: 4}\n", []string{`c.yaml:17:32: shape.steps: does not apply to the shape constant; it is for steps`}},
		{"a ramp to nowhere", good + "loop: open\nrate: 5/s\nshape: {kind: linear}\n", []string{`c.yaml:17:8: shape.to: is missing; the shape linear needs it`}},
		{"a sine below nothing", good + "loop: open\nrate: 5/s\nshape: {kind: sine, amplitude: 5/s, period: 1s}\n", []string{`c.yaml:17:8: shape: the amplitude 5/s must be less than the rate 5/s`}},
		{"a ramp between kinds of rate", good + "loop: open\nrate: 5/s\nshape: {kind: linear, to: 7/s per client}\n", []string{`c.yaml:17:8: shape: 7/s per client and the rate 5/s must be of the same kind: both in /s, in /s per client or in %`}},
		{"more active clients than there are", good + "active: 11\n", []string{`c.yaml:15:9: active: 11 is more than the number of clients; allowed: 1 to 10`}},
		{"active clients of no kind", good + "active: 110%\n", []string{`c.yaml:15:9: active: is "110%"; allowed: a number of clients, or a part of them above 0% and up to 100%`}},
		{"idle clients that have no connection", good + "active: 1%\nconnection: per-request\n", []string{`c.yaml:15:9: active: cannot be combined with connection: per-request; an idle client keeps its connection open`}},
		{"CPUs by name", good + "cpus: {server: first}\n", []string{`c.yaml:15:16: cpus.server: is "first"; allowed: numbers of CPUs, such as "0-3,8"`}},
		{"CPUs in words", good + "cpus: split\n", []string{`c.yaml:15:7: cpus: is "split"; allowed: shared, or the sets {server: "0", generator: "1"}`}},
		{"a wait without its time", strings.Replace(good, "workload: plaintext", "workload: wait", 1), []string{`c.yaml:5:5: workloads[0].time: is missing; http/wait takes a time, such as 50ms`}},
		{"a time where none is taken", strings.Replace(good, "workload: plaintext", "workload: plaintext\n    time: 5ms", 1), []string{`c.yaml:7:11: workloads[0].time: http/plaintext takes no time; only wait, block, cpu do`}},
		{"a wait of half a millisecond", strings.Replace(good, "workload: plaintext", "workload: wait\n    time: 500us", 1), []string{`c.yaml:7:11: workloads[0].time: 500µs is not a multiple of 1ms`}},
		{"a mix of one", strings.Replace(good, "workload: plaintext", "mix: [{workload: plaintext}]", 1), []string{`c.yaml:6:10: workloads[0].mix: needs at least two entries`}},
		{"a mix and a workload", strings.Replace(good, "workload: plaintext", "workload: plaintext\n    mix: [{workload: plaintext}]", 1), []string{`c.yaml:7:10: workloads[0].mix: cannot be combined with workload, payload_bytes, time, weight or clients`}},
		{"a mix by clients whose first has a number too", strings.Replace(good, "workload: plaintext", "mix: [{workload: plaintext, clients: 1}, {workload: cpu, time: 5ms, clients: 1}]", 1), []string{`c.yaml:6:42: workloads[0].mix[0].clients: the first entry takes no number: all clients that no other entry counts ask for it`}},
		{"a mix half by clients", strings.Replace(good, "workload: plaintext", "mix: [{workload: plaintext}, {workload: echo}, {workload: cpu, time: 5ms, clients: 1}]", 1), []string{`c.yaml:6:34: workloads[0].mix[1].clients: is missing; in a mix by clients each entry but the first needs a number of clients`}},
		{"a mix by clients and by weight", strings.Replace(good, "workload: plaintext", "mix: [{workload: plaintext, weight: 9}, {workload: cpu, time: 5ms, clients: 1}]", 1), []string{`c.yaml:6:41: workloads[0].mix[0].weight: does not apply to a mix by clients`}},
		{"a mix that leaves no client for its first", strings.Replace(good, "workload: plaintext", "mix: [{workload: plaintext}, {workload: cpu, time: 5ms, clients: 10}]", 1), []string{`c.yaml:5:5: workloads[0]: its mix gives 10 clients a request of their own, which leaves none of the 10 clients for the first request; allowed: up to 9`}},
		{"clients of a workload that is no mix", strings.Replace(good, "workload: plaintext", "workload: plaintext\n    clients: 1", 1), []string{`c.yaml:7:14: workloads[0].clients: is only for the entries of a mix; the number of clients of a whole workload is set by the experiment's clients`}},
		{"a fault of no kind", good + "fault: {at: 500ms}\n", []string{`c.yaml:15:8: fault.kind: is missing; allowed: kill, stop, crashes, panic, recovered-panic, fatal, leak, descriptors`}},
		{"a fault that nobody knows", good + "fault: {kind: hang, at: 500ms}\n", []string{`c.yaml:15:15: fault.kind: "hang" is not allowed; allowed: kill, stop, crashes, panic, recovered-panic, fatal, leak, descriptors`}},
		{"a fault without its time", good + "fault: {kind: kill}\n", []string{`c.yaml:15:8: fault.at: is missing; the fault kill needs it`}},
		{"a fault with nothing before it", good + "fault: {kind: kill, at: 100ms}\n", []string{`c.yaml:15:25: fault.at: is "100ms"; allowed: a duration from 500ms to 1h0m0s, such as 500ms or 2s`}},
		{"a stop without an end", good + "fault: {kind: stop, at: 500ms}\n", []string{`c.yaml:15:8: fault.until: is missing; the fault stop needs it`}},
		{"descriptors that are never given back", good + "fault: {kind: descriptors, at: 500ms}\n", []string{`c.yaml:15:8: fault.until: is missing; the fault descriptors needs it`}},
		{"a stop that ends before it begins", good + "fault: {kind: stop, at: 900ms, until: 800ms}\n", []string{`c.yaml:15:39: fault.until: 800ms is not after the 900ms of at`}},
		{"a kill with an end", good + "fault: {kind: kill, at: 500ms, until: 800ms}\n", []string{`c.yaml:15:39: fault.until: does not apply to the fault kill; it is for stop, crashes, descriptors`}},
		{"crashes without their number", good + "fault: {kind: crashes, at: 500ms}\n", []string{`c.yaml:15:8: fault.times: is missing; the fault crashes needs it`}},
		{"a kill of so many megabytes", good + "fault: {kind: kill, at: 500ms, mb: 5}\n", []string{`c.yaml:15:36: fault.mb: does not apply to the fault kill; it is for leak`}},
		{"a fault with no time to recover", good + "fault: {kind: kill, at: 600ms}\n", []string{`c.yaml:15:8: fault: ends at 600ms of a window of 1.5s; allowed: up to 1s before the end of the window, to leave time to recover`}},
		{"a panic over raw echo", good + "fault: {kind: panic, at: 500ms}\n", []string{`c.yaml:15:8: fault: panic is injected by an HTTP request, so all workloads must be over http; allowed over echo: kill, stop, crashes`}},
		{"a fault in an open loop", good + "fault: {kind: kill, at: 500ms}\nloop: open\nrate: 5/s\n", []string{`c.yaml:15:8: fault: is only for loop: closed`}},
		{"a fault of what only holds", strings.Replace(good, "workload: plaintext", "workload: idle", 1) + "fault: {kind: kill, at: 500ms}\n", []string{`c.yaml:15:8: fault: cannot be combined with the workload idle, which sends no requests`}},
		{"a hold of nothing idle", good + "hold: 60s\n", []string{`c.yaml:15:7: hold: is only for the workload idle`}},
		{"a trial of nothing", good + "trials: [{variants: [a]}]\n", []string{`c.yaml:15:10: trials[0].name: is missing; it tells the program which trial to run`}},
		{"a trial in no way", good + "trials: [{name: increment}]\n", []string{`c.yaml:15:10: trials[0].variants: is missing; it needs at least one entry`}},
		{"a trial in one way twice", good + "trials: [{name: increment, variants: [a, b, a]}]\n", []string{`c.yaml:15:45: trials[0].variants[2]: a is already listed as trials[0].variants[0]`}},
		{"a trial that is there twice", good + "trials: [{name: i, variants: [a]}, {name: i, variants: [b]}]\n", []string{`c.yaml:15:43: trials[1].name: i is already listed as trials[0]`}},
		{"a trial of no increments", good + "trials: [{name: i, variants: [a], increments: 0}]\n", []string{`c.yaml:15:47: trials[0].increments: is 0; allowed: a whole number from 1 to 1000000000`}},
		{"a trial's unknown key", good + "trials: [{name: i, variants: [a], threads: 2}]\n", []string{`c.yaml:15:35: trials[0].threads: unknown key; allowed: increments, name, repeats, run, variants, workers`}},
		{"an A/A run of words", good + "a_a: twice\n", []string{`c.yaml:15:6: a_a: is "twice"; allowed: true, false`}},
		{"an experiment without a name", good + "experiments: [{clients: [5]}]\n", []string{`c.yaml:15:15: experiments[0].name: is missing; reports show the experiment under this name`}},
		{"an experiment's own mistakes", good + "experiments:\n  - name: a\n    models: [threads]\n", []string{`c.yaml:17:14: experiments[0].models[0]: "threads" is neither built in nor among commands; allowed: eventloop, prefork, thread`}},
		{"two experiments with the same cells", good + "experiments: [{name: a}, {name: b}]\n", []string{`c.yaml:15:26: experiments[1].setting: thread http/plaintext closed clients=10 is also a cell of experiments[0]; give one of the two a setting`}},
		{"wrk2 in a closed loop", strings.Replace(good, "  - protocol: echo\n    workload: echo\n    payload_bytes: 100\n", "", 1) + "generator: wrk2\n", []string{`c.yaml:12:12: generator: wrk2 cannot do a closed loop; allowed: vegeta`}},
		{"wrk2 with a rate that rises", strings.Replace(good, "  - protocol: echo\n    workload: echo\n    payload_bytes: 100\n", "", 1) + "generator: wrk2\nloop: open\nrate: 5/s\nshape: {kind: linear, to: 7/s}\n", []string{`c.yaml:12:12: generator: wrk2 cannot do a shape; allowed: vegeta`}},
		{"an objective without a bound", good + "slo: [{model: thread}]\n", []string{`c.yaml:15:7: slo[0]: has no bound; allowed: p99, errors, throughput, memory`}},
		{"objectives without units", good + "slo: [{p99: 5, errors: 0.1, throughput: 500, memory: 5MB}]\n", []string{
			`c.yaml:15:13: slo[0].p99: is 5; allowed: a duration from 1µs to 1h0m0s, such as 500ms or 2s`,
			`c.yaml:15:24: slo[0].errors: is 0.1; allowed: a part of the requests, from 0% to 100%`,
			`c.yaml:15:41: slo[0].throughput: is 500; allowed: a rate up to 10000000/s, such as 500/s`,
			`c.yaml:15:54: slo[0].memory: is "5MB"; allowed: a size, such as 512MiB or 2GiB`,
		}},
		{"an objective of a cell that is not measured", good + "slo: [{p99: 5ms, clients: 11}]\n", []string{`c.yaml:15:7: slo[0]: matches no cell of the plan; check its model, protocol, workload, clients, loop and setting`}},
		{"wrk in an open loop", strings.Replace(good, "  - protocol: echo\n    workload: echo\n    payload_bytes: 100\n", "", 1) + "generator: [vegeta, wrk]\nloop: open\nrate: 5/s\n", []string{`c.yaml:12:21: generator[1]: wrk cannot do an open loop; allowed: vegeta`}},
		{"a workload of the other protocol", strings.Replace(good, "workload: plaintext", "workload: get", 1), []string{`c.yaml:6:15: workloads[0].workload: "get" is not a workload over http; allowed: ` + strings.Join(load.Workloads.Over("http").Names(), ", ")}},
		{"a payload where none is sent", strings.Replace(good, "workload: plaintext", "workload: plaintext\n    payload_bytes: 5", 1), []string{`c.yaml:7:20: workloads[0].payload_bytes: http/plaintext sends no payload; only echo does`}},
		{"a workload without its protocol", strings.Replace(good, "  - protocol: http\n    workload", "  - workload", 1), []string{`c.yaml:5:5: workloads[0].protocol: is missing; allowed: http, echo`}},
		{"several mistakes are all reported, in the order of the file", strings.NewReplacer("[10,", "[0,", "seed: 7", "seed: x").Replace(good), []string{
			`c.yaml:10:11: clients[0]: is 0; allowed: a whole number from 1 to 10000000`,
			`c.yaml:14:7: seed: is "x"; allowed: a whole number from 0 to 9007199254740992`,
		}},
		{"a model that nobody knows", strings.Replace(good, "[thread,", "[threads,", 1), []string{`c.yaml:3:10: models[0]: "threads" is neither built in nor among commands; allowed: eventloop, prefork, thread`}},
		{"a tier above what the host can hold", strings.Replace(good, "1_000", "20_000", 1), []string{`c.yaml:10:15: clients[1]: 20000 is more than this host can hold; allowed: 1 to 19744 (descriptors)`}},
		{"a command under a built-in name", good + "commands:\n  thread:\n    run: [x]\n", []string{`c.yaml:17:5: commands.thread: is the name of a built-in model; choose another name`}},
		{"a command without arguments", good + "commands:\n  nginx:\n    doc: x\n", []string{`c.yaml:17:5: commands.nginx.run: is missing; it is the argument list of the server`}},
		{"a misspelt placeholder", good + "commands:\n  nginx:\n    run: [nginx, \"{adr}\"]\n", []string{`c.yaml:17:18: commands.nginx.run[1]: unknown placeholder {adr}; allowed: {addr}, {host}, {port}, {protocol}, {cpus}`}},
		{"a ratio to what is not measured", good + "ratios:\n  - {model: thread, peer: nginx, metric: throughput}\n", []string{`c.yaml:16:27: ratios[0].peer: "nginx" is not measured; allowed: thread, eventloop`}},
		{"wrk speaks only HTTP", good + "generator: wrk\n", []string{`c.yaml:7:5: workloads[1]: wrk cannot do echo/echo-100B; allowed: ` + load.Workloads.Where(func(w load.Workload) bool { return w.DrivenBy(load.Wrk) }).String()}}, // and the payload is part of the name
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			cfg, err := Parse("c.yaml", []byte(tt.config))
			if err == nil {
				_, err = Make(cfg, builtin, limit)
			}
			if err == nil {
				t.Fatalf("no mistake found, want %q", tt.want)
			}
			got := strings.Split(err.Error(), "\n")
			slices.Sort(got)
			want := slices.Sorted(slices.Values(tt.want))
			if !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func mustPlan(t *testing.T, text string) *Plan {
	t.Helper()
	cfg, err := Parse("dir/c.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Make(cfg, builtin, limit)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCellsFollowTheConfig(t *testing.T) {
	p := mustPlan(t, good)
	if p.Config.Name != "c" || p.Config.Experiments[0].Warmup != 0 || p.Config.Seed != 7 {
		t.Errorf("config is %+v", p.Config)
	}
	var got []string
	for _, k := range p.Keys() {
		got = append(got, k.String())
	}
	want := []string{
		"thread http/plaintext closed clients=10", "eventloop http/plaintext closed clients=10",
		"thread http/plaintext closed clients=1000", "eventloop http/plaintext closed clients=1000",
		"thread echo/echo-100B closed clients=10", "eventloop echo/echo-100B closed clients=10",
		"thread echo/echo-100B closed clients=1000", "eventloop echo/echo-100B closed clients=1000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func order(steps []Step) (keys []string) {
	for _, s := range steps {
		keys = append(keys, fmt.Sprint(s.Key, s.Repeat))
	}
	return keys
}

func TestStepsAreInterleavedAndReproducible(t *testing.T) {
	p := mustPlan(t, good)
	steps := p.Steps()
	n := len(p.Cells)
	if len(steps) != 2*n {
		t.Fatalf("%d steps for %d cells and 2 repeats", len(steps), n)
	}
	orders := map[string]bool{}
	for r := range 2 {
		seen := map[result.Key]bool{}
		var order []string
		for i := 0; i < n; i += 2 { // two models a tier
			a, b := steps[r*n+i].Key, steps[r*n+i+1].Key
			if a.Model = b.Model; a != b {
				t.Errorf("the models of a tier are apart: %v, %v", steps[r*n+i].Key, b)
			}
		}
		for _, s := range steps[r*n : (r+1)*n] {
			if s.Repeat != r+1 || seen[s.Key] {
				t.Errorf("round %d has repeat %d of %v", r+1, s.Repeat, s.Key)
			}
			seen[s.Key] = true
			order = append(order, s.Key.String())
			if s.Workload.Protocol != s.Key.Protocol || s.Workload.Name() != s.Key.Workload {
				t.Errorf("step %v has the workload %v", s.Key, s.Workload)
			}
		}
		orders[strings.Join(order, "\n")] = true
	}
	if len(orders) != 2 {
		t.Error("both rounds have the same order")
	}
	if !slices.Equal(order(steps), order(mustPlan(t, good).Steps())) {
		t.Error("the same seed gave another order")
	}
	if slices.Equal(order(steps), order(mustPlan(t, strings.Replace(good, "seed: 7", "seed: 8", 1)).Steps())) {
		t.Error("another seed gave the same order")
	}
}

func TestOpenLoopsAndSettings(t *testing.T) {
	p := mustPlan(t, `
models: [thread]
workloads:
  - protocol: http
    mix: [{workload: echo, weight: 99}, {workload: block, time: 100ms}]
clients: [10, 200]
loop: [open, closed]
rate: 70%
experiments:
  - name: ramp
    rate: 2/s per client
    shape: {kind: linear, to: 4/s per client}
    active: 10%
    clients: [100]
    loop: open
  - name: pinned
    cpus: {server: 0, generator: "1-3"}
    server_args: [--offload]
    clients: [10]
`)
	want := []string{
		"thread http/echo+1%block-100ms open clients=100 rate=2/s-per-client,-linear-to-4/s-per-client (active 10%)",
		"thread http/echo+1%block-100ms closed clients=10 (offload, server cpus 0, generator cpus 1-3)",
		"thread http/echo+1%block-100ms open clients=10 rate=70% (offload, server cpus 0, generator cpus 1-3)",
	}
	var got []string
	for _, k := range p.Keys() {
		got = append(got, k.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if w := p.Cells[0].Work(0); w.Pace.Rate != 200 || w.Pace.To != 400 || p.Cells[0].Population().Active != 10 {
		t.Errorf("work %+v by %+v", w, p.Cells[0].Population())
	}
	if w := p.Cells[2].Work(1000); w.Pace.Rate != 700 || p.Cells[2].Closed() != p.Cells[1].Key {
		t.Errorf("work %+v, closed %v", w, p.Cells[2].Closed())
	}
	if s := p.Steps(); len(s) != 9 || p.Cells[2].Experiment.Clients[0] != 10 {
		t.Errorf("%d steps", len(s))
	}
}

func TestAMixByClientsIsNamedByThem(t *testing.T) {
	p := mustPlan(t, `
models: [thread]
workloads:
  - protocol: http
    mix: [{workload: plaintext}, {workload: cpu, time: 5ms, clients: 1}, {workload: echo, payload_bytes: 100, clients: 3}]
clients: [10]
`)
	if c := p.Cells[0]; c.Key.Workload != "plaintext+1xcpu-5ms+3xecho-100B" || !c.Workload.ByClients() {
		t.Errorf("%+v", c)
	}
}

func TestBoxesAreSettings(t *testing.T) {
	text := `
models: [thread, mine]
commands: {mine: {run: [x], box: {memory: 1GiB}}}
workloads: [{protocol: http, workload: plaintext}]
clients: [1]
box: {memory: 64MiB, cpus: 1}
experiments:
  - {name: small}
  - {name: large, box: {cpus: 0.5}, models: [thread]}
`
	settings := func(cfg *Config) (all []string) {
		p, err := Make(cfg, []result.Info{{Name: "thread"}}, Limit{Clients: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range p.Keys() {
			all = append(all, k.Model+" "+k.Setting.String())
		}
		return all
	}
	cfg, err := Parse("c.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := settings(cfg), []string{"thread box 64MiB,1", "mine box 1GiB", "thread box 0.5"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := cfg.WithBox(result.Limits{CPUs: 1}); err == nil || !strings.Contains(err.Error(), "the config has a box already") {
		t.Errorf("err %v", err)
	}
	plain, err := Parse("c.yaml", []byte("models: [thread]\nworkloads: [{protocol: http, workload: plaintext}]\nclients: [1] # no line feed"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []result.Limits{{MemoryBytes: 64 << 20, CPUs: 1}, {MemoryBytes: 1<<20 + 1}, {CPUs: 0.25}} {
		cfg, err := plain.WithBox(l)
		if err != nil {
			t.Fatal(err)
		}
		// A run is resumed from its text.
		again, err := Parse("c.yaml", []byte(cfg.Text))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := settings(again), []string{"thread box " + l.String()}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestFaultsAreSettings(t *testing.T) {
	p := mustPlan(t, `
models: [thread]
workloads: [{protocol: http, workload: plaintext}]
clients: [10]
duration: 4s
experiments:
  - {name: a, fault: {kind: crashes, at: 1s, times: 3}}
  - {name: b, fault: {kind: stop, at: 1s, until: 2s}, server_args: [--x], setting: fault stop}
  - {name: c, fault: {kind: leak, at: 1s, mb: 9}, server_args: [--x]}
`)
	var settings []string
	for _, c := range p.Cells {
		settings = append(settings, c.Key.Setting.String())
	}
	if want := []string{"fault crashes", "fault stop", "x, fault leak"}; !slices.Equal(settings, want) {
		t.Errorf("settings %q, want %q", settings, want)
	}
	if f := p.Cells[0].Experiment.Fault; f.Until != 1600*time.Millisecond || f.HTTP() {
		t.Errorf("%+v: three kills take two pauses", f)
	}
	if f := p.Cells[2].Experiment.Fault; f.LeakMB != 9 || f.LimitMB != defaultLimit || !f.HTTP() {
		t.Errorf("%+v", f)
	}
	// Only a stop leaves clients without an answer while their connections last.
	if a, b := p.Cells[0].Work(0).Fault, p.Cells[1].Work(0).Fault; *a != (load.Fault{At: time.Second}) || *b != (load.Fault{At: time.Second, Until: 2 * time.Second}) {
		t.Errorf("%+v, %+v", a, b)
	}
}

func TestIdleClientsAreHeldAsLongAsIsSaid(t *testing.T) {
	p := mustPlan(t, strings.Replace(good, "workload: plaintext", "workload: idle", 1)+"hold: 60s\n")
	for _, c := range p.Cells {
		want := 1500 * time.Millisecond
		if c.Key.Workload == result.Idle {
			want = time.Minute
		}
		if w := c.Work(0); w.Length != want {
			t.Errorf("%v takes %v", c.Key, w.Length)
		}
		if e := (Step{Cell: &c}).Estimate(); e < want || e > want+2*time.Second {
			t.Errorf("%v is estimated to take %v", c.Key, e)
		}
	}
}

func TestMoreRepeatsAreNotOfWhatIsHeld(t *testing.T) {
	cfg, err := Parse("c.yaml", []byte(good+`
trials: [{name: increment, variants: [mutex], repeats: 3}]
experiments:
  - {name: a}
  - {name: b, clients: [5], repeats: 9}
  - {name: c, workloads: [{protocol: echo, workload: idle}], hold: 60s, setting: held}
`))
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.AtLeast(4); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{4, 9, 2} {
		if n := cfg.Experiments[i].Repeats; n != want {
			t.Errorf("experiment %d: %d repeats, want %d", i, n, want)
		}
	}
	if n := cfg.Trials[0].Repeats; n != 4 {
		t.Errorf("%d repeats of the trial", n)
	}
}

func TestACellIsMeasuredTwiceAtOnce(t *testing.T) {
	p := mustPlan(t, strings.Replace(good, "repeats: 2", "repeats: 20", 1)+"a_a: true\nloop: [closed, open]\nrate: 70%\nsetting: s\n")
	if n := len(p.Cells); n != 2*2*2*2*2 {
		t.Fatalf("%d cells", n)
	}
	steps := p.Steps()
	first := 0
	for i := 0; i < len(steps); i += 4 {
		// Closed and open of the one, then of the other.
		a, b := steps[i], steps[i+2]
		if a.Key.Setting.AA {
			first++
			a, b = b, a
		}
		if a.Key.Setting.String() != "s" || b.Key.Setting.String() != "s, A/A" {
			t.Fatalf("%v is followed by %v", a.Key, b.Key)
		}
		plain := a.Key
		if plain.Setting = b.Key.Setting; plain != b.Key || steps[i].Key.Loop != result.Closed || steps[i+1].Key.Loop != result.Open {
			t.Fatalf("%v, %v and %v follow each other", a.Key, b.Key, steps[i+1].Key)
		}
		if steps[i+1].Closed() != steps[i].Key {
			t.Errorf("the open loop of %v goes by %v", steps[i+1].Key, steps[i].Key)
		}
	}
	if n := len(steps) / 4; first < n/4 || first > n*3/4 {
		t.Errorf("the second came first in %d of %d pairs", first, n)
	}
}

func TestTrialsAreInterleavedAndReproducible(t *testing.T) {
	const text = good + "trials: [{name: increment, variants: [mutex, atomic, flock], increments: 5, workers: 3}, {name: lost-update, variants: [none, mutex], repeats: 4}]\n"
	steps := mustPlan(t, text).TrialSteps()
	if len(steps) != 3*10+2*4 {
		t.Fatalf("%d steps", len(steps))
	}
	seen := map[string]bool{}
	for i, s := range steps {
		if i > 0 && s.Repeat < steps[i-1].Repeat {
			t.Errorf("%v comes after %v", s, steps[i-1])
		}
		seen[s.String()] = true
	}
	if len(seen) != len(steps) {
		t.Errorf("%d steps are %d different ones", len(steps), len(seen))
	}
	first := steps[0]
	if first.Name == "increment" && (first.Increments != 5 || first.Workers != 3) {
		t.Errorf("%+v", first)
	}
	again := mustPlan(t, text).TrialSteps()
	if fmt.Sprint(again) != fmt.Sprint(steps) {
		t.Error("the same seed gave another order")
	}
	if other := mustPlan(t, strings.Replace(text, "seed: 7", "seed: 8", 1)).TrialSteps(); fmt.Sprint(other) == fmt.Sprint(steps) {
		t.Error("another seed gave the same order")
	}
}

func TestACommandIsMeasuredOnlyOverItsProtocols(t *testing.T) {
	p := mustPlan(t, strings.Replace(good, "[thread,", "[nginx,", 1)+"commands:\n  nginx:\n    run: [nginx]\n    protocols: [http]\n")
	for _, k := range p.Keys() {
		if k.Model == "nginx" && k.Protocol != "http" {
			t.Errorf("nginx is asked for %v", k)
		}
	}
	p.Without(map[string]string{"nginx": "not installed"})
	if slices.ContainsFunc(p.Keys(), func(k result.Key) bool { return k.Model == "nginx" }) || len(p.Cells) == 0 {
		t.Errorf("cells without nginx: %v", p.Cells)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("models: {}\nclients: [[1]]\n")
	f.Add("ratios: [{model: a}]\ncommands: {a: {run: []}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := Parse("c.yaml", []byte(text))
		if err != nil {
			return
		}
		if p, err := Make(cfg, builtin, limit); err == nil && len(cfg.Experiments) == 1 && len(p.Steps()) != len(p.Cells)*cfg.Experiments[0].Repeats {
			t.Errorf("%d steps for %d cells", len(p.Steps()), len(p.Cells))
		}
	})
}

func TestMakeNamesTheModelThatCannotHoldTheClients(t *testing.T) {
	const text = `
models: [many, one]
workloads: [{protocol: echo, workload: echo}]
clients: [10, 300]
experiments:
  - name: both
    models: [many, one]
  - name: many only
    models: [many]
    setting: alone
`
	cfg, err := Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	limit := Limit{Clients: 1000, Of: func(m result.Info, _ *Experiment) (int64, string) {
		if m.Processes == 1 {
			return 200, "one process"
		}
		return 400, "several"
	}}
	_, err = Make(cfg, []result.Info{{Name: "many"}, {Name: "one", Processes: 1}}, limit)
	want := `f.yaml:4:15: clients[1]: 300 is more than one can hold on this host; allowed: 1 to 200 (one process)`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("err %v\nwant %s", err, want)
	}
}

func TestObjectives(t *testing.T) {
	cfg, err := Parse("c.yaml", []byte(good+`
slo:
  - {p99: 5ms, errors: 0%, throughput: 1500/s, memory: 1.5GiB}
  - {p99: 2s, model: thread, protocol: echo, workload: echo-100B, clients: 1000, loop: closed}
`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Make(cfg, builtin, limit); err != nil {
		t.Fatal(err)
	}
	if len(cfg.SLOs) != 2 {
		t.Fatalf("%d objectives", len(cfg.SLOs))
	}
	if s := cfg.SLOs[0]; s.P99Sec != 0.005 || s.Errors == nil || *s.Errors != 0 || s.ThroughputRPS != 1500 || s.MemoryBytes != 1.5*(1<<30) {
		t.Errorf("%+v", s)
	}
	if s, want := cfg.SLOs[1], (result.SLO{Model: "thread", Protocol: "echo", Workload: "echo-100B", Clients: 1000, Loop: result.Closed, P99Sec: 2}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
}

func TestPhasesAreDrawnByTheSeed(t *testing.T) {
	phases := func(text string) (out []time.Duration) {
		for _, s := range mustPlan(t, text).Steps() {
			if s.Phase < 0 || s.Phase > s.Experiment.Warmup/2 {
				t.Errorf("%v: a phase of %v, with a warm-up of %v", s.Key, s.Phase, s.Experiment.Warmup)
			}
			out = append(out, s.Phase)
		}
		return out
	}
	warm := strings.Replace(good, "warmup: 0", "warmup: 500ms", 1)
	first := phases(warm)
	if slices.Max(first) == slices.Min(first) {
		t.Errorf("all windows begin at the phase %v", first[0])
	}
	if !slices.Equal(first, phases(warm)) {
		t.Error("the same seed gave other phases")
	}
	if slices.Equal(first, phases(strings.Replace(warm, "seed: 7", "seed: 8", 1))) {
		t.Error("another seed gave the same phases")
	}
}
