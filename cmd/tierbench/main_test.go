package main

import (
	"bytes"
	"context"
	"errors"
	stdflag "flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

var serverProgram string

// TestMain builds the real server program once. Its first argument makes this binary act as
// tierbench itself, as a server that answers wrongly, or as the null server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "generator" || os.Args[1] == "run" || os.Args[1] == "doctor") {
		main()
		os.Exit(0)
	}
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "wrong-echo":
			serveEcho(os.Args[2], spoil)
		case "mortal-echo":
			var answers atomic.Int64
			serveEcho(os.Args[2], func([]byte) {
				if answers.Add(1) > 2000 {
					os.Exit(7)
				}
			})
		case "faulty":
			faulty(os.Args[2])
		case "leaking":
			leaking(os.Args[2])
		case "null": // this program is the one that starts it
			main()
			os.Exit(0)
		}
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "tierbench-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		serverProgram = filepath.Join(dir, "server")
		if out, err := exec.Command("go", "build", "-o", serverProgram, "../server").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the server: %v\n%s", err, out)
			return 1
		}
		// Parallel tests wait most of the time.
		if err := stdflag.Set("test.parallel", "12"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// spoil spoils the last byte of a message, unless that is the single byte that
// readiness asks for.
func spoil(msg []byte) {
	if n := len(msg); n > 1 {
		msg[n-1]++
	}
}

// serveEcho echoes what comes after change has had it.
func serveEcho(addr string, change func(msg []byte)) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		panic(err)
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 4096)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				change(buf[:n])
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

func needsLinux(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("measuring needs Linux's /proc and sock_diag; this is GOOS=" + runtime.GOOS)
	}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// serverOf returns the server program under a name of the test's own. By that name, children
// finds the test's servers while other tests run theirs.
func serverOf(t *testing.T) string {
	t.Helper()
	own := filepath.Join(t.TempDir(), "server")
	if err := os.Link(serverProgram, own); err != nil {
		t.Fatal(err)
	}
	return own
}

// children lists the living servers of a program.
func children(t *testing.T, program string) []string {
	t.Helper()
	var left []string
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		var state string
		var ppid, pgrp int
		if _, err := fmt.Sscanf(string(b[bytes.LastIndexByte(b, ')')+1:]), "%s %d %d", &state, &ppid, &pgrp); err != nil {
			continue
		}
		exe, _ := os.Readlink(filepath.Join(filepath.Dir(name), "exe"))
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		// A process that only lists the models is not a server.
		if state != "Z" && exe == program && !bytes.Contains(args, []byte("--list")) {
			left = append(left, string(b))
		}
	}
	return left
}

// tierbench runs the command as main does, but does not exit.
func tierbench(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, errOut bytes.Buffer
	if err := run(ctx, args, &out, &errOut); err != nil {
		fmt.Fprintln(&errOut, "tierbench:", err)
		code = exitCode(err)
	}
	return out.String(), errOut.String(), code
}

const everyModel = `
# A comment that the record keeps.
title: A test
models: [prefork, thread, eventloop]
workloads:
  - protocol: http
    workload: plaintext
  - protocol: echo
    workload: echo
  - protocol: http
    workload: idle
clients: [7]
warmup: 0
duration: 300ms
repeats: 1
`

