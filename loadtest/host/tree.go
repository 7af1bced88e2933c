// Package host reads what the kernel says of this machine and of a server's
// processes: CPU, memory, threads, descriptors, sockets, limits. Reading is
// kept apart from parsing; the parsers are pure and tested on fixtures.
package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/tierbench/tierbench/loadtest/result"
)

// ErrUnsupported is returned where this operating system has no way to tell.
var ErrUnsupported = errors.New("not supported on " + runtime.GOOS)

// userHZ is the unit of CPU time in /proc/PID/stat. The kernel's ABI fixes it
// at 100 for every architecture that Go runs on, whatever CONFIG_HZ is.
const userHZ = 100

// kernelStackBytes is the size of one thread's kernel stack: THREAD_SIZE of
// arch/x86 and arch/arm64 (16 KiB), which is also that of the other 64-bit
// architectures with 4 KiB pages.
const kernelStackBytes = 16 << 10

// A Tree is the processes of one process group: a server, its workers and
// whatever else it started.
type Tree struct {
	Root string // of the proc file system; "/proc" when empty
	PGID int
}

func (t Tree) root() string {
	if t.Root == "" {
		return procfs.DefaultMountPoint
	}
	return t.Root
}

// stats reads the stat line of each process of the group that is not a zombie.
// A process that ends while it is read is left out.
func (t Tree) stats() ([]procfs.ProcStat, error) {
	pfs, err := procfs.NewFS(t.root())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", t.root(), err)
	}
	procs, err := pfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var out []procfs.ProcStat
	for _, p := range procs {
		st, err := p.Stat()
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read stat of pid %d: %w", p.PID, err)
		}
		if st.PGRP == t.PGID && st.State != "Z" && st.State != "X" {
			out = append(out, st)
		}
	}
	return out, nil
}

// gone tells a process that ended while it was read from a failure to read.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// PIDs lists the living processes of the group, in ascending order.
func (t Tree) PIDs() ([]int, error) {
	stats, err := t.stats()
	if err != nil {
		return nil, err
	}
	pids := make([]int, len(stats))
	for i, st := range stats {
		pids[i] = st.PID
	}
	sort.Ints(pids)
	return pids, nil
}

// A CPUTime is the CPU time of a tree since it started, in seconds. The sum is
// exact for the processes that live; how it divides into the two has a
// resolution of 1/100 s for each process.
type CPUTime struct {
	User, Sys float64
	At        time.Time // when it was read
}

// CPU reads the CPU time of the tree. It includes processes that have ended
// and were waited for by a process that is still there. Finding the processes
// takes a walk through all of the machine, but their clocks are then read one
// right after the other: a busy machine makes the walk long, and what is read
// must be of one moment. It says which.
func (t Tree) CPU() (CPUTime, error) {
	stats, err := t.stats()
	if err != nil {
		return CPUTime{}, err
	}
	var user, sys, ended int64 // in units of userHZ
	for _, st := range stats {
		user += int64(st.UTime) + int64(st.CUTime)
		sys += int64(st.STime) + int64(st.CSTime)
		ended += int64(st.CUTime) + int64(st.CSTime)
	}
	read := CPUTime{User: float64(user) / userHZ, Sys: float64(sys) / userHZ, At: time.Now()}
	if t.Root != "" { // clocks are only of what is alive
		return read, nil
	}
	sum := float64(ended) / userHZ
	for _, st := range stats {
		ran, ok := cpuClock(st.PID)
		if !ok { // it has ended since
			ran = float64(st.UTime+st.STime) / userHZ
		}
		sum += ran
	}
	// The reading itself may be held up: in the middle it is off by half of that.
	at := read.At.Add(time.Since(read.At) / 2)
	if user+sys == 0 {
		return CPUTime{User: sum, At: at}, nil
	}
	share := float64(user) / float64(user+sys)
	return CPUTime{User: sum * share, Sys: sum * (1 - share), At: at}, nil
}

// Usage reads the memory, threads and descriptors of the tree. That of its
// sockets is not in it: it is read with them.
func (t Tree) Usage() (result.Usage, error) {
	stats, err := t.stats()
	if err != nil {
		return result.Usage{}, err
	}
	var u result.Usage
	for _, st := range stats {
		u.Processes++
		u.Threads += st.NumThreads
		err := t.memory(st.PID, &u)
		if gone(err) {
			continue
		}
		if err != nil {
			return result.Usage{}, fmt.Errorf("read memory of pid %d: %w", st.PID, err)
		}
		fds, err := os.ReadDir(filepath.Join(t.root(), strconv.Itoa(st.PID), "fd"))
		if gone(err) {
			continue
		}
		if err != nil {
			return result.Usage{}, fmt.Errorf("read descriptors of pid %d: %w", st.PID, err)
		}
		u.FDs += len(fds)
	}
	u.KernelStackBytes = int64(u.Threads) * kernelStackBytes
	return u, nil
}

// memory adds what a process holds.
func (t Tree) memory(pid int, u *result.Usage) error {
	pfs, err := procfs.NewFS(t.root())
	if err != nil {
		return err
	}
	p, err := pfs.Proc(pid)
	if err != nil {
		return err
	}
	m, err := p.ProcSMapsRollup()
	if err != nil {
		return err
	}
	status := make([]byte, 4096)
	n, err := readInto(filepath.Join(t.root(), strconv.Itoa(pid), "status"), status)
	if err != nil {
		return err
	}
	tables, err := parsePageTables(status[:n])
	if err != nil {
		return err
	}
	u.PSSBytes += int64(m.Pss)
	u.SharedBytes += int64(m.SharedClean + m.SharedDirty)
	u.PageTableBytes += tables
	return nil
}

