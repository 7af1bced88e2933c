package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

func needsWrk(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("wrk"); err != nil {
		t.Skip("this machine has no wrk to check against: ", err)
	}
}

func TestCrosscheckMeasuresWithEach(t *testing.T) {
	needsLinux(t)
	server := serverOf(t)
	needsWrk(t)
	config := `
models: [eventloop]
workloads: [{protocol: http, workload: plaintext}, {protocol: echo, workload: echo}]
clients: [9]
warmup: 0
duration: 2s
repeats: 3
`
	results := t.TempDir()
	t.Setenv("PATH", onlyWrk(t))
	out, log, code := tierbench(t.Context(), "crosscheck", writeConfig(t, config), "--clients", "3", "--repeats", "1", "--duration", "200ms",
		"--server", server, "--results", results)
	// Whether they agree depends on the machine, but the output must say it.
	if code != 0 && code != exitFailed {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	for _, want := range []string{"wrk-same", "ours ÷ peer's", "of 1 pairs: 1 ", "crosscheck.txt"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, want := range []string{"oha is left out: oha is not installed", "wrk2 is left out: wrk2 is not installed"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
	set, err := result.Load(filepath.Join(results, "latest"))
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]int{}
	for _, r := range set.Repeats {
		of[r.Generator.Name]++
		if r.Clients != 3 || r.Failure != "" || r.AskedSec != 0.2 {
			t.Errorf("%v: %.3g s, failure %q", r.Key, r.AskedSec, r.Failure)
		}
	}
	if len(set.Repeats) != 2 || of[plan.Vegeta] != 1 || of[plan.WrkSame] != 1 {
		t.Errorf("repeats of %v", of)
	}
	written, err := os.ReadFile(filepath.Join(set.Dir, crosscheckFile))
	if err != nil || !strings.HasPrefix(out, string(written)) {
		t.Errorf("%s, err %v, is not what was printed:\n%s", crosscheckFile, err, written)
	}

	// Judging the run again needs only its record.
	again, _, code2 := tierbench(t.Context(), "crosscheck", set.Dir)
	if again != string(written) || code2 != code {
		t.Errorf("judged again: exit code %d, not %d\n%s", code2, code, again)
	}
	if left := children(t, server); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// onlyWrk is a PATH with wrk and no other generator.
func onlyWrk(t *testing.T) string {
	t.Helper()
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(wrk, filepath.Join(dir, "wrk")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCrosscheckOfARunningServer(t *testing.T) {
	needsLinux(t)
	needsWrk(t)
	t.Setenv("PATH", onlyWrk(t))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/plaintext" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, "Hello, World!")
	}))
	defer srv.Close()
	results := t.TempDir()
	out, log, code := tierbench(t.Context(), "crosscheck", "--addr", srv.Listener.Addr().String(), "--clients", "3", "--repeats", "1", "--duration", "200ms", "--results", results)
	if code == exitUsage || !strings.Contains(out, "running") {
		t.Fatalf("exit code %d\n%s%s", code, out, log)
	}
	set, err := result.Load(filepath.Join(results, "latest"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range set.Repeats {
		ends := result.Ends{Start: 3, End: 3}
		if strings.HasPrefix(r.Generator.Name, "wrk") {
			// wrk connects and stops by its own clock. On a busy machine its connections may
			// be counted before it has connected, or after it has stopped.
			r.Established.Server, r.Established.Generator.End = ends, 3
		}
		if r.Established.Server != ends || r.Established.Generator != ends || len(r.Errors) != 0 || r.Failure != "" || r.Requests == 0 {
			t.Errorf("%v: established %+v, errors %v, failure %q, %d requests", r.Key, r.Established, r.Errors, r.Failure, r.Requests)
		}
	}
	if len(set.Repeats) != 2 {
		t.Errorf("%d repeats, want 2", len(set.Repeats))
	}
	if resp, err := http.Get(srv.URL + "/plaintext"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the server did not outlive the check: %v, err %v", resp, err)
	}
}

func TestCrosscheckMistakes(t *testing.T) {
	needsLinux(t)
	needsWrk(t)
	results := filepath.Join(t.TempDir(), "none")
	echoes := writeConfig(t, "models: [thread]\nworkloads: [{protocol: echo, workload: echo}]\nclients: [3]\n")
	for _, tt := range []struct {
		reason string
		args   []string
		want   string
	}{
		// 192.0.2.0/24 is reserved for documentation, so no host has such an address.
		{"another host, without leave", []string{"--addr", "192.0.2.1:80"}, "--addr: the target is not this host"},
		{"nobody there", []string{"--addr", "127.0.0.1:1", "--clients", "1", "--repeats", "1", "--duration", "100ms"}, "--addr: cannot connect to the server: "},
		{"no port", []string{"--addr", "127.0.0.1"}, "missing port"},
		{"more clients than the host holds, even with leave", []string{"--addr", "192.0.2.1:80", "--allow-remote", "--clients", "9000000"}, "9000000 is more than this host can hold"},
		{"no clients", []string{"--clients", "0"}, "clients[0]: is 0"},
		{"a duration without bound", []string{"--duration", "100h"}, "allowed: a duration from 100ms to 1h0m0s"},
		{"a model that is not there", []string{"--model", "fibre"}, `"fibre" is neither built in nor`},
		{"nothing that others can ask for", []string{echoes}, "there is no workload of a single GET over HTTP"},
		{"a config that is not there", []string{"/no/such.yaml"}, "no such file"},
		{"a folder without a run", []string{t.TempDir()}, "run.json"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			args := append([]string{"crosscheck"}, tt.args...)
			_, stderr, code := tierbench(t.Context(), append(args, "--server", serverProgram, "--results", results)...)
			if code != exitUsage || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit code %d, stderr\n%s\nwant %q in it", code, stderr, tt.want)
			}
		})
	}
	if _, err := os.Stat(results); err == nil {
		t.Error("a folder was made for a run that could not start")
	}
	t.Setenv("PATH", t.TempDir())
	if _, stderr, code := tierbench(t.Context(), "crosscheck", "--server", serverProgram); code != exitUsage || !strings.Contains(stderr, "install wrk") {
		t.Errorf("without another generator: exit code %d, stderr\n%s", code, stderr)
	}
}
