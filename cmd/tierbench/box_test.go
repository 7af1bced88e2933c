package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tierbench/tierbench/loadtest/box"
	"github.com/tierbench/tierbench/loadtest/result"
)

// leaking is a server that takes 64 KiB for each request, 256 MiB in all.
func leaking(addr string) {
	var mu sync.Mutex
	var kept [][]byte
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	http.HandleFunc("/plaintext", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		if len(kept) < 4096 {
			b := make([]byte, 64<<10)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			kept = append(kept, b)
		}
		mu.Unlock()
		fmt.Fprint(w, "Hello, World!")
	})
	panic(http.ListenAndServe(addr, nil))
}

// needsBoxes skips a test where no control group can be made.
func needsBoxes(t *testing.T) {
	needsLinux(t)
	p, err := box.Open()
	if err != nil {
		t.Skipf("no box can be made here: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// boxesOf lists the control groups that a process has made and not removed.
func boxesOf(t *testing.T, pid int) (left []string) {
	t.Helper()
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && strings.HasPrefix(e.Name(), "tierbench-") && strings.Contains(e.Name(), fmt.Sprintf("-%d-", pid)) {
			left = append(left, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// A run of its own process, so that other tests' boxes are not taken for its own.
func runCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Stderr = new(strings.Builder)
	return cmd
}

func repeatsOf(t *testing.T, results string, cmd *exec.Cmd) []result.Repeat {
	t.Helper()
	set, err := result.Load(filepath.Join(results, "latest"))
	if err != nil {
		t.Fatalf("%v\n%v", err, cmd.Stderr)
	}
	return set.Repeats
}

func TestServersInBoxes(t *testing.T) {
	needsBoxes(t)
	t.Parallel()
	server, results := serverOf(t), t.TempDir()
	config := writeConfig(t, fmt.Sprintf(`
models: [leaking, goroutine]
commands:
  leaking:
    run: [%q, leaking, "{addr}"]
    protocols: [http]
    box: {memory: 32MiB}
workloads: [{protocol: http, workload: plaintext}]
clients: [16]
warmup: 0
duration: 2s
repeats: 1
box: {memory: 256MiB, cpus: 0.2}
`, os.Args[0]))
	cmd := runCommand(t, "run", "--plain", config, "--server", server, "--results", results)
	_ = cmd.Run() // a cell is invalid
	all := repeatsOf(t, results, cmd)
	if len(all) != 2 {
		t.Fatalf("%d repeats\n%v", len(all), cmd.Stderr)
	}
	for _, r := range all {
		b := r.Box
		if b == nil || !strings.HasPrefix(b.By, "cgroup v") || b.Limits != r.Setting.Box {
			t.Errorf("%v: the box is %+v", r.Key, b)
			continue
		}
		switch r.Model {
		case "leaking":
			if want := "the server was killed: out of memory in its box of 32 MiB"; r.Failure != want || r.FailureKind != result.OutOfMemory ||
				len(r.Gates.Reasons) != 1 || r.Gates.Reasons[0].Text != want || b.OOMKills < 1 || b.PeakBytes < 30<<20 || b.PeakBytes > 33<<20 || len(r.Warnings) > 0 {
				t.Errorf("%v: failure %q (%s), %+v, box %+v, warnings %q", r.Key, r.Failure, r.FailureKind, r.Gates, b, r.Warnings)
			}
		case "goroutine":
			used := (r.Server.CPUUserSec + r.Server.CPUSysSec) / r.DurationSec
			if r.Failure != "" || r.Setting.String() != "box 256MiB,0.2" || b.ThrottledSec <= 0 || used > 0.3 ||
				b.Memory.UserBytes <= 0 || b.Memory.KernelBytes <= 0 || b.PeakBytes < b.Memory.UserBytes || b.OOMKills != 0 {
				t.Errorf("%v: failure %q, box %+v, %.2f CPUs", r.Key, r.Failure, b, used)
			}
		}
	}
	if left := boxesOf(t, cmd.Process.Pid); len(left) > 0 || len(children(t, server)) > 0 {
		t.Errorf("left are %v and %v", left, children(t, server))
	}
}

// A user who can make no control group gets the same budget by account.
func TestABoxByAccount(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	dir := t.TempDir() // of which a user can read and run what is in it
	for name, from := range map[string]string{"tierbench": os.Args[0], "server": serverProgram} {
		copyFile(t, filepath.Join(dir, name), from)
	}
	results := filepath.Join(dir, "results")
	if err := errors.Join(os.Mkdir(results, 0o777), os.Chmod(results, 0o777), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "test.yaml")
	text := fmt.Sprintf(`
models: [leaking]
commands: {leaking: {run: [%q, leaking, "{addr}"], protocols: [http]}}
workloads: [{protocol: http, workload: plaintext}]
clients: [4]
warmup: 0
duration: 4s
repeats: 1
`, filepath.Join(dir, "tierbench"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "tierbench"), "run", "--plain", "--box", "48MiB,1", config, "--server", filepath.Join(dir, "server"), "--results", results)
	cmd.Stderr, cmd.Dir = new(strings.Builder), dir
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	_ = cmd.Run()
	all := repeatsOf(t, results, cmd)
	if len(all) != 1 || all[0].Box == nil {
		t.Fatalf("%+v\n%v", all, cmd.Stderr)
	}
	r := all[0]
	if os.Getuid() != 0 && r.Box.By != result.ByAccount {
		t.Skipf("this user can make control groups: the box is kept by %s", r.Box.By)
	}
	if r.Box.By != result.ByAccount || r.Box.Why == "" || r.FailureKind != result.OutOfMemory || r.Box.PeakBytes <= 48<<20 || r.CPUs.ServerCount != 1 ||
		!strings.HasPrefix(r.Failure, "the server was ended: out of memory in its box of 48 MiB, with ") {
		t.Errorf("failure %q (%s), box %+v, CPUs %+v\n%v", r.Failure, r.FailureKind, r.Box, r.CPUs, cmd.Stderr)
	}
	if len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], "the box 48MiB,1 was kept by account: no control group can be made in ") {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// The harness goes by the limits that it lives under.
func TestTheHarnessInABox(t *testing.T) {
	needsBoxes(t)
	t.Parallel()
	p, err := box.Open()
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Create(result.Limits{MemoryBytes: 300 << 20, CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(b.Remove(), p.Close()); err != nil {
			t.Error(err)
		}
	}()
	cmd := runCommand(t, "doctor")
	var out strings.Builder
	cmd.Stdout = &out
	if err := b.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{"the CPU quota of the control group is 1\n", "the limit of the control group is 300 MiB\n"} {
		if !strings.Contains(out.String(), w) {
			t.Errorf("no %q in\n%s", w, &out)
		}
	}
	if f := strings.Fields(out.String()); f[0] != "cores" || f[1] != "1" {
		t.Errorf("with a quota of one core:\n%s", &out)
	}

	results := t.TempDir()
	cmd = runCommand(t, "run", "--plain", writeConfig(t, `
models: [prefork]
workloads: [{protocol: http, workload: plaintext}]
clients: [4]
warmup: 0
duration: 300ms
repeats: 1
`), "--server", serverOf(t), "--results", results)
	if err := b.Start(cmd); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // on a busy machine, the repeat may be invalid
	set, err := result.Load(filepath.Join(results, "latest"))
	if err != nil {
		t.Fatalf("%v\n%v", err, cmd.Stderr)
	}
	if h := set.Run.Host; h.Cores != 1 || h.MemBytes != 300<<20 || h.Cgroup != (result.Limits{MemoryBytes: 300 << 20, CPUs: 1}) {
		t.Errorf("the host is %+v", h)
	}
	if r := set.Repeats[0]; r.Server.Processes != 2 { // a master and one worker
		t.Errorf("prefork has %d processes with a quota of one core; failure %q", r.Server.Processes, r.Failure)
	}
}

func TestBoxMistakes(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	const small = "models: [thread]\nworkloads: [{protocol: http, workload: plaintext}]\nclients: [1]\n"
	for _, tt := range []struct {
		why, config string
		args        []string
		want        string
	}{
		{"not a box", small, []string{"--box", "64MB"}, `"64MB" is no box; allowed: memory from 1MiB and CPUs from 0.01, such as 64MiB,1 or one of the two`},
		{"the config has one", small + "box: {memory: 64MiB}\n", []string{"--box", "64MiB"}, "test.yaml: box: the config has a box already"},
		{"more CPUs than there are", small, []string{"--box", "4000"}, "box 4000: 4000 CPUs are more than this process can use; allowed: up to "},
		{"more memory than there is", small, []string{"--box", "900TiB"}, "box 900TiB: the memory is more than this machine has; allowed: up to "},
		{"no limit", small + "box: {}\n", nil, "box: has no limit; allowed: memory, cpus"},
		{"too little", small + "box: {memory: 4KiB}\n", nil, `box.memory: is "4KiB"; allowed: a size from 1MiB, such as 64MiB or 1GiB`},
		{"no number", small + "box: {cpus: one}\n", nil, `box.cpus: is "one"; allowed: a number of CPUs from 0.01, such as 1 or 0.5`},
	} {
		_, log, code := tierbench(t.Context(), append([]string{"run", writeConfig(t, tt.config), "--server", serverProgram, "--results", t.TempDir()}, tt.args...)...)
		if code != exitUsage || !strings.Contains(log, tt.want) {
			t.Errorf("%s: exit code %d\n%s\nwant %q", tt.why, code, log, tt.want)
		}
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
}
