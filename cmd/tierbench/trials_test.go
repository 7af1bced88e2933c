package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
)

// script writes a shell script that stands in for the server program.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "server")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// A trial whose program is missing is named and left out.
func TestATrialThatIsNotHere(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	config := writeConfig(t, `
models: [eventloop]
workloads: [{protocol: echo, workload: idle}]
clients: [1]
duration: 100ms
repeats: 1
trials: [{name: luck, run: [no-such-program, x], variants: [good]}]
`)
	results := t.TempDir()
	if _, stderr, code := tierbench(t.Context(), "run", config, "--server", serverProgram, "--results", results); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	set, err := result.Load(filepath.Join(results, "latest"))
	if err != nil {
		t.Fatal(err)
	}
	if why := set.Run.Absent[result.AbsentTrial("luck")]; !strings.Contains(why, "no-such-program: not found") || len(set.Trials) > 0 {
		t.Errorf("absent %v, trials %v", set.Run.Absent, set.Trials)
	}
}

// An objective that applies only to a missing server is an error.
func TestAnObjectiveOfWhatIsNotHere(t *testing.T) {
	needsLinux(t)
	config := writeConfig(t, `
models: [eventloop, mine]
commands: {mine: {doc: d, run: [./no-such-server]}}
workloads: [{protocol: http, workload: plaintext}]
clients: [1]
slo: [{model: mine, p99: 1s}]
`)
	_, stderr, code := tierbench(t.Context(), "run", config, "--server", serverProgram, "--results", t.TempDir())
	if code != exitUsage || !strings.Contains(stderr, "slo[0]: none of its cells can be measured here: mine (./no-such-server: not found") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// values lists the values of a trial in one line, sorted by name.
func values(t *result.Trial) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.Values)) {
		parts = append(parts, fmt.Sprintf("%s %.4g", name, t.Values[name]))
	}
	return strings.Join(parts, ", ")
}

// The trials of a config run after its cells, and are in its record.
func TestTrialsOfARun(t *testing.T) {
	needsLinux(t)
	list, err := json.Marshal([]result.Info{{Name: "m", Doc: "A model."}})
	if err != nil {
		t.Fatal(err)
	}
	server := script(t, fmt.Sprintf(`
if [ "$1" = --list ]; then echo '%s'; exit; fi
if [ "$4" = broken ]; then echo no >&2; exit 1; fi
echo "{\"name\":\"$2\",\"variant\":\"$4\",\"values\":{\"increments\":$6}}"
`, list))
	config := fmt.Sprintf(`
models: [own]
commands:
  own: {run: [%q, --model, eventloop, --protocol, echo, --addr, "{addr}"], protocols: [echo]}
workloads: [{protocol: echo, workload: idle}]
clients: [1]
duration: 100ms
repeats: 1
trials: [{name: increment, variants: [mutex, broken], increments: 7, repeats: 2}]
`, serverProgram)
	results := t.TempDir()
	_, log, code := tierbench(t.Context(), "run", writeConfig(t, config), "--server", server, "--results", results)
	set, err := result.Load(filepath.Join(results, "latest"))
	if err != nil || code == exitUsage {
		t.Fatalf("exit code %d, err %v\n%s", code, err, log)
	}
	var got []string
	for _, r := range set.Trials {
		got = append(got, fmt.Sprintf("%s %s %d: %s%s", r.Name, r.Variant, r.Repeat, values(&r), r.Failure[max(0, len(r.Failure)-2):]))
	}
	slices.Sort(got)
	if want := []string{"increment broken 1: no", "increment broken 2: no", "increment mutex 1: increments 7", "increment mutex 2: increments 7"}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	for _, want := range []string{"/4 trial increment mutex repeat=1: increments 7", "trial increment broken repeat=2: failed: "} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in\n%s", want, log)
		}
	}
}
