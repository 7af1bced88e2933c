package launch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tierbench/tierbench/loadtest/host"
)

// A Group is a process that was started in a process group of its own, the leader, and
// all processes that it starts.
type Group struct {
	cmd  *exec.Cmd
	log  *tail
	done chan struct{} // closed after the leader has been waited for
	err  error         // of the wait; set once done is closed
}

// StartGroup starts a command with start, or as usual if it is nil. It adds env to the
// environment and binds the command to the CPUs, if any are given. The kernel kills the leader if this process dies first
// (Linux only).
func StartGroup(argv, env []string, cpus host.CPUSet, start func(*exec.Cmd) error) (*Group, error) {
	if start == nil {
		start = (*exec.Cmd).Start
	}
	g := &Group{cmd: exec.Command(argv[0], argv[1:]...), log: &tail{}, done: make(chan struct{})}
	g.cmd.Env = append(os.Environ(), env...)
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	g.cmd.SysProcAttr = procAttr()
	// Without a delay, a child that has inherited the pipe of the log would keep Wait
	// from returning after the leader has ended.
	g.cmd.WaitDelay = time.Second

	started := make(chan error)
	go func() {
		// The kernel sends the parent-death signal when the thread that started the child
		// ends, so this thread lives as long as the child.
		runtime.LockOSThread()
		if len(cpus) == 0 {
			defer runtime.UnlockOSThread()
		} else if err := host.Bind(cpus); err != nil {
			// The thread stays locked, so the runtime ends it: its binding has changed.
			started <- err
			return
		}
		err := start(g.cmd)
		started <- err
		if err == nil {
			g.err = g.cmd.Wait()
			close(g.done)
		}
	}()
	return g, <-started
}

// Tree returns the group's processes.
func (g *Group) Tree() host.Tree { return host.Tree{PGID: g.cmd.Process.Pid} }

// Exited is closed when the group's leader has ended.
func (g *Group) Exited() <-chan struct{} { return g.done }

// Log returns the last 4 KiB that the group printed.
func (g *Group) Log() string { return g.log.String() }

// Ended returns an error that says how the leader ended, with the end of its output. It
// must not be called before Exited is closed.
func (g *Group) Ended() error {
	return fmt.Errorf("it ended with %v%s", g.cmd.ProcessState, g.log.quote())
}

// Kill kills the whole group and returns when no process of it is left.
func (g *Group) Kill() error {
	deadline := time.Now().Add(2 * time.Second)
	for {
		if err := syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill group %d: %w", g.cmd.Process.Pid, err)
		}
		pids, err := g.Tree().PIDs()
		if err != nil {
			return fmt.Errorf("list the processes left in group %d: %w", g.cmd.Process.Pid, err)
		}
		if len(pids) == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v of group %d still exist after SIGKILL", pids, g.cmd.Process.Pid)
		}
		time.Sleep(pollEvery)
	}
	<-g.done
	return nil
}

func exitError(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("it ended with %v", exit.ProcessState)
	}
	return err
}

// tail keeps the end of a group's output.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > tailBytes {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-tailBytes:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}

func (t *tail) quote() string {
	if s := t.String(); s != "" {
		return "\n  it printed: " + strings.ReplaceAll(s, "\n", "\n  ")
	}
	return ""
}
