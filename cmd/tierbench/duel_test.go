package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/duel"
	"github.com/tierbench/tierbench/loadtest/result"
)

func TestDuelMistakes(t *testing.T) {
	needsLinux(t)
	for _, tt := range []struct {
		why  string
		args string
		want string
	}{
		{"nobody", "", "name two servers: two models, or the commands --a and --b"},
		{"one server", "thread", "thread is one server, and not the folder of a duel"},
		{"three servers", "thread eventloop prefork", "name two servers"},
		{"one command", "--a ./old", "name two servers"},
		{"no such model", "thread bogus", `"bogus" is neither built in nor among commands`},
		{"a program that is not there", "--a=./no-such-old --b=./no-such-new", "./no-such-old: not found"},
		{"arguments of a command", "thread mine --b=./mine --b-args=-v", "--b-args is for a model that is built in, and mine is a command"},
		{"no such workload", "thread thread --workload foo", `"foo" is not a workload over http`},
		{"clients that ask for nothing", "thread thread --workload idle", "idle clients ask for nothing"},
		{"a wait without its time", "thread thread --workload wait", "http/wait takes a time, such as 50ms"},
		{"no pairs", "thread thread --pairs 0", "--pairs 0: allowed"},
		{"a turn that is too short", "thread thread --turn 1ms", "--turn 1ms: allowed: from 5ms"},
		{"a turn that is longer than all", "thread thread --turn 6s", "--turn 6s: allowed: from 5ms to the --duration, 2.5s"},
		{"a turn that is too short for its requests", "thread thread --workload wait --time 20ms", "too short for requests that take 20ms; allowed: --turn from 200ms and --warmup from 20ms"},
		{"a model that closes its connections", "thread sequential", "sequential closes each connection after an answer"},
		{"a rate of less than nothing", "thread thread --rate=-1", "--rate -1: allowed"},
		{"more clients than fit", "thread thread --clients 9000000", "is more than this host can hold"},
		{"a margin that is no fraction", "thread thread --margin x", `--margin: "x" is not a fraction`},
		{"a regression that is no fraction", "thread thread --max-regression x", `--max-regression: "x" is not a fraction`},
		{"too few pairs to find a regression", "thread thread --pairs 4 --max-regression 5%", "4 pairs decide nothing; allowed: --pairs 5 or more"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			results := t.TempDir()
			args := append([]string{"duel", "--results", results, "--server", serverProgram}, strings.Fields(tt.args)...)
			_, log, code := tierbench(t.Context(), args...)
			if code != exitUsage || !strings.Contains(log, tt.want) {
				t.Errorf("exit code %d, want %d; log %q, want %q", code, exitUsage, log, tt.want)
			}
			if made, err := filepath.Glob(filepath.Join(results, "*")); err != nil || len(made) > 0 {
				t.Errorf("it made %v, err %v", made, err)
			}
		})
	}
}

// short makes a duel of real servers short.
var short = []string{"--clients", "7", "--turn", "10ms", "--warmup", "2ms", "--duration", "100ms"}

// recordOf loads the only duel in a folder.
func recordOf(t *testing.T, results string) (dir string, d *result.Duel) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(results, "*-duel"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("%v, err %v; want one duel", dirs, err)
	}
	if d, err = result.LoadDuel(dirs[0]); err != nil {
		t.Fatal(err)
	}
	return dirs[0], d
}

