package box

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/cgroups"
	cgroups2 "github.com/opencontainers/cgroups/fs2"
	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/result"
)

// The processes of these tests are this binary, in a role that an argument names.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "role" {
		role(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

func role(name string) {
	switch name {
	case "cgroups": // says where it is and waits
		text, _ := os.ReadFile("/proc/self/cgroup")
		fmt.Printf("%s\n", strings.ReplaceAll(string(text), "\n", " "))
		select {}
	case "leak":
		var kept [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			kept = append(kept, b)
			runtime.KeepAlive(kept)
		}
	case "spin":
		for range 2 {
			go func() {
				for n := uint64(1); n != 0; n += 2 { // is odd for ever
				}
			}()
		}
		select {}
	case "stubborn": // leaves its process group, ignores SIGTERM, and has a child
		signal.Ignore(syscall.SIGTERM)
		child := exec.Command(os.Args[0], "role", "child")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Println(child.Process.Pid)
		select {}
	case "child":
		signal.Ignore(syscall.SIGTERM)
		select {}
	case "harness": // is killed with a box in use
		p, err := Open()
		if err != nil {
			panic(err)
		}
		b, err := p.Create(result.Limits{MemoryBytes: 64 << 20})
		if err != nil {
			panic(err)
		}
		cmd := exec.Command(os.Args[0], "role", "child")
		if err := b.Start(cmd); err != nil {
			panic(err)
		}
		for _, dir := range b.dirs {
			fmt.Println(dir)
		}
		fmt.Println(cmd.Process.Pid)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func command(role string) *exec.Cmd { return exec.Command(os.Args[0], "role", role) }

func open(t *testing.T) *Place {
	t.Helper()
	p, err := Open()
	if err != nil {
		t.Skipf("no box can be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func create(t *testing.T, l result.Limits) *Box {
	t.Helper()
	b, err := open(t).Create(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Remove(); err != nil {
			t.Error(err)
		}
		for _, dir := range b.dirs {
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is left: %v", dir, err)
			}
		}
	})
	return b
}

// start starts a role in a box, and returns the first line that it prints.
func start(t *testing.T, b *Box, role string) (*exec.Cmd, string) {
	t.Helper()
	cmd := command(role)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the process printed nothing: %v", err)
	}
	return cmd, strings.TrimSpace(line)
}

func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func TestAProcessIsBornInTheBox(t *testing.T) {
	b := create(t, result.Limits{MemoryBytes: 64 << 20, CPUs: 1})
	_, where := start(t, b, "cgroups")
	for controller, dir := range b.dirs {
		if want := controller + ":"; !strings.Contains(where, want) || !strings.Contains(where, filepath.Base(dir)) {
			t.Errorf("the process is in %q, not in %s", where, dir)
		}
	}
	if n := strings.Count(where, "/tierbench-"); n != len(b.dirs) {
		t.Errorf("the process is in %d of the %d control groups of its box: %s", n, len(b.dirs), where)
	}
	r, err := b.Read()
	if err != nil {
		t.Fatal(err)
	}
	if r.UsedBytes < 100<<10 || r.PeakBytes < r.Memory.UserBytes || r.PeakBytes > 64<<20 || r.Memory.UserBytes <= 0 || r.Memory.KernelBytes <= 0 {
		t.Errorf("a process waits in the box: %+v", r)
	}
	// The harness itself is not in it.
	tasks, err := filepath.Glob("/proc/self/task/*/cgroup")
	if err != nil || len(tasks) == 0 {
		t.Fatal(tasks, err)
	}
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, dir := range b.dirs {
			if strings.Contains(string(text), filepath.Base(dir)) {
				t.Errorf("a thread of the harness is in the box: %s", text)
			}
		}
	}
}

func TestMemoryIsLimited(t *testing.T) {
	b := create(t, result.Limits{MemoryBytes: 32 << 20})
	cmd := command("leak")
	if err := b.Start(cmd); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("a process that takes all memory ended with %v", cmd.ProcessState)
	}
	r, err := b.Read()
	if err != nil {
		t.Fatal(err)
	}
	// Linux 6.18 does not count the hits of version 1.
	if r.OOMKills != 1 || b.v2 && r.LimitHits == 0 || r.PeakBytes > 33<<20 || r.PeakBytes < 30<<20 {
		t.Errorf("%+v, want one OOM kill at 32 MiB", r)
	}
}

func TestCPUIsLimited(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("this machine has one CPU, which limits already")
	}
	// On a busy machine, two threads may not get more.
	b := create(t, result.Limits{CPUs: 0.1})
	cmd := command("spin")
	if err := b.Start(cmd); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	time.Sleep(time.Second)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	used, wall := cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), time.Since(began)
	if share := used.Seconds() / wall.Seconds(); share > 0.2 {
		t.Errorf("two busy threads used %.2f CPUs in a box of 0.1", share)
	}
	if r, err := b.Read(); err != nil || r.ThrottledSec <= 0 {
		t.Errorf("%+v, %v: two busy threads were not throttled", r, err)
	}
}

func TestRemoveEndsWhatRuns(t *testing.T) {
	b := create(t, result.Limits{MemoryBytes: 64 << 20, CPUs: 1})
	cmd, line := start(t, b, "stubborn")
	child, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(); err != nil {
		t.Error(err)
	}
	gone(t, cmd.Process.Pid)
	gone(t, child)
}

