package host

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"github.com/tierbench/tierbench/loadtest/result"
)

// Capacity is what this host can carry. A field is -1 where the host sets no
// limit or has no way to tell.
type Capacity struct {
	Cores        int   // that this process may run on
	NoFile       int64 // descriptors a process, hard limit
	NProc        int64 // processes and threads of this user
	PIDMax       int64 // kernel.pid_max: processes and threads in all
	ThreadsMax   int64 // kernel.threads-max
	CgroupPIDs   int64 // pids.max of the control group
	Tasks        int64 // processes and threads there are now
	PortLow      int   // ephemeral ports, both inclusive
	PortHigh     int
	SomaxConn    int64 // longest accept queue
	SynBacklog   int64
	MemAvailable int64 // bytes
}

// reservedFDs are the descriptors that a server or generator needs besides its
// connections: the runtime's poller, listeners, log, files of the run.
const reservedFDs = 256

// A Bound is one limit, and how many clients it allows.
type Bound struct {
	What    string // what runs out
	Clients int64
	Why     string // the arithmetic
}

// Bounds lists what limits the number of clients that one generator process
// and one server process on this host can hold between them.
func (c Capacity) Bounds() []Bound {
	var b []Bound
	if c.NoFile >= 0 {
		b = append(b, Bound{
			"descriptors", c.NoFile - reservedFDs,
			fmt.Sprintf("a process may open %d (hard limit), less %d for its own use", c.NoFile, reservedFDs),
		})
	}
	if c.PortHigh > 0 {
		n := int64(c.PortHigh - c.PortLow + 1)
		b = append(b, Bound{
			"ports", n,
			fmt.Sprintf("ip_local_port_range is %d-%d, from one source address to one server address", c.PortLow, c.PortHigh),
		})
	}
	return b
}

// MaxClients is the largest number of clients that this host can hold against
// any model, and the bound that says so.
func (c Capacity) MaxClients() Bound {
	least := Bound{"nothing", 1 << 20, "no limit found"}
	for _, b := range c.Bounds() {
		if b.Clients < least.Clients {
			least = b
		}
	}
	return least
}

// MaxThreads is how many more threads this host allows, for a server that
// needs one for each connection.
func (c Capacity) MaxThreads() Bound {
	least := Bound{"nothing", 1 << 20, "no limit found"}
	for _, l := range []struct {
		what string
		n    int64
	}{
		{"kernel.pid_max", c.PIDMax}, {"kernel.threads-max", c.ThreadsMax},
		{"RLIMIT_NPROC", c.NProc}, {"pids.max of the control group", c.CgroupPIDs},
	} {
		if l.n >= 0 && l.n-c.Tasks < least.Clients {
			least = Bound{"threads", l.n - c.Tasks, fmt.Sprintf("%s is %d, %d in use", l.what, l.n, c.Tasks)}
		}
	}
	return least
}

// ReadCapacity reads the limits of this host and process. root is that of the
// proc file system.
func ReadCapacity(root string) Capacity {
	c := Capacity{
		Cores: runtime.NumCPU(), NoFile: rlimitNoFile(), NProc: rlimitNProc(),
		PIDMax: -1, ThreadsMax: -1, CgroupPIDs: -1, SomaxConn: -1, SynBacklog: -1, MemAvailable: -1,
	}
	c.PIDMax = readInt(root, "sys/kernel/pid_max")
	c.ThreadsMax = readInt(root, "sys/kernel/threads-max")
	c.SomaxConn = readInt(root, "sys/net/core/somaxconn")
	c.SynBacklog = readInt(root, "sys/net/ipv4/tcp_max_syn_backlog")
	c.PortLow, c.PortHigh = parsePortRange(readText(root, "sys/net/ipv4/ip_local_port_range"))
	c.Tasks = parseTasks(readText(root, "loadavg"))
	c.CgroupPIDs = cgroupPIDs(root)
	if pfs, err := procfs.NewFS(root); err == nil {
		if m, err := pfs.Meminfo(); err == nil && m.MemAvailableBytes != nil {
			c.MemAvailable = int64(*m.MemAvailableBytes)
		}
	}
	return c
}

// cgroupPIDs is the smallest pids.max from this process's control group up to
// the root of the hierarchy (version 2), -1 if there is none.
func cgroupPIDs(root string) int64 {
	least := int64(-1)
	for line := range strings.Lines(readText(root, "self/cgroup")) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for ; ; path = filepath.Dir(path) {
			if n := readInt("/sys/fs/cgroup", filepath.Join(path, "pids.max")); n >= 0 && (least < 0 || n < least) {
				least = n
			}
			if path == "/" || path == "." {
				break
			}
		}
	}
	return least
}

func readText(root, name string) string {
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// readInt reads a file of one number; -1 if it is not there or says "max".
func readInt(root, name string) int64 {
	n, err := strconv.ParseInt(readText(root, name), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func parsePortRange(s string) (low, high int) {
	if n, _ := fmt.Sscan(s, &low, &high); n != 2 {
		return 0, 0
	}
	return low, high
}

// parseTasks reads the number of threads in all from /proc/loadavg: the part
// behind the slash of its fourth field.
func parseTasks(s string) int64 {
	f := strings.Fields(s)
	if len(f) < 4 {
		return 0
	}
	_, after, _ := strings.Cut(f[3], "/")
	n, _ := strconv.ParseInt(after, 10, 64)
	return n
}

// sysctls that bear on a measurement of many connections.
var sysctls = []string{
	"fs.file-max", "fs.nr_open", "kernel.pid_max", "kernel.threads-max",
	"net.core.somaxconn", "net.core.netdev_max_backlog", "net.core.rmem_default", "net.core.wmem_default",
	"net.ipv4.ip_local_port_range", "net.ipv4.tcp_congestion_control", "net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_mem", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
	"net.ipv4.tcp_tw_reuse", "vm.overcommit_memory",
}

// Describe reads what of this machine bears on the numbers.
func Describe(root string) result.Host {
	h := result.Host{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: kernelRelease(root), Cores: runtime.NumCPU(),
		Limits:  map[string]int64{"nofile": rlimitNoFile(), "nproc": rlimitNProc()},
		Sysctls: map[string]string{},
	}
	for _, name := range sysctls {
		if v := readText(root, filepath.Join("sys", strings.ReplaceAll(name, ".", "/"))); v != "" {
			h.Sysctls[name] = strings.Join(strings.Fields(v), " ")
		}
	}
	h.CPUModel, h.Virtual = cpuModel(root)
	_, _ = fmt.Sscan(readText(root, "loadavg"), &h.Load1) // 0 where there is none
	if pfs, err := procfs.NewFS(root); err == nil {
		if m, err := pfs.Meminfo(); err == nil && m.MemTotalBytes != nil {
			h.MemBytes = int64(*m.MemTotalBytes)
		}
	}
	return h
}

func kernelRelease(root string) string { return readText(root, "sys/kernel/osrelease") }
