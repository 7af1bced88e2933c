package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/fleet"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/result"
)

const divided = `
models: [prefork]
workloads: [{protocol: http, workload: plaintext}, {protocol: echo, workload: idle}]
clients: [9]
loop: [closed, open]
rate: 50%
warmup: 50ms
duration: 300ms
repeats: 1
`

// A run with many generator processes leaves the same record as a run with one, both with the
// harness's own NATS server and with another.
func TestRunWithGeneratorProcesses(t *testing.T) {
	needsLinux(t)
	server := serverOf(t)
	hub, err := fleet.StartHub()
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	t.Setenv(fleet.EnvToken, hub.Token)
	for _, tt := range []struct {
		reason    string
		args      []string
		processes int
	}{
		{"as many as were asked for", []string{"--generator-processes", "3"}, 3},
		{"a server that is there", []string{"--nats", hub.URL}, 1},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			results := t.TempDir()
			args := append([]string{"run", writeConfig(t, divided), "--server", server, "--results", results}, tt.args...)
			_, log, code := tierbench(t.Context(), args...)
			if code == exitUsage {
				t.Fatalf("exit code %d\n%s", code, log)
			}
			set, err := result.Load(filepath.Join(results, "latest"))
			if err != nil || len(set.Repeats) != 3 {
				t.Fatalf("%d repeats, err %v\n%s", len(set.Repeats), err, log)
			}
			for _, r := range set.Repeats {
				ends := result.Ends{Start: 9, End: 9}
				if r.Established.Server != ends || r.Established.Generator != ends || len(r.Errors) != 0 || r.Failure != "" || r.Requests+r.Answered < 9 {
					t.Errorf("%v: established %+v, errors %v, failure %q, %d requests", r.Key, r.Established, r.Errors, r.Failure, r.Requests)
				}
				if r.Generator.Processes != tt.processes || r.Generator.Shards < tt.processes || r.Connect.P50Sec <= 0 || r.Workload != result.Idle && r.Generator.CPUSec <= 0 {
					t.Errorf("%v: generator %+v, connect %+v", r.Key, r.Generator, r.Connect)
				}
				if r.Loop == result.Closed && r.Workload != result.Idle && r.Generator.CeilingRPS <= 0 {
					t.Errorf("%v: no ceiling of the generator is known", r.Key)
				}
			}
			if left := children(t, server); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestGeneratorProcessesThatCannotBe(t *testing.T) {
	needsLinux(t)
	hub, err := fleet.StartHub()
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	t.Setenv(fleet.EnvToken, "") // whatever this was started with
	const many = `
models: [prefork]
workloads: [{protocol: http, workload: plaintext}]
server_args: [--workers, "1000"]
clients: [100000]
`
	for _, tt := range []struct {
		reason, config string
		args           []string
		want           string
	}{
		{"less than none", divided, []string{"--generator-processes=-1"}, "--generator-processes -1: allowed: 1 to 1000"},
		{"too many", divided, []string{"--generator-processes", "1001"}, "--generator-processes 1001: allowed: 1 to 1000"},
		{"nothing is there", divided, []string{"--nats", "nats://127.0.0.1:1"}, "connect to NATS at nats://127.0.0.1:1"},
		{"a wrong token", divided, []string{"--nats", hub.URL, "--nats-token", "guessed"}, "Authorization Violation"},
		{"no such authority", divided, []string{"--nats", hub.URL, "--nats-ca", "/no/such/file"}, "/no/such/file"},
		{"credentials for nobody", divided, []string{"--nats-creds", "file"}, "--nats-creds needs --nats, the address of the server"},
		{"raw requests of many", divided, []string{"--generator-processes", "2", "--raw", "csv"}, "--raw cannot be combined with --generator-processes or --nats"},
		{"too few for the clients", many, []string{"--generator-processes", "1"}, "100000 clients are more than 1 generator processes can have; allowed: --generator-processes "},
		{"raw requests of as many as it takes", many, []string{"--raw", "csv"}, "--raw keeps the requests of a single generator process, but"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			if limit := host.ReadCapacity("/proc").PerProcess().Clients; tt.config == many && limit >= 100_000 {
				t.Logf("a process may have %d clients: it takes no more here", limit)
				return
			}
			args := append([]string{"run", writeConfig(t, tt.config), "--server", serverProgram, "--results", filepath.Join(t.TempDir(), "results")}, tt.args...)
			_, log, code := tierbench(t.Context(), args...)
			if code != exitUsage || !strings.Contains(log, tt.want) {
				t.Errorf("exit code %d, want %d\n%s\nwant %q in it", code, exitUsage, log, tt.want)
			}
		})
	}
}
