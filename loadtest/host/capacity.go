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

// Capacity contains the limits of this host. A field is -1 if the host sets no limit
// or does not report it.
type Capacity struct {
	Cores        int   // that this process can use at a time
	Own          Own   // the limits of its cgroups
	NoFile       int64 // descriptors per process, hard limit
	FileMax      int64 // fs.file-max: open files of the whole host
	NProc        int64 // processes and threads of this user
	PIDMax       int64 // kernel.pid_max: processes and threads of the whole host
	ThreadsMax   int64 // kernel.threads-max
	CgroupPIDs   int64 // pids.max of the control group
	Tasks        int64 // processes and threads that exist now
	PortLow      int   // ephemeral ports, both inclusive
	PortHigh     int
	SomaxConn    int64 // longest accept queue
	SynBacklog   int64
	MemAvailable int64 // bytes
}

// reservedFDs is how many descriptors a server or generator needs in addition to those
// of its connections: the runtime's poller, listeners, log, files of the run.
const reservedFDs = 256

// A Bound is one limit, and how many clients it allows.
type Bound struct {
	What    string // the resource that runs out
	Clients int64
	Why     string // the arithmetic
}

const (
	// sourcePorts is how many connections the generator opens from one address
	// before it takes the next of 127.0.0.0/8, which has millions.
	sourcePorts = 20_000
	// leastMemory is the least memory that a connection takes if both of its ends are on
	// this host: 6.4 KB for the two sockets (measured with a million connections on
	// Linux 6.18), and the state of the server and the generator.
	leastMemory = 8 << 10
	// evenShare is the part of the descriptors of several processes that can be used.
	// The kernel distributes connections by a hash, so one process is full before the
	// others: of 10,000 connections on 8 processes, the fullest had 4 % more than its
	// share.
	evenShare = 0.95
)

// PerProcess returns how many connections one process of a server or a generator can
// have.
func (c Capacity) PerProcess() Bound {
	if c.NoFile < 0 {
		return unbounded
	}
	return Bound{
		"descriptors", c.NoFile - reservedFDs,
		fmt.Sprintf("a process may open %d descriptors (hard limit), minus %d for its own use", c.NoFile, reservedFDs),
	}
}

var unbounded = Bound{"nothing", 1 << 30, "no limit found"}

// Server returns how many connections a server of so many processes can have.
func (c Capacity) Server(processes int) Bound {
	b := c.PerProcess()
	if processes > 1 && b != unbounded {
		b.Clients = int64(evenShare * float64(b.Clients) * float64(processes))
		b.Why = fmt.Sprintf("%s, in each of %d processes, minus %.0f %% because the kernel does not distribute connections evenly", b.Why, processes, 100*(1-evenShare))
	}
	return b
}

// Bounds lists the limits on the number of clients of this host that do not depend on
// the number of processes.
func (c Capacity) Bounds() []Bound {
	var b []Bound
	if c.FileMax >= 0 {
		b = append(b, Bound{"open files", c.FileMax / 2, fmt.Sprintf("fs.file-max is %d, and both ends of each connection are on this host", c.FileMax)})
	}
	if c.MemAvailable >= 0 {
		b = append(b, Bound{"memory", c.MemAvailable / leastMemory, fmt.Sprintf("%s are available, and a connection takes at least %d KiB", Size(c.MemAvailable), leastMemory>>10)})
	}
	// If there are enough ports for one address, there are always enough addresses.
	if n := int64(c.PortHigh - c.PortLow + 1); c.PortHigh > 0 && n < sourcePorts {
		b = append(b, Bound{"ports", n, fmt.Sprintf("ip_local_port_range is %d-%d, and the generator opens %d connections from each source address", c.PortLow, c.PortHigh, sourcePorts)})
	}
	return b
}

// MaxClients returns the tightest of the bounds.
func (c Capacity) MaxClients() Bound {
	least := unbounded
	for _, b := range c.Bounds() {
		least = Least(least, b)
	}
	return least
}

// Least returns the tighter of two bounds.
func Least(a, b Bound) Bound {
	if b.Clients < a.Clients {
		return b
	}
	return a
}

// MaxThreads returns how many more threads this host allows, for a server that needs
// one for each connection.
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

// ReadCapacity reads the limits of this host and process. root is the root of the proc
// file system.
func ReadCapacity(root string) Capacity {
	own := ReadOwn(root)
	c := Capacity{
		Cores: Cores(runtime.NumCPU(), own.CPUs), Own: own, NoFile: rlimitNoFile(), NProc: rlimitNProc(),
		FileMax: -1, PIDMax: -1, ThreadsMax: -1, CgroupPIDs: own.PIDs, SomaxConn: -1, SynBacklog: -1, MemAvailable: -1,
	}
	c.FileMax = readInt(root, "sys/fs/file-max")
	c.PIDMax = readInt(root, "sys/kernel/pid_max")
	c.ThreadsMax = readInt(root, "sys/kernel/threads-max")
	c.SomaxConn = readInt(root, "sys/net/core/somaxconn")
	c.SynBacklog = readInt(root, "sys/net/ipv4/tcp_max_syn_backlog")
	c.PortLow, c.PortHigh = parsePortRange(readText(root, "sys/net/ipv4/ip_local_port_range"))
	c.Tasks = parseTasks(readText(root, "loadavg"))
	if pfs, err := procfs.NewFS(root); err == nil {
		if m, err := pfs.Meminfo(); err == nil && m.MemAvailableBytes != nil {
			c.MemAvailable = int64(*m.MemAvailableBytes)
		}
	}
	if own.MemAvailable >= 0 && (c.MemAvailable < 0 || own.MemAvailable < c.MemAvailable) {
		c.MemAvailable = own.MemAvailable
	}
	return c
}

// Size formats an amount of memory: "22.7 GiB", "300 MiB".
func Size(bytes int64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

func readText(root, name string) string {
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// readInt reads a file that contains one number. It returns -1 if the file is missing
// or contains "max".
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

// parseTasks reads the total number of threads from /proc/loadavg: the part after the
// slash in the fourth field.
func parseTasks(s string) int64 {
	f := strings.Fields(s)
	if len(f) < 4 {
		return 0
	}
	_, after, _ := strings.Cut(f[3], "/")
	n, _ := strconv.ParseInt(after, 10, 64)
	return n
}

// sysctls are the settings of the kernel that affect a measurement with many connections.
var sysctls = []string{
	"fs.file-max", "fs.nr_open", "kernel.pid_max", "kernel.threads-max",
	"net.core.somaxconn", "net.core.netdev_max_backlog", "net.core.rmem_default", "net.core.wmem_default",
	"net.ipv4.ip_local_port_range", "net.ipv4.tcp_congestion_control", "net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_mem", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
	"net.ipv4.tcp_tw_reuse", "vm.overcommit_memory",
}

// Describe reads the properties of this machine that affect the numbers. root is the
// root of the proc file system.
func Describe(root string) result.Host {
	own := ReadOwn(root)
	h := result.Host{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: kernelRelease(root), Cores: Cores(runtime.NumCPU(), own.CPUs), Cgroup: own.Limits,
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
	if own.MemoryBytes > 0 && (h.MemBytes == 0 || own.MemoryBytes < h.MemBytes) {
		h.MemBytes = own.MemoryBytes
	}
	return h
}

func kernelRelease(root string) string { return readText(root, "sys/kernel/osrelease") }
