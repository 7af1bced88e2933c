// Package box limits a server's whole process tree to so much memory and so many CPUs, by a
// control group of its own (cgroups(7), version 1 and 2). Memory includes the kernel's share:
// stacks, page tables, sockets.
//
// A Place is where a harness can make boxes. It is opened once for a run: opening it also
// removes what harnesses that were killed have left. A Box is made for one server, which is
// in it from its birth: no memory is allocated outside. Removing a Box ends every process
// in it.
package box

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Reading is what a box has used and counted until now.
type Reading struct {
	// UsedBytes is the memory in use, without the file cache that the kernel takes back before
	// it refuses memory. PeakBytes is the most that was ever in use, with the cache.
	UsedBytes, PeakBytes int64
	Memory               result.BoxMemory
	ThrottledSec         float64 // CPU time that the CPU limit withheld, of all CPUs
	LimitHits            int64   // how often the memory limit was reached, and memory reclaimed
	OOMKills             int64   // processes that the kernel killed because the memory was used up
}

const procRoot = "/proc"

// An owner is the harness that made a control group. Names of control groups contain it, so
// that a later harness can tell which are left over.
type owner struct {
	// pidns is the inode of the PID namespace that pid is of. A harness in a container may see the
	// control groups of one in another, but not its processes.
	pidns uint64
	pid   int
	start uint64 // of the process, in clock ticks after the machine started
}

var names = regexp.MustCompile(`^tierbench-(\d{1,19})-(\d{1,9})-(\d{1,19})-(?:\d+|self)$`)

func (o owner) name(suffix string) string {
	return fmt.Sprintf("tierbench-%d-%d-%d-%s", o.pidns, o.pid, o.start, suffix)
}

// parseName reads the owner from the name of a control group.
func parseName(name string) (o owner, ok bool) {
	m := names.FindStringSubmatch(name)
	if m == nil {
		return o, false
	}
	var err1, err2, err3 error
	o.pidns, err1 = strconv.ParseUint(m[1], 10, 64)
	o.pid, err2 = strconv.Atoi(m[2])
	o.start, err3 = strconv.ParseUint(m[3], 10, 64)
	return o, err1 == nil && err2 == nil && err3 == nil
}

// self returns this process as an owner.
func self() (o owner, err error) {
	o.pid = os.Getpid()
	link, err := os.Readlink(procRoot + "/self/ns/pid") // pid:[4026531836]
	if err != nil {
		return o, err
	}
	if o.pidns, err = strconv.ParseUint(strings.Trim(strings.TrimPrefix(link, "pid:"), "[]"), 10, 64); err != nil {
		return o, fmt.Errorf("PID namespace %q: %w", link, err)
	}
	o.start, err = startOf(o.pid)
	return o, err
}

// startOf returns when a process started, in clock ticks after the machine did.
func startOf(pid int) (uint64, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	st, err := p.Stat()
	if err != nil {
		return 0, err
	}
	return st.Starttime, nil
}

// alive reports whether the owner still runs, or may run because it cannot be seen from
// where the harness us is.
func (o owner) alive(us owner) bool {
	if o.pidns != us.pidns {
		return true
	}
	start, err := startOf(o.pid)
	return err == nil && start == o.start
}