// TestDuelOfServers duels real servers. What it finds depends on the machine.
func TestDuelOfServers(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	server := serverOf(t)
	config := writeConfig(t, "commands:\n  mine: {run: ["+server+", --model=thread, '--protocol={protocol}', '--addr={addr}']}\nmodels: [mine]\nworkloads: [{protocol: echo, workload: echo}]\nclients: [1]\n")
	for _, tt := range []struct {
		why   string
		args  []string
		sides []string
		floor bool
	}{
		{"two models, with a floor", []string{"prefork", "eventloop"}, []string{"prefork", "eventloop", "prefork", "eventloop"}, true},
		{"settings of a model, over echo", []string{"prefork", "prefork", "--b-args=--workers 3", "--protocol", "echo", "--floor", "no"}, []string{"prefork", "prefork --workers 3"}, false},
		{"a command of a config", []string{"mine", "eventloop", "--config", config, "--floor", "no"}, []string{"mine", "eventloop"}, false},
		{"two builds of a server", []string{"--a", server + " --model thread --addr {addr}", "--b", server + " --model process --addr {addr}", "--floor", "no", "--no-latency"}, []string{"a", "b"}, false},
	} {
		t.Run(tt.why, func(t *testing.T) {
			results := t.TempDir()
			args := append(append([]string{"duel", "--results", results, "--server", server, "--pairs", "2"}, short...), tt.args...)
			out, log, code := tierbench(t.Context(), args...)
			if code != 0 {
				t.Fatalf("exit code %d\n%s%s", code, out, log)
			}
			dir, d := recordOf(t, results)
			var names []string
			for _, s := range d.Sides {
				names = append(names, s.Name)
			}
			if strings.Join(names, ",") != strings.Join(tt.sides, ",") || len(d.Pairs) != 2 || d.Ended.IsZero() || d.Floor != tt.floor {
				t.Errorf("sides %q, %d pairs, ended %v, floor %v", names, len(d.Pairs), d.Ended, d.Floor)
			}
			for _, p := range d.Pairs {
				if len(p.Notes) > 0 {
					t.Errorf("pair %d: %q", p.Number, p.Notes)
				}
			}
			if strings.Contains(out, "floor: not measured") == tt.floor {
				t.Errorf("floor %v:\n%s", tt.floor, out)
			}
			again, _, code := tierbench(t.Context(), "duel", dir)
			if code != 0 || again != out {
				t.Errorf("printed again with exit code %d, it is\n%s\nnot\n%s", code, again, out)
			}
			asJSON, _, code := tierbench(t.Context(), "duel", dir, "--json")
			var a duel.Answer
			if err := json.Unmarshal([]byte(asJSON), &a); code != 0 || err != nil || a.Sentence == "" || !strings.HasSuffix(out, "\n"+a.Sentence+"\n") {
				t.Errorf("exit code %d, err %v\n%s", code, err, asJSON)
			}
			if left := children(t, server); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestDuelOfAServerThatDies(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	server, results := serverOf(t), t.TempDir()
	out, log, code := tierbench(t.Context(), "duel", "--results", results, "--server", server, "--clients", "7", "--duration", "5m", "--protocol", "echo",
		"eventloop", "mine", "--b", os.Args[0]+" mortal-echo {addr}")
	if code != exitFailed || !strings.Contains(log, "pair 1: mine: it ended with exit status 7") || !strings.Contains(out, "nothing can be said: no pair is complete") {
		t.Errorf("exit code %d\n%s%s", code, out, log)
	}
	_, d := recordOf(t, results)
	if len(d.Pairs) != 1 || d.Pairs[0].Failure == "" || d.Failure == "" || !d.Ended.IsZero() {
		t.Errorf("record: %d pairs, failure %q, ended %v", len(d.Pairs), d.Failure, d.Ended)
	}
	if left := children(t, server); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A record decides the exit code.
func TestRegressionsHaveAnExitCode(t *testing.T) {
	d := result.Duel{Schema: result.DuelSchema, Asked: 6, TurnSec: 0.05, Clients: 1, Sides: []result.DuelSide{{Name: "old"}, {Name: "new"}}}
	for n := range d.Asked {
		d.Pairs = append(d.Pairs, result.DuelPair{Number: n + 1, Slices: []result.DuelSlice{
			{Side: 0, Loop: result.Closed, LengthSec: 0.05, Answers: 1000 + int64(n)},
			{Side: 1, Loop: result.Closed, LengthSec: 0.05, Answers: 900},
		}})
	}
	dir := filepath.Join(t.TempDir(), "x-duel")
	if err := result.WriteDuel(dir, &d); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		most string
		code int
	}{{"5%", exitMissed}, {"20%", 0}} {
		_, log, code := tierbench(t.Context(), "duel", dir, "--max-regression", tt.most)
		if code != tt.code || (code != 0) != strings.Contains(log, "worse by more than allowed: throughput: old ÷ new is 1.11") {
			t.Errorf("%s: exit code %d, want %d: %s", tt.most, code, tt.code, log)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, result.DuelFile), []byte(`{"schema": 99}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, log, code := tierbench(t.Context(), "duel", dir); code != exitUsage || !strings.Contains(log, "schema 99, this program knows 1") {
		t.Errorf("exit code %d: %s", code, log)
	}
}