func TestWhatAKilledHarnessLeftIsSwept(t *testing.T) {
	p := open(t)
	mine, err := p.Create(result.Limits{MemoryBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Remove()
	out, _ := command("harness").Output() // it kills itself
	lines := strings.Fields(string(out))
	if len(lines) != len(mine.dirs)+1 {
		t.Fatalf("the harness printed %q", out)
	}
	pid, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil {
		t.Fatal(err)
	}
	open(t)
	gone(t, pid)
	for _, dir := range lines[:len(lines)-1] {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
	for _, dir := range mine.dirs {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("the box of a harness that runs was swept: %v", err)
		}
	}
}

func TestABoxThatCannotBeMadeLeavesNothing(t *testing.T) {
	p := open(t)
	if _, err := p.Create(result.Limits{MemoryBytes: 1 << 62, CPUs: 1 << 40}); err == nil {
		t.Error("a box of 2^40 CPUs was made")
	}
	for _, home := range p.homes {
		if left, _ := filepath.Glob(filepath.Join(home, p.owner.name("*"))); len(left) > 0 {
			t.Errorf("%v are left", left)
		}
	}
}

// The kernel's files of version 2, as a directory.
func TestVersion2(t *testing.T) {
	cgroups.TestMode = true
	defer func() { cgroups.TestMode = false }()
	dir := filepath.Join(t.TempDir(), "box")
	b := &Box{limits: result.Limits{MemoryBytes: 64 << 20, CPUs: 1.5}, v2: true, dirs: map[string]string{"": dir}}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("cgroup.controllers", "cpu memory\n")
	if err := b.set(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"memory.max": "67108864", "memory.swap.max": "0", "cpu.max": "150000 100000", "memory.oom.group": "1",
	} {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	write("memory.stat", "anon 100\nfile 20\nkernel 3000\nkernel_stack 1024\npagetables 512\nsock 64\ninactive_file 15\n")
	write("memory.current", "3184\n")
	write("memory.peak", "4000\n")
	write("memory.swap.current", "0\n")
	write("memory.events", "low 0\nmax 7\noom 2\noom_kill 1\n")
	write("cpu.stat", "usage_usec 900\nnr_periods 4\nnr_throttled 2\nthrottled_usec 250000\n")
	got, err := b.Read()
	want := Reading{3169, 4000, result.BoxMemory{UserBytes: 100, FileBytes: 20, KernelBytes: 3000, KernelStackBytes: 1024, PageTableBytes: 512, SocketBytes: 64}, 0.25, 7, 1}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// A real control group of version 2 need not have the controllers for that.
func TestAProcessIsBornInVersion2(t *testing.T) {
	g, ok := host.OwnCgroups(procRoot)[""]
	if !ok {
		t.Skip("no control groups of version 2 are mounted")
	}
	us, err := self()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(g.Dir(), us.name("7"))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no control group can be made: %v", err)
	}
	manager, err := cgroups2.NewManager(&cgroups.Cgroup{Resources: &cgroups.Resources{}}, dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &Box{v2: true, dirs: map[string]string{"": dir}, manager: manager}
	cmd, where := start(t, b, "cgroups")
	if !strings.Contains(where, "0::"+filepath.Join(g.Path, filepath.Base(dir))) {
		t.Errorf("the process is in %q, not in %s", where, dir)
	}
	if err := b.Remove(); err != nil {
		t.Error(err)
	}
	gone(t, cmd.Process.Pid)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", dir, err)
	}
}

func TestNames(t *testing.T) {
	us, err := self()
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"1", "self"} {
		if o, ok := parseName(us.name(suffix)); !ok || o != us || !o.alive(us) {
			t.Errorf("%q is of %+v, %v; want %+v, alive", us.name(suffix), o, ok, us)
		}
	}
	for _, name := range []string{"tierbench", "tierbench-1-2-3", "tierbench-1-2-3-4-5", "a-tierbench-1-2-3-4", "tierbench-1-2-x-4", "user.slice"} {
		if o, ok := parseName(name); ok {
			t.Errorf("%q is taken for a control group of %+v", name, o)
		}
	}
	for _, tt := range []struct {
		why   string
		o     owner
		alive bool
	}{
		{"another process got its number", owner{us.pidns, us.pid, us.start - 1}, false},
		{"no such process", owner{us.pidns, 1 << 22, us.start}, false},
		{"it cannot be seen from here", owner{us.pidns + 1, 1 << 22, 7}, true},
	} {
		if got := tt.o.alive(us); got != tt.alive {
			t.Errorf("%s: alive %v", tt.why, got)
		}
	}
}

// An ordinary user has no control groups but those that systemd delegates.
func TestAnOrdinaryUserIsTold(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("this is an ordinary user, to whom TestAProcessIsBornInTheBox speaks")
	}
	p := open(t)
	if p.v2 {
		t.Skip("control groups of version 2 are delegated by their owner")
	}
	errs := make(chan error)
	go func() {
		// The thread keeps the user and ends.
		runtime.LockOSThread()
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			errs <- errno
			return
		}
		_, err := Open()
		errs <- err
	}()
	if err := <-errs; err == nil || !strings.Contains(err.Error(), "no control group can be made in ") {
		t.Errorf("err %v", err)
	}
}
