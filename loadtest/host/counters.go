package host

import (
	"fmt"
	"os"

	"github.com/prometheus/procfs"

	"github.com/tierbench/tierbench/loadtest/result"
)

// Counters are the kernel's counters, since this machine started, of everything that
// may disturb a measurement.
type Counters struct {
	Trouble   result.Trouble // of TCP, in this network namespace
	TimeWait  int64          // sockets in TIME_WAIT now
	StolenSec float64        // CPU time taken by the hypervisor, of all cores
	// ThrottledSec is CPU time for which the cgroups of this process were stopped because they had
	// used up their CPU quotas.
	ThrottledSec float64
	Processes    []ProcessCPU // except this one, its descendants and the kernel's threads
}

// ProcessCPU is the CPU time of a process since it started, with a resolution
// of 1/100 s.
type ProcessCPU struct {
	PID  int
	Name string
	Sec  float64
}

// ReadCounters reads the counters. root is the root of the proc file system.
func ReadCounters(root string) (Counters, error) {
	var c Counters
	pfs, err := procfs.NewFS(root)
	if err != nil {
		return c, fmt.Errorf("open %s: %w", root, err)
	}
	self, err := pfs.Self()
	if err != nil {
		return c, fmt.Errorf("read own process: %w", err)
	}
	ext, err := self.Netstat()
	if err != nil {
		return c, fmt.Errorf("read TCP counters: %w", err)
	}
	count := func(v *float64) int64 {
		if v == nil {
			return 0
		}
		return int64(*v)
	}
	c.Trouble = result.Trouble{
		ListenOverflows: count(ext.ListenOverflows), ListenDrops: count(ext.ListenDrops), SynRetransmits: count(ext.TCPSynRetrans),
	}
	sockets, err := pfs.NetSockstat()
	if err != nil {
		return c, fmt.Errorf("count sockets: %w", err)
	}
	for _, p := range sockets.Protocols {
		if p.Protocol == "TCP" && p.TW != nil {
			c.TimeWait = int64(*p.TW)
		}
	}
	stat, err := pfs.Stat()
	if err != nil {
		return c, fmt.Errorf("read CPU counters: %w", err)
	}
	c.StolenSec, c.ThrottledSec = stat.CPUTotal.Steal, filesOf(root).throttledSec()
	c.Processes, err = processes(pfs, os.Getpid())
	return c, err
}

// processes reads the processes outside the benchmark, except the kernel's. own is the
// root of the benchmark's processes.
func processes(pfs procfs.FS, own int) ([]ProcessCPU, error) {
	all, err := pfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	parent := map[int]int{}
	var stats []procfs.ProcStat
	for _, p := range all {
		st, err := p.Stat()
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read stat of pid %d: %w", p.PID, err)
		}
		parent[st.PID] = st.PPID
		stats = append(stats, st)
	}
	const kthreadd = 2
	descends := func(pid int) bool {
		for range len(parent) + 1 { // the table was not read at one instant, so it may contain a cycle
			if pid == own || pid == kthreadd {
				return true
			}
			next, ok := parent[pid]
			if !ok {
				return false
			}
			pid = next
		}
		return false
	}
	var out []ProcessCPU
	for _, st := range stats {
		if !descends(st.PID) {
			out = append(out, ProcessCPU{st.PID, st.Comm, float64(st.UTime+st.STime) / userHZ})
		}
	}
	return out, nil
}