func TestRunMeasuresEveryModel(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	server := serverOf(t)
	results := t.TempDir()
	out, log, code := tierbench(t.Context(), "run", writeConfig(t, everyModel), "--server", server, "--results", results)
	// On a busy machine a repeat may rightly be invalid, so the exit code is not tested.
	if code == exitUsage {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	dir := filepath.Join(results, "latest")
	set, err := result.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Repeats) != 9 {
		t.Fatalf("%d repeats, want 9\n%s", len(set.Repeats), log)
	}
	histograms, err := result.ReadHistograms(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range set.Repeats {
		ends := result.Ends{Start: 7, End: 7}
		if r.Established.Server != ends || r.Established.Generator != ends || len(r.Errors) != 0 || r.Failure != "" || r.Requests+r.Answered < 1 {
			t.Errorf("%v: established %+v, errors %v, failure %q, %d requests", r.Key, r.Established, r.Errors, r.Failure, r.Requests)
		}
		conns := 0
		for _, n := range r.Server.ConnsPerProcess {
			conns += n
		}
		wantProcesses := 1
		if r.Model == "prefork" {
			wantProcesses = 1 + runtime.NumCPU()
		}
		if conns != 7 || r.Server.Processes != wantProcesses || r.Server.PSSBytes <= 0 || r.Server.FDs < 7 {
			t.Errorf("%v: server %+v, want 7 connections in %d processes", r.Key, r.Server, wantProcesses)
		}
		if r.Model == "thread" && r.Server.Threads < 7 {
			t.Errorf("%v: %d threads for 7 connections", r.Key, r.Server.Threads)
		}
		if r.Workload == result.Idle && r.Gates.Verdict != result.Valid {
			t.Errorf("%v: %+v", r.Key, r.Gates)
		}
		if r.Workload != result.Idle {
			h, err := histograms.Of(r.Key, 1, result.ServiceClock)
			if err != nil || h == nil || h.TotalCount() != r.Requests {
				t.Errorf("%v: histogram %v of %d requests, err %v", r.Key, h, r.Requests, err)
			}
		}
	}
	if run := set.Run; run.ConfigText != everyModel || run.Seed != 1 || run.Host.Cores < 1 || run.Host.Kernel == "" ||
		run.Build.Modules["github.com/tsenart/vegeta/v12"] == "" || run.Ended.IsZero() || len(run.Models) != 3 || run.Models[0].Doc == "" {
		t.Errorf("run %+v", run)
	}
	for _, name := range []string{"report.md", result.BenchFile, result.SeriesFile} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v, err %v", name, st, err)
		}
	}
	if !strings.Contains(out, "report.md") {
		t.Errorf("the path of the report is not printed:\n%s", out)
	}
	if left := children(t, server); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}

	// The report needs neither the server nor the config.
	before, err := os.ReadFile(filepath.Join(dir, "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "report.md")); err != nil {
		t.Fatal(err)
	}
	tierbench(t.Context(), "report", dir)
	if after, err := os.ReadFile(filepath.Join(dir, "report.md")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the report drawn again differs (err %v)", err)
	}
}

func TestWrongAnswersInvalidateTheCell(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	config := fmt.Sprintf(`
models: [liar]
commands:
  liar:
    run: [%q, wrong-echo, "{addr}"]
    protocols: [echo]
workloads: [{protocol: echo, workload: echo}]
clients: [3]
duration: 200ms
repeats: 1
`, os.Args[0])
	results := t.TempDir()
	// The very first answer is wrong, so no client counts as connected.
	out, log, code := tierbench(t.Context(), "run", writeConfig(t, config), "--server", serverProgram, "--results", results)
	if code != exitFailed || !strings.Contains(log, "1 cells have no valid repeat") || !strings.Contains(log, "wrong-bytes") {
		t.Errorf("exit code %d\n%s%s", code, out, log)
	}
	set, err := result.Load(filepath.Join(results, "latest"))
	if err != nil || len(set.Repeats) != 1 || set.Repeats[0].Gates.Verdict != result.Invalid {
		t.Errorf("the failed repeat is not kept: %+v, err %v", set, err)
	}
}

func TestAServerThatIsNotInstalledIsNamed(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	config := `
models: [eventloop, other]
commands:
  other:
    run: [no-such-program, "{addr}"]
workloads: [{protocol: echo, workload: idle}]
clients: [3]
duration: 100ms
repeats: 1
`
	results := t.TempDir()
	_, log, code := tierbench(t.Context(), "run", writeConfig(t, config), "--server", serverProgram, "--results", results)
	if code != 0 || !strings.Contains(log, "other is left out: no-such-program: not found") {
		t.Errorf("exit code %d\n%s", code, log)
	}
}

// interrupter cancels once the first repeat is reported.
type interrupter struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (w *interrupter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("repeat=")) {
		w.cancel()
	}
	return w.Buffer.Write(p)
}

