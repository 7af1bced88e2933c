package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const shortRun = `
models: [eventloop]
workloads: [{protocol: http, workload: plaintext}]
clients: [3]
warmup: 0
duration: 200ms
repeats: 2
`

func TestJSONIsAllThatIsOnTheOutput(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	out, log, code := tierbench(t.Context(), "run", writeConfig(t, shortRun), "--json", "--server", serverProgram, "--results", t.TempDir())
	if code == exitUsage {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	of := map[string]int{}
	for line := range strings.Lines(out) {
		var e struct{ Event string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		of[e.Event]++
	}
	if of["begin"] != 1 || of["step"] != 2 || of["second"] < 2 || of["repeat"] != 2 || of["end"] != 1 {
		t.Errorf("events %v\n%s", of, out)
	}
}

func TestMetricsAddressIsCheckedBeforeAnythingStarts(t *testing.T) {
	needsLinux(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	results := filepath.Join(t.TempDir(), "none")
	_, stderr, code := tierbench(t.Context(), "run", writeConfig(t, shortRun), "--metrics", ln.Addr().String(), "--server", serverProgram, "--results", results)
	if code != exitUsage || !strings.Contains(stderr, "--metrics: serve metrics: listen tcp "+ln.Addr().String()) {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if _, err := os.Stat(results); err == nil {
		t.Error("a folder was made for a run that could not start")
	}
}
