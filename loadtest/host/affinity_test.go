package host

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestParseCPUs(t *testing.T) {
	for _, tt := range []struct {
		text string
		want CPUSet
		back string
	}{
		{"0", CPUSet{0}, "0"},
		{"3,1", CPUSet{1, 3}, "1,3"},
		{"0-3,8", CPUSet{0, 1, 2, 3, 8}, "0-3,8"},
		{"2-2,1,2", CPUSet{1, 2}, "1-2"},
		{"", nil, ""}, {"a", nil, ""}, {"3-1", nil, ""}, {"1,", nil, ""}, {"-1", nil, ""}, {"0-99999", nil, ""},
	} {
		got, err := ParseCPUs(tt.text)
		if (err != nil) != (tt.want == nil) || !slices.Equal(got, tt.want) || got.String() != tt.back {
			t.Errorf("%q is %v (%q), err %v, want %v (%q)", tt.text, got, got.String(), err, tt.want, tt.back)
		}
	}
	if n := (CPUSet{0, 1, 4}).Common(CPUSet{1, 2, 4}); n != 2 {
		t.Errorf("%d CPUs in both, want 2", n)
	}
}

// A process that is started from a bound thread is bound too.
func TestBindIsInherited(t *testing.T) {
	needsLinux(t)
	all, err := Affinity()
	if err != nil {
		t.Fatal(err)
	}
	last := all[len(all)-1:]
	out := make(chan string)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := Bind(last); err != nil {
			out <- err.Error()
			return
		}
		b, err := exec.Command("grep", "Cpus_allowed_list", "/proc/self/status").Output()
		if err != nil {
			out <- err.Error()
			return
		}
		out <- string(b)
	}()
	if got := <-out; strings.TrimSpace(strings.TrimPrefix(got, "Cpus_allowed_list:")) != last.String() {
		t.Errorf("the child may use %q, want %v", got, last)
	}
	if now, err := Affinity(); err != nil || !slices.Equal(now, all) {
		t.Errorf("this thread may use %v, err %v, want %v", now, err, all)
	}
	if err := Bind(CPUSet{4095}); err == nil {
		t.Error("bound to a CPU that is not there")
	}
}

func TestBindProcessBindsEveryThread(t *testing.T) {
	needsLinux(t)
	all, err := Affinity()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := BindProcess(all); err != nil {
			t.Error(err)
		}
	}()
	first := all[:1]
	if err := BindProcess(first); err != nil {
		t.Fatal(err)
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		if err != nil {
			continue // it has ended
		}
		_, list, _ := strings.Cut(string(b), "Cpus_allowed_list:")
		list, _, _ = strings.Cut(list, "\n")
		if strings.TrimSpace(list) != first.String() {
			t.Errorf("thread %s may use %s, want %v", task.Name(), list, first)
		}
	}
}

func TestCountersLeaveOutTheBenchmark(t *testing.T) {
	needsLinux(t)
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	c, err := ReadCounters("/proc")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range c.Processes {
		seen[p.PID] = true
	}
	if seen[os.Getpid()] || seen[child.Process.Pid] {
		t.Error("this process or its child is among the others")
	}
	if parent := os.Getppid(); parent > 1 && !seen[parent] {
		t.Errorf("the parent, %d, is not among the %d others", parent, len(seen))
	}
}
