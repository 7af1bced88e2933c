package plan

import (
	"slices"
	"strings"
	"testing"

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
			`c.yaml:1:1: is a list; a mapping of keys and values is wanted`,
			`c.yaml:1:1: clients: is missing; it needs at least one entry`,
			`c.yaml:1:1: models: is missing; it needs at least one entry`,
			`c.yaml:1:1: workloads: is missing; it needs at least one entry`,
		}},
		{"an unknown key is named with those that are known", good + "client: 5\n", []string{
			`c.yaml:15:1: client: unknown key; allowed: clients, commands, connect_rate, duration, generator, loop, models, ratios, repeats, seed, title, warmup, workloads`,
		}},
		{"a key that is there twice", good + "seed: 8\n", []string{`c.yaml:15:1: not YAML: mapping key "seed" already defined at [14:1]`}},
		{"zero clients", strings.Replace(good, "[10,", "[0,", 1), []string{`c.yaml:10:11: clients[0]: is 0; allowed: a whole number from 1 to 10000000`}},
		{"half a client", strings.Replace(good, "[10,", "[1.5,", 1), []string{`c.yaml:10:11: clients[0]: is 1.5; allowed: a whole number from 1 to 10000000`}},
		{"a word for a number", strings.Replace(good, "[10,", "[ten,", 1), []string{`c.yaml:10:11: clients[0]: is "ten"; allowed: a whole number from 1 to 10000000`}},
		{"a number for a list", strings.Replace(good, "[10, 1_000]", "10", 1), []string{`c.yaml:10:10: clients: is 10; a list is wanted`}},
		{"an empty list", strings.Replace(good, "[10, 1_000]", "[]", 1), []string{`c.yaml:10:10: clients: is empty; it needs at least one entry`}},
		{"the same tier twice", strings.Replace(good, "1_000", "10", 1), []string{`c.yaml:10:15: clients[1]: 10 is there already, as clients[0]`}},
		{"a duration without a unit", strings.Replace(good, "1.5s", "2", 1), []string{`c.yaml:12:11: duration: is 2; allowed: a duration from 100ms to 1h0m0s, such as 500ms or 2s`}},
		{"a negative duration", strings.Replace(good, "1.5s", "-2s", 1), []string{`c.yaml:12:11: duration: is "-2s"; allowed: a duration from 100ms to 1h0m0s, such as 500ms or 2s`}},
		{"no repeats", strings.Replace(good, "repeats: 2", "repeats: 0", 1), []string{`c.yaml:13:10: repeats: is 0; allowed: a whole number from 1 to 1000`}},
		{"a loop that is not there", good + "loop: open\n", []string{`c.yaml:15:7: loop: "open" is not allowed; allowed: closed`}},
		{"a workload of the other protocol", strings.Replace(good, "workload: plaintext", "workload: get", 1), []string{`c.yaml:6:15: workloads[0].workload: "get" is no workload over http; allowed: plaintext, echo, idle`}},
		{"a payload where none is sent", strings.Replace(good, "workload: plaintext", "workload: plaintext\n    payload_bytes: 5", 1), []string{`c.yaml:7:20: workloads[0].payload_bytes: http/plaintext sends no payload; only echo does`}},
		{"a workload without its protocol", strings.Replace(good, "  - protocol: http\n    workload", "  - workload", 1), []string{`c.yaml:5:5: workloads[0].protocol: is missing; allowed: http, echo`}},
		{"several mistakes are all reported, in the order of the file", strings.NewReplacer("[10,", "[0,", "seed: 7", "seed: x").Replace(good), []string{
			`c.yaml:10:11: clients[0]: is 0; allowed: a whole number from 1 to 10000000`,
			`c.yaml:14:7: seed: is "x"; allowed: a whole number from 0 to 9007199254740992`,
		}},
		{"a model that nobody knows", strings.Replace(good, "[thread,", "[threads,", 1), []string{`c.yaml:3:10: models[0]: "threads" is neither built in nor among commands; allowed: eventloop, prefork, thread`}},
		{"a tier above what the host can hold", strings.Replace(good, "1_000", "20_000", 1), []string{`c.yaml:10:15: clients[1]: 20000 is more than this host can hold; allowed: 1 to 19744 (descriptors)`}},
		{"a command under a built-in name", good + "commands:\n  thread:\n    run: [x]\n", []string{`c.yaml:17:5: commands.thread: is the name of a built-in model; give the server another`}},
		{"a command without arguments", good + "commands:\n  nginx:\n    doc: x\n", []string{`c.yaml:17:5: commands.nginx.run: is missing; it is the argument list of the server`}},
		{"a misspelt placeholder", good + "commands:\n  nginx:\n    run: [nginx, \"{adr}\"]\n", []string{`c.yaml:17:18: commands.nginx.run[1]: {adr} is nothing that is filled in; allowed: {addr}, {host}, {port}, {protocol}, {cpus}`}},
		{"a ratio to what is not measured", good + "ratios:\n  - {model: thread, peer: nginx, metric: throughput}\n", []string{`c.yaml:16:27: ratios[0].peer: "nginx" is not measured; allowed: thread, eventloop`}},
		{"wrk speaks only HTTP", good + "generator: wrk\n", []string{`c.yaml:7:5: workloads[1]: wrk cannot do echo/echo; allowed: http/plaintext`}},
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
	if p.Config.Name != "c" || p.Config.Warmup != 0 || p.Config.Seed != 7 {
		t.Errorf("config is %+v", p.Config)
	}
	var got []string
	for _, k := range p.Cells {
		got = append(got, k.String())
	}
	want := []string{
		"thread http/plaintext closed clients=10", "eventloop http/plaintext closed clients=10",
		"thread http/plaintext closed clients=1000", "eventloop http/plaintext closed clients=1000",
		"thread echo/echo closed clients=10", "eventloop echo/echo closed clients=10",
		"thread echo/echo closed clients=1000", "eventloop echo/echo closed clients=1000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
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
			order = append(order, s.String())
			if s.Workload.Protocol != s.Protocol || s.Workload.Workload != s.Key.Workload {
				t.Errorf("step %v has the workload %v", s.Key, s.Workload)
			}
		}
		orders[strings.Join(order, "\n")] = true
	}
	if len(orders) != 2 {
		t.Error("both rounds have the same order")
	}
	if !slices.Equal(steps, mustPlan(t, good).Steps()) {
		t.Error("the same seed gave another order")
	}
	if slices.Equal(steps, mustPlan(t, strings.Replace(good, "seed: 7", "seed: 8", 1)).Steps()) {
		t.Error("another seed gave the same order")
	}
}

func TestACommandIsMeasuredOnlyOverItsProtocols(t *testing.T) {
	p := mustPlan(t, strings.Replace(good, "[thread,", "[nginx,", 1)+"commands:\n  nginx:\n    run: [nginx]\n    protocols: [http]\n")
	for _, k := range p.Cells {
		if k.Model == "nginx" && k.Protocol != "http" {
			t.Errorf("nginx is asked for %v", k)
		}
	}
	p.Without(map[string]string{"nginx": "not installed"})
	if slices.ContainsFunc(p.Cells, func(k result.Key) bool { return k.Model == "nginx" }) || len(p.Cells) == 0 {
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
		if p, err := Make(cfg, builtin, limit); err == nil && len(p.Steps()) != len(p.Cells)*cfg.Repeats {
			t.Errorf("%d steps for %d cells", len(p.Steps()), len(p.Cells))
		}
	})
}
