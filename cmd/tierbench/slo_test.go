package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestMissedObjectivesHaveAnExitCodeOfTheirOwn(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	config := `
models: [eventloop]
workloads: [{protocol: echo, workload: idle}]
clients: [3]
duration: 100ms
repeats: 1
slo:
  - {memory: 4GiB}
`
	for _, tt := range []struct {
		reason, slo string
		code        int
		want        string
	}{
		{"met", "", 0, "1 of 1 objectives are met."},
		{"one of two is missed", "  - {memory: 1KiB, model: eventloop}\n", exitMissed, "1 of 2 objectives are met, 1 is missed."},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			results := t.TempDir()
			out, log, code := tierbench(t.Context(), "run", writeConfig(t, config+tt.slo), "--server", serverProgram, "--results", results)
			if code != tt.code || !strings.Contains(out, tt.want) || strings.Contains(out, "! memory ") != (tt.code == exitMissed) {
				t.Errorf("exit code %d, want %d and %q in\n%s%s", code, tt.code, tt.want, out, log)
			}
			// The objectives are in the record, so a report needs no config. Only run fails if
			// one is missed.
			out, log, code = tierbench(t.Context(), "report", filepath.Join(results, "latest"))
			if code != 0 || !strings.Contains(out, tt.want) {
				t.Errorf("report: exit code %d, want %q in\n%s%s", code, tt.want, out, log)
			}
		})
	}
}