func TestInterruptKeepsWhatWasMeasuredAndResumeGoesOn(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	server := serverOf(t)
	config := `
models: [eventloop]
workloads: [{protocol: echo, workload: idle}]
clients: [1, 2, 3]
duration: 100ms
repeats: 2
`
	results := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	log := &interrupter{cancel: cancel}
	err := run(ctx, []string{"run", writeConfig(t, config), "--server", server, "--results", results}, io.Discard, log)
	if !errors.Is(err, harness.ErrInterrupted) || exitCode(err) != exitStopped {
		t.Fatalf("err %v\n%s", err, log)
	}
	if !strings.Contains(err.Error(), "--resume") {
		t.Errorf("err %v does not say how to go on", err)
	}
	dir := filepath.Join(results, "latest")
	set, err := result.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	done := len(set.Repeats)
	if done < 1 || done >= 6 || !set.Run.Interrupted || !set.Run.Ended.IsZero() {
		t.Fatalf("%d repeats, interrupted %v, ended %v", done, set.Run.Interrupted, set.Run.Ended)
	}
	if _, err := os.Stat(filepath.Join(dir, "report.md")); err != nil {
		t.Errorf("no report of what was measured: %v", err)
	}
	if left := children(t, server); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	first := set.Repeats[0].Started

	_, stderr, code := tierbench(t.Context(), "run", "--resume", dir, "--server", server)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if set, err = result.Load(dir); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range set.Repeats {
		seen[fmt.Sprint(r.Key, r.Repeat)] = true
		if r.FailureKind == result.Interrupted {
			t.Errorf("%v is still the interrupted one", r.Key)
		}
	}
	if len(seen) != 6 || len(set.Repeats) != 6 || set.Run.Interrupted || set.Run.Ended.IsZero() || !set.Repeats[0].Started.Equal(first) {
		t.Errorf("%d repeats of %d cells, run %+v", len(set.Repeats), len(seen), set.Run)
	}

	// A complete run can be extended by repeats.
	_, stderr, code = tierbench(t.Context(), "run", "--resume", dir, "--repeats", "3", "--server", server)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if set, err = result.Load(dir); err != nil {
		t.Fatal(err)
	}
	if len(set.Repeats) != 9 || set.Run.Repeats != 3 || !set.Repeats[0].Started.Equal(first) {
		t.Errorf("%d repeats, of %d of each cell", len(set.Repeats), set.Run.Repeats)
	}

	// Another config can add cells, if it contains all cells of the run.
	more := writeConfig(t, strings.Replace(config, "[1, 2, 3]", "[1, 2, 3, 4]", 1))
	if _, stderr, code = tierbench(t.Context(), "run", more, "--resume", dir, "--server", server); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if set, err = result.Load(dir); err != nil {
		t.Fatal(err)
	}
	if len(set.Repeats) != 11 || len(set.Run.Cells) != 4 || !strings.Contains(set.Run.ConfigText, "2, 3, 4]") || len(set.Run.Resumed) != 3 {
		t.Errorf("%d repeats, run %+v", len(set.Repeats), set.Run)
	}
	if _, stderr, code = tierbench(t.Context(), "run", writeConfig(t, config), "--resume", dir, "--server", server); code != 2 || !strings.Contains(stderr, "does not contain the cell eventloop echo/idle") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, stderr, code = tierbench(t.Context(), "run", writeConfig(t, strings.NewReplacer("[1, 2, 3]", "[1, 2, 3, 4]", "100ms", "200ms").Replace(config)), "--resume", dir, "--server", server); code != 2 || !strings.Contains(stderr, "it changes the duration of the cell eventloop echo/idle") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, stderr, code = tierbench(t.Context(), "run", "--resume", dir, "--repeats", "5000", "--server", server); code != 2 || !strings.Contains(stderr, "at most 1000") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// After a real signal to the real program, everything that it started must have ended.
func TestCtrlC(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	server := serverOf(t)
	config := strings.Replace(everyModel, "duration: 300ms", "duration: 10m", 1)
	cmd := exec.Command(os.Args[0], "run", writeConfig(t, config), "--server", server, "--results", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); len(children(t, server)) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no server was started")
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if cmd.ProcessState.ExitCode() != exitStopped {
		t.Errorf("%v\n%s", err, &stderr)
	}
	if left := children(t, server); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if pids, err := (host.Tree{PGID: cmd.Process.Pid}).PIDs(); err != nil || len(pids) > 0 {
		t.Errorf("left in the group: %v, err %v", pids, err)
	}
}

func TestMistakesAreNamedBeforeAnythingStarts(t *testing.T) {
	needsLinux(t)
	results := filepath.Join(t.TempDir(), "none")
	broken := writeConfig(t, "models: [thread]\nworkloads: [{protocol: http, workload: plaintext}]\nclients: [0]\nclient: 3\n")
	huge := writeConfig(t, "models: [thread]\nworkloads: [{protocol: http, workload: plaintext}]\nclients: [9000000]\n")
	for _, tt := range []struct {
		reason string
		args   []string
		want   []string
	}{
		{"each mistake with file, line, field and what is allowed", []string{"run", broken},
			[]string{broken + ":3:11: clients[0]: is 0; allowed: a whole number from 1", broken + ":4:1: client: unknown key; allowed: a_a, active, box, clients, "}},
		{"a tier above what the host can hold", []string{"run", huge}, []string{":3:11: clients[0]: 9000000 is more than this host can hold", "tierbench doctor"}},
		{"a config that is not there", []string{"run", "/no/such.yaml"}, []string{"/no/such.yaml: no such file"}},
		{"a folder for a config", []string{"run", t.TempDir()}, []string{"is a directory"}},
		{"neither a config nor a run", []string{"run"}, []string{"name a config file or, with --resume, a run"}},
		{"a flag that is not there", []string{"run", "--repeat", "3", broken}, []string{"unknown flag --repeat"}},
		{"a command that is not there", []string{"measure"}, []string{"unexpected argument measure"}},
		{"a report of no run", []string{"report", t.TempDir()}, []string{"run.json"}},
		{"resume of no run", []string{"run", "--resume", t.TempDir()}, []string{"run.json"}},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			args := tt.args
			if args[0] == "run" {
				args = append(args, "--server", serverProgram, "--results", results)
			}
			_, stderr, code := tierbench(t.Context(), args...)
			if code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			for _, w := range tt.want {
				if !strings.Contains(stderr, w) {
					t.Errorf("stderr\n%s\nwant %q in it", stderr, w)
				}
			}
		})
	}
	if _, err := os.Stat(results); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder was made for a run that could not start: %v", err)
	}
}

