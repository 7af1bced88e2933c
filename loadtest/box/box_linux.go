package box

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/opencontainers/cgroups"
	cgroups1 "github.com/opencontainers/cgroups/fs"
	cgroups2 "github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/cgroups/fscommon"
	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Box limits the processes that are started in it, and those that they start.
type Box struct {
	limits  result.Limits
	v2      bool
	dirs    map[string]string // of its control groups, by controller; "" of version 2
	homes   map[string]string // of those of the harness
	manager cgroups.Manager
}

// period is that of a CPU limit, in microseconds: the kernel's default.
const period = 100_000

// leastQuota is the least CPU time a period that the kernel allows, in microseconds.
const leastQuota = 1000

func (b *Box) create() error {
	for _, dir := range b.dirs {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	return b.set()
}

// set sets the limits.
func (b *Box) set() (err error) {
	r := &cgroups.Resources{Memory: b.limits.MemoryBytes}
	if b.limits.CPUs > 0 {
		r.CpuPeriod, r.CpuQuota = period, max(leastQuota, int64(math.Round(b.limits.CPUs*period)))
	}
	// Memory that is swapped out is still memory that the server needs. This allows no swap.
	r.MemorySwap = r.Memory
	config := &cgroups.Cgroup{Resources: r}
	if b.v2 {
		b.manager, err = cgroups2.NewManager(config, b.dirs[""])
	} else {
		if !cgroups.PathExists(filepath.Join(b.dirs["memory"], "memory.memsw.limit_in_bytes")) {
			r.MemorySwap = 0 // the kernel does not account for swap
		}
		b.manager, err = cgroups1.NewManager(config, b.dirs)
	}
	if err != nil {
		return err
	}
	if err := b.manager.Set(r); err != nil {
		return err
	}
	if b.limits.MemoryBytes == 0 {
		return nil
	}
	if b.v2 {
		// A server that has lost a process is not the one that was asked for.
		return cgroups.WriteFile(b.dirs[""], "memory.oom.group", "1")
	}
	// Version 1 counts the buffers of TCP separately, and only where they are limited.
	err = cgroups.WriteFile(b.dirs["memory"], "memory.kmem.tcp.limit_in_bytes", strconv.FormatInt(b.limits.MemoryBytes, 10))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// By says what keeps the limits: "cgroup v1" or "cgroup v2".
func (b *Box) By() string {
	if b.v2 {
		return "cgroup v2"
	}
	return "cgroup v1"
}

// Start starts a command in the box. Its process is born there: a process that was moved
// later would keep the memory that it has until then outside. A stage that enters the box and
// then executes the command would do as well, but its own memory would be in the box's peak.
//
// Version 2 can be told where to clone a process to. Of version 1, a process inherits the
// control groups of the thread that forks it, so this thread enters the box until it has.
func (b *Box) Start(cmd *exec.Cmd) error {
	if b.v2 {
		dir, err := os.Open(b.dirs[""])
		if err != nil {
			return err
		}
		defer dir.Close()
		if cmd.SysProcAttr == nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{}
		}
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
		return cmd.Start()
	}
	runtime.LockOSThread()
	err := move(b.dirs)
	if err == nil {
		err = cmd.Start()
	}
	if back := move(b.homes); back != nil {
		// The thread is not unlocked, so that it ends with its goroutine.
		return errors.Join(err, fmt.Errorf("leave the control group: %w", back))
	}
	runtime.UnlockOSThread()
	return err
}

// move moves this thread to control groups of version 1.
func move(dirs map[string]string) error {
	tid := strconv.Itoa(unix.Gettid())
	for _, dir := range dirs {
		if err := cgroups.WriteFile(dir, "tasks", tid); err != nil {
			return err
		}
	}
	return nil
}

// Read reads what the box uses and has counted.
func (b *Box) Read() (Reading, error) {
	s, err := b.manager.Stats(&cgroups.StatsOptions{Controllers: cgroups.Memory | cgroups.CPU})
	if err != nil {
		return Reading{}, fmt.Errorf("read the control group: %w", err)
	}
	m, stat := &s.MemoryStats, s.MemoryStats.Stats
	r := Reading{
		PeakBytes:    int64(m.Usage.MaxUsage),
		ThrottledSec: float64(s.CpuStats.ThrottlingData.ThrottledTime) / 1e9,
	}
	if b.v2 {
		r.Memory = result.BoxMemory{
			UserBytes: int64(stat["anon"]), FileBytes: int64(stat["file"]), KernelBytes: int64(stat["kernel"]),
			KernelStackBytes: int64(stat["kernel_stack"]), PageTableBytes: int64(stat["pagetables"]), SocketBytes: int64(stat["sock"]),
		}
		r.UsedBytes = int64(m.Usage.Usage - min(m.Usage.Usage, stat["inactive_file"]))
		hits, err := fscommon.GetValueByKey(b.dirs[""], "memory.events", "max")
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return Reading{}, fmt.Errorf("read the control group: %w", err)
		}
		r.LimitHits = int64(hits)
	} else {
		r.Memory = result.BoxMemory{
			UserBytes: int64(stat["total_rss"]), FileBytes: int64(stat["total_cache"]),
			KernelBytes: int64(m.KernelUsage.Usage), SocketBytes: int64(m.KernelTCPUsage.Usage),
		}
		r.UsedBytes = int64(m.Usage.Usage-min(m.Usage.Usage, stat["total_inactive_file"])) + r.Memory.SocketBytes
		// Of the two limits, the kernel may check either first. Linux 6.18 counts neither.
		r.LimitHits = int64(m.Usage.Failcnt + m.SwapUsage.Failcnt)
	}
	r.OOMKills, err = b.OOMKills()
	return r, err
}

// OOMKills returns how many processes the kernel has killed because the memory of the box was
// used up. It is cheap enough to ask many times a second.
func (b *Box) OOMKills() (int64, error) {
	n, err := b.manager.OOMKillCount()
	if err != nil {
		return 0, fmt.Errorf("read the control group: %w", err)
	}
	return int64(n), nil
}

// Remove kills what runs in the box and removes it. It may be called more than once.
func (b *Box) Remove() error {
	var errs []error
	for _, dir := range b.dirs {
		errs = append(errs, remove(dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove the box: %w", err)
	}
	return nil
}

const (
	removeWithin = 10 * time.Second
	removeEvery  = 5 * time.Millisecond
)

// remove kills the processes in a control group and those below it, waits until they have
// ended, and removes it.
func remove(dir string) error {
	_ = cgroups.WriteFile(dir, "cgroup.kill", "1") // of version 2 since Linux 5.14
	for deadline := time.Now().Add(removeWithin); ; time.Sleep(removeEvery) {
		pids, err := cgroups.GetAllPids(dir)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return cgroups.RemovePath(dir)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v are still there after SIGKILL", pids)
		}
		for _, pid := range pids {
			if pid > 0 && pid != os.Getpid() { // 0 is one that this PID namespace does not show
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}
