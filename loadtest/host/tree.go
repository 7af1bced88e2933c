// Package host reads from the kernel what this machine and a server's processes use,
// and their limits: CPU, memory, threads, descriptors, sockets. Reading is separate
// from parsing; the parsers are pure and tested on fixtures.
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

// ErrUnsupported is returned for what this operating system does not offer.
var ErrUnsupported = errors.New("not supported on " + runtime.GOOS)

// userHZ is the unit of CPU time in /proc/PID/stat. The kernel's ABI fixes it
// at 100 for every architecture that Go runs on, whatever CONFIG_HZ is.
const userHZ = 100

// kernelStackBytes is the size of a thread's kernel stack: THREAD_SIZE of arch/x86 and
// arch/arm64 (16 KiB). Other 64-bit architectures with 4 KiB pages have the same.
const kernelStackBytes = 16 << 10

// A Tree is the processes of a process group: a server, its workers and everything
// else that it started.
type Tree struct {
	Root string // of the proc file system; "/proc" if empty
	PGID int
}

func (t Tree) root() string {
	if t.Root == "" {
		return procfs.DefaultMountPoint
	}
	return t.Root
}

// stats reads the stat line of each process of the group, except zombies and processes
// that end in the meantime.
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

// gone reports whether a read failed because the process ended in the meantime.
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

// A CPUTime is the CPU time of a tree since it started, in seconds. The sum is exact
// for living processes. Its division into user and system time has a resolution of
// 1/100 s per process.
type CPUTime struct {
	User, Sys float64
	At        time.Time // when it was read
}

// CPU reads the CPU time of the tree. It includes processes that have ended, if a
// process that still lives has waited for them. CPU first looks for the processes among
// all those of the machine, which takes long on a busy machine. Then it reads their
// clocks one right after the other, so that the result describes one moment, CPUTime.At.
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
	if t.Root != "" { // a fixture has no clocks
		return read, nil
	}
	sum := float64(ended) / userHZ
	for _, st := range stats {
		ran, ok := cpuClock(st.PID)
		if !ok { // it has ended in the meantime
			ran = float64(st.UTime+st.STime) / userHZ
		}
		sum += ran
	}
	// Reading the clocks takes time as well. The middle is wrong by at most half of it.
	at := read.At.Add(time.Since(read.At) / 2)
	if user+sys == 0 {
		return CPUTime{User: sum, At: at}, nil
	}
	share := float64(user) / float64(user+sys)
	return CPUTime{User: sum * share, Sys: sum * (1 - share), At: at}, nil
}

// CPUClocks reads the CPU time that processes have used, in seconds, at the cost of one
// system call for each. It fails if one of them has ended.
func CPUClocks(pids []int) (sum float64, err error) {
	for _, pid := range pids {
		ran, ok := cpuClock(pid)
		if !ok {
			return 0, fmt.Errorf("read the CPU clock of pid %d: the process has ended", pid)
		}
		sum += ran
	}
	return sum, nil
}

// Usage reads the memory, threads and descriptors of the tree. It does not include the
// memory of sockets: see SocketsOn.
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

// memory adds the memory of a process.
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

// parsePageTables reads the size of a process's page tables from its /proc/PID/status,
// in bytes. A process that is about to end has none.
func parsePageTables(status []byte) (int64, error) { return statusBytes(status, "\nVmPTE:") }

// statusBytes returns an amount of memory from a /proc/PID/status, in bytes; 0 if no
// line begins with key.
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

// statusField returns the rest of the line that begins with key.
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

// CtxSwitches returns the number of context switches, voluntary and involuntary, of all
// living threads since they started.
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

// readInto reads the start of a file without allocating, because the files of up to ten
// thousand threads are read while the server is measured.
func readInto(path string, buf []byte) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Read(buf)
}

// parseCtxSwitches adds up the voluntary and involuntary context switches in a
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

// SocketOwners maps the inode of each socket of the tree to the process that has it
// open. If several processes do, it is the youngest: the worker that was forked with it.
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
				continue // closed in the meantime
			}
			if inode, ok := parseSocketLink(link); ok {
				owners[inode] = pid
			}
		}
	}
	return owners, nil
}

// parseSocketLink parses the inode from a descriptor's link, "socket:[1234]".
func parseSocketLink(link string) (uint32, bool) {
	s, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 32)
	return uint32(n), err == nil
}

// Sockets are the sockets of one TCP port on this host, by inode.
type Sockets struct {
	Listening   []uint32
	Established []uint32         // the server's ends
	Peers       []netip.AddrPort // the other ends of those, in the same order
	IPv6        int              // how many are IPv6 sockets, including those connected to IPv4 addresses
	// QueuedBytes is the memory of their queues. It does not include the sockets
	// themselves: see SocketObjects.
	QueuedBytes int64
}

// OwnerOf returns the process that has the server's end of the connection from peer
// open; 0 if none has, or none has accepted it yet.
func (s Sockets) OwnerOf(peer netip.AddrPort, owners map[uint32]int) int {
	if i := slices.Index(s.Peers, peer); i >= 0 {
		return owners[s.Established[i]]
	}
	return 0
}

// ConnsPerProcess counts the established connections of each process of the tree,
// largest number first. Unowned is the number of connections that no process has
// accepted yet.
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
