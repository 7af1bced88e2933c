package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

func TestSearchMistakes(t *testing.T) {
	needsLinux(t)
	for _, tt := range []struct {
		why  string
		args string
		want string
	}{
		{"nothing to measure", "--p99 1s", "name a --model, or a server of your own after --"},
		{"clients are what is looked for", "--model thread --clients 5", "--clients is only for --find rate"},
		{"no such model", "--model bogus", `"bogus" is neither built in nor among commands`},
		{"no such workload", "--model thread --workload foo", `"foo" is not a workload over http`},
		{"a promise of nobody", "--model thread --workload idle", "--workload: idle is not allowed, because idle clients send no requests"},
		{"a wait without its time", "--model thread --workload wait", "http/wait takes a time, such as 50ms"},
		{"errors that are no part", "--model thread --errors 3", `--errors: "3" is not a fraction; allowed: 0 to 100%`},
		{"two ends that never meet", "--model thread --within 0", "allowed: 1 to 100 %"},
		{"repeats that can be tied", "--model thread --repeats 2", "an odd number"},
		{"backwards", "--model thread --from 10 --to 5", "allowed: 10 and above"},
		{"a latency of less than nothing", "--model thread --p99=-1s", "-1s is not allowed; allowed: a duration above 0"},
		{"more clients than fit", "--model thread --to 9999999", "is more than this host can hold"},
		{"more clients than an int", "--model thread --to 1e300", "allowed: a whole number from 1 to 10000000"},
		{"a part of a client", "--model thread --from 1.5", "--from 1.5; allowed: a whole number"},
		{"a program that is not there", "--to 2 -- ./no-such-server {addr}", "./no-such-server: not found"},
		{"one that goes by the name of a model", "--model thread --to 2 -- ./no-such-server {addr}", "./no-such-server: not found"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			results := t.TempDir()
			args := append([]string{"search", "--results", results, "--server", serverProgram}, strings.Fields(tt.args)...)
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

// TestSearchKeepsRecords searches with real servers. The answer depends on the machine, but it
// must follow from the record.
func TestSearchKeepsRecords(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	server := serverOf(t)
	for _, tt := range []struct {
		why  string
		args []string
		loop string
	}{
		{"clients of a built-in model", []string{"--model", "eventloop", "--server", server, "--to", "4"}, result.Closed},
		{"a rate of a server of one's own, over echo", []string{"--find", "rate", "--clients", "3", "--to", "150", "--protocol", "echo", "--model", "mine",
			"--", server, "--model=goroutine", "--protocol={protocol}", "--addr={addr}"}, result.Open},
	} {
		t.Run(tt.why, func(t *testing.T) {
			results := t.TempDir()
			args := append([]string{"search", "--results", results, "--p99", "10s", "--errors", "50%", "--warmup", "0", "--duration", "150ms", "--repeats", "1", "--most", "9"}, tt.args...)
			out, log, code := tierbench(t.Context(), args...)
			set, err := result.Load(filepath.Join(results, "latest"))
			if err != nil {
				t.Fatalf("%v\n%s%s", err, out, log)
			}
			said := out
			if code != 0 {
				said = log
			}
			if code > exitFailed || !strings.Contains(said, ": no bound found up to") && !strings.Contains(said, ": kept at") &&
				!strings.Contains(said, ": missed at") && !strings.Contains(said, ": no usable repeat at") && !strings.Contains(said, ": not decided") {
				t.Errorf("exit code %d\n%s%s", code, out, log)
			}
			cfg, err := plan.Parse("search", []byte(set.Run.ConfigText))
			if err != nil {
				t.Fatal(err)
			}
			p, err := plan.Make(cfg, []result.Info{{Name: "eventloop"}}, plan.Limit{Clients: 1e6})
			if err != nil {
				t.Fatal(err)
			}
			// The config in the record contains exactly what was measured.
			type id struct {
				result.Key
				repeat int
			}
			asked := map[id]bool{}
			for _, s := range p.Steps() {
				asked[id{s.Key, s.Repeat}] = true
			}
			for _, r := range set.Repeats {
				if !asked[id{r.Key, r.Repeat}] || r.Loop != tt.loop || r.Requests == 0 && r.Failure == "" && r.Gates.Verdict != result.Invalid {
					t.Errorf("%v, repeat %d: %d requests, %q; asked were %v", r.Key, r.Repeat, r.Requests, r.Failure, asked)
				}
				delete(asked, id{r.Key, r.Repeat})
			}
			if len(asked) > 0 || len(set.Repeats) == 0 || set.Run.Ended.IsZero() {
				t.Errorf("%d repeats, not measured %v, ended %v", len(set.Repeats), asked, set.Run.Ended)
			}
			if left := children(t, server); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}
