package harness

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

func needsLinux(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("measuring needs Linux's /proc and sock_diag; this is GOOS=" + runtime.GOOS)
	}
}

// script writes a shell script that stands in for the server program.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "server")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

var trialStep = plan.TrialStep{Trial: plan.Trial{Name: "increment", Increments: 500, Workers: 3}, Variant: "mutex", Repeat: 1}

func TestTry(t *testing.T) {
	needsLinux(t)
	for _, tt := range []struct{ reason, script, want, failure string }{
		{"what it says is read", `echo '{"name":"increment","variant":"mutex","values":{"increment_sec":2e-8,"value":1500}}'`, "increment_sec 2e-08, value 1500", ""},
		{"it is told what to do", `[ "$*" = "--trial increment --variant mutex --increments 500 --workers 3" ] && echo '{"name":"increment","variant":"mutex","values":{"x":1}}'`, "x 1", ""},
		{"it fails and says why", "echo no such variant >&2; exit 2", "", "exit status 2: no such variant"},
		{"it does not speak JSON", "echo fine", "", "read the output: invalid character"},
		{"it speaks of something else", `echo '{"name":"increment","variant":"atomic","values":{"x":1}}'`, "", "asked for the trial increment mutex, but the output is of increment atomic"},
		{"it says nothing", `echo '{"name":"increment","variant":"mutex"}'`, "", "the output has no values"},
	} {
		got, err := try(t.Context(), script(t, tt.script), trialStep)
		if tt.failure == "" && (err != nil || values(&result.Trial{Values: got}) != tt.want) || tt.failure != "" && (err == nil || !strings.Contains(err.Error(), tt.failure)) {
			t.Errorf("%s: %v, err %v", tt.reason, got, err)
		}
	}
	if _, err := try(t.Context(), filepath.Join(t.TempDir(), "none"), trialStep); err == nil {
		t.Error("a program that is not there is no error")
	}
}

// CPython's trials run like those of the server program, and the variants that must count
// correctly do.
func TestThePythonTrials(t *testing.T) {
	needsLinux(t)
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip(err)
	}
	for name, variants := range map[string][]string{
		"python-lost-update": {"unlocked", "locked"},
		"python-increment":   {"mutex", "owner", "flock", "shm", "pipe"},
		"python-start":       {"process", "thread", "task"},
	} {
		for _, variant := range variants {
			step := plan.TrialStep{Variant: variant, Repeat: 1, Trial: plan.Trial{
				Name: name, Increments: 50, Workers: 3, Run: []string{"python3", "-B", "../../servers/controls/python/trial.py"},
			}}
			v, err := try(t.Context(), "", step)
			switch {
			case err != nil:
				t.Errorf("%s %s: %v", name, variant, err)
			case name == "python-start":
				if v["started"] != 50 || v["start_sec"] <= 0 || v["max_sec"] < v["start_sec"] {
					t.Errorf("%s %s: %v", name, variant, v)
				}
			case name == "python-lost-update" && v["want"] != -50:
				t.Errorf("%s %s: %v", name, variant, v)
			case variant != "unlocked" && v["got"] != v["want"]:
				t.Errorf("%s %s: %v", name, variant, v)
			case name == "python-increment" && (v["want"] != 150 || v["exact"] != 1 || v["increment_sec"] <= 0):
				t.Errorf("%s %s: %v", name, variant, v)
			}
		}
	}
}

// A trial leaves no process behind, even if it is interrupted or ends before a process that
// it started.
func TestTryLeavesNothingBehind(t *testing.T) {
	needsLinux(t)
	for _, tt := range []struct{ reason, then string }{
		{"interrupted", "sleep 600"},
		{"it ends before what it started", `echo '{"name":"increment","variant":"mutex","values":{"x":1}}'`},
	} {
		told := filepath.Join(t.TempDir(), "pid")
		ctx, cancel := context.WithCancel(t.Context())
		if tt.reason == "interrupted" {
			go func() {
				for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
					if _, err := os.Stat(told); err == nil {
						break
					}
				}
				cancel()
			}()
		}
		_, err := try(ctx, script(t, fmt.Sprintf("sleep 600 >/dev/null 2>&1 &\necho $$ >%[1]s.tmp; mv %[1]s.tmp %[1]s\n%[2]s\n", told, tt.then)), trialStep)
		if (err != nil) != (ctx.Err() != nil) {
			t.Errorf("%s: err %v", tt.reason, err)
		}
		cancel()
		text, err := os.ReadFile(told)
		if err != nil {
			t.Fatal(err)
		}
		group, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			pids, err := (host.Tree{PGID: group}).PIDs()
			if err == nil && len(pids) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v are left, err %v", tt.reason, pids, err)
			}
		}
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