func TestDoctor(t *testing.T) {
	out, _, code := tierbench(t.Context(), "doctor")
	for _, w := range []string{"descriptors", "ports", "threads", "pids", "memory", "cores", "listen backlog", "Largest tier: "} {
		if !strings.Contains(out, w) {
			t.Errorf("no %q in\n%s", w, out)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestList(t *testing.T) {
	out, _, code := tierbench(t.Context(), "list", "--server", serverProgram)
	for _, m := range []string{"prefork", "thread", "eventloop"} {
		if !strings.Contains(out, m) {
			t.Errorf("no %s in\n%s", m, out)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestHelp(t *testing.T) {
	out, _, code := tierbench(t.Context(), "--help")
	if code != 0 || !strings.Contains(out, "doctor") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// Every config of the project must be valid.
func TestConfigsOfTheProject(t *testing.T) {
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("configs %v, err %v", files, err)
	}
	_, builtin, err := serverFlag{Server: serverProgram}.builtin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		cfg, err := plan.Read(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := plan.Make(cfg, builtin, plan.Limit{Clients: 1e6}); err != nil {
			t.Error(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if !strings.HasPrefix(cfg.Text, "# "+name+": ") || !strings.Contains(cfg.Text, "tierbench run configs/"+filepath.Base(file)) {
			t.Errorf("%s does not open with what it shows and how to run it", file)
		}
	}
}