// parsePageTables reads what the page tables of a process take from its
// /proc/PID/status. A process that is about to end has none.
func parsePageTables(status []byte) (int64, error) { return statusBytes(status, "\nVmPTE:") }

// statusBytes is an amount of memory in a /proc/PID/status; 0 if there is no
// line that begins with key.
func statusBytes(status []byte, key string) (int64, error) {
	field, ok := statusField(status, key)
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(field, " kB"), 10, 64)
	if err != nil || n < 0 || n > 1<<50 {
		return 0, fmt.Errorf("%s in status is %q", strings.Trim(key, "\n:"), field)
	}
	return n << 10, nil
}

// statusField is the rest of the line that begins with key.
func statusField(status []byte, key string) (string, bool) {
	i := bytes.Index(status, []byte(key))
	if i < 0 {
		return "", false
	}
	field := status[i+len(key):]
	if end := bytes.IndexByte(field, '\n'); end >= 0 {
		field = field[:end]
	}
	return string(bytes.TrimSpace(field)), true
}

// CtxSwitches reads how often the threads that live now were switched away
// from, of their own will or not, since they started.
func (t Tree) CtxSwitches() (int64, error) {
	pids, err := t.PIDs()
	if err != nil {
		return 0, err
	}
	var sum int64
	buf := make([]byte, 4096)
	for _, pid := range pids {
		dir := filepath.Join(t.root(), strconv.Itoa(pid), "task")
		tasks, err := os.ReadDir(dir)
		if gone(err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("list threads of pid %d: %w", pid, err)
		}
		for _, task := range tasks {
			n, err := readInto(filepath.Join(dir, task.Name(), "status"), buf)
			if gone(err) {
				continue
			}
			if err != nil {
				return 0, fmt.Errorf("read status of thread %s: %w", task.Name(), err)
			}
			c, err := parseCtxSwitches(buf[:n])
			if err != nil {
				return 0, fmt.Errorf("thread %s: %w", task.Name(), err)
			}
			sum += c
		}
	}
	return sum, nil
}

// readInto reads the start of a file without allocating: a server may have ten
// thousand threads, and they are read while it is being measured.
func readInto(path string, buf []byte) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Read(buf)
}

// parseCtxSwitches sums the voluntary and the other context switches of a
// /proc/PID/task/TID/status.
func parseCtxSwitches(status []byte) (int64, error) {
	var sum int64
	for _, key := range []string{"\nvoluntary_ctxt_switches:", "\nnonvoluntary_ctxt_switches:"} {
		field, ok := statusField(status, key)
		if !ok {
			return 0, fmt.Errorf("no %s in status", strings.Trim(key, "\n:"))
		}
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s in status: %w", strings.Trim(key, "\n:"), err)
		}
		sum += n
	}
	return sum, nil
}

// SocketOwners maps the inode of each socket of the tree to the process that
// holds it. A socket that several processes hold goes to the youngest, the
// worker that was forked with it.
func (t Tree) SocketOwners() (map[uint32]int, error) {
	pids, err := t.PIDs()
	if err != nil {
		return nil, err
	}
	owners := make(map[uint32]int)
	for _, pid := range pids {
		dir := filepath.Join(t.root(), strconv.Itoa(pid), "fd")
		fds, err := os.ReadDir(dir)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read descriptors of pid %d: %w", pid, err)
		}
		for _, fd := range fds {
			link, err := os.Readlink(filepath.Join(dir, fd.Name()))
			if err != nil {
				continue // closed since it was listed
			}
			if inode, ok := parseSocketLink(link); ok {
				owners[inode] = pid
			}
		}
	}
	return owners, nil
}

// parseSocketLink reads the inode from a descriptor's link, "socket:[1234]".
func parseSocketLink(link string) (uint32, bool) {
	s, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 32)
	return uint32(n), err == nil
}

// Sockets are those of one TCP port on this host, by inode.
type Sockets struct {
	Listening   []uint32
	Established []uint32         // the server's ends
	Peers       []netip.AddrPort // the other ends of those, in the same order
	IPv6        int              // how many are of that family, also if they talk to IPv4 addresses
	// QueuedBytes are those of what is in their queues. The sockets themselves
	// are not in it: see SocketObjects.
	QueuedBytes int64
}

// OwnerOf is the process of the tree that holds the server's end of a
// connection from peer; 0 if none does, or not yet.
func (s Sockets) OwnerOf(peer netip.AddrPort, owners map[uint32]int) int {
	if i := slices.Index(s.Peers, peer); i >= 0 {
		return owners[s.Established[i]]
	}
	return 0
}

// ConnsPerProcess counts the established connections that each process of the
// tree holds, largest first, and how many of them nobody in the tree holds yet
// (they wait in the accept queue).
func (s Sockets) ConnsPerProcess(owners map[uint32]int) (perProcess []int, unowned int) {
	counts := make(map[int]int)
	for _, inode := range s.Established {
		if pid, ok := owners[inode]; ok {
			counts[pid]++
		} else {
			unowned++
		}
	}
	for _, n := range counts {
		perProcess = append(perProcess, n)
	}
	sort.Sort(sort.Reverse(sort.IntSlice(perProcess)))
	return perProcess, unowned
}
