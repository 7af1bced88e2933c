package result

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/quantity"
)

// Limits are the most memory and the most CPUs that a process tree may use. Zero is no limit.
type Limits struct {
	MemoryBytes int64   `json:"memory_bytes,omitempty"`
	CPUs        float64 `json:"cpus,omitempty"` // CPU seconds a second
}

// A Box is what limited a server's process tree, and what the tree used of it.
type Box struct {
	Limits
	// By is "cgroup v1", "cgroup v2", or "account": the harness itself kept the limit, by what it
	// read of the processes at the ends of the window and each second.
	By string `json:"by"`
	// Why is the reason for which no control group could be made (by account).
	Why string `json:"why,omitempty"`
	// PeakBytes is the most memory that was in use since the server started, with the file cache;
	// by account, the most that was read.
	PeakBytes int64     `json:"memory_peak_bytes"`
	Memory    BoxMemory `json:"memory"` // when it was last read: usually at the end of the window
	// ThrottledSec is CPU time that the CPU limit withheld in the window, of all CPUs.
	ThrottledSec float64 `json:"throttled_sec"`
	// LimitHits is how often the memory limit was reached, so that the kernel had to reclaim memory
	// or refuse it; OOMKills how many processes it killed.
	LimitHits int64 `json:"limit_hits,omitempty"`
	OOMKills  int64 `json:"oom_kills,omitempty"`
}

// OutOfMemory says how the memory limit has ended the server; "" if it has not.
func (b *Box) OutOfMemory() string {
	switch {
	case b.OOMKills > 0:
		return "the server was killed: out of memory in its box of " + sizeText(b.MemoryBytes)
	case b.By == ByAccount && b.MemoryBytes > 0 && b.PeakBytes > b.MemoryBytes:
		return fmt.Sprintf("the server was ended: out of memory in its box of %s, with %.1f MiB in use (by account)",
			sizeText(b.MemoryBytes), float64(b.PeakBytes)/(1<<20))
	}
	return ""
}

// fullShare is the part of a memory limit from which on it counts as reached. The kernel refuses
// memory in chunks.
const fullShare = 0.98

// Full says that the memory limit was reached, so that the kernel may have refused the server
// memory without killing it; "" if it was not.
func (b *Box) Full() string {
	if b.MemoryBytes == 0 || float64(b.PeakBytes) < fullShare*float64(b.MemoryBytes) {
		return ""
	}
	return fmt.Sprintf("the memory of its box of %s was used up", sizeText(b.MemoryBytes))
}

// sizeText is a size in a sentence: "64 MiB".
func sizeText(bytes int64) string {
	text := bytesText(bytes)
	unit := strings.TrimLeft(text, "0123456789")
	return strings.TrimSuffix(text, unit) + " " + unit
}

// ByAccount is Box.By of a limit that the harness itself kept.
const ByAccount = "account"

// BoxMemory is the memory in a box, as far as the kernel tells it apart.
type BoxMemory struct {
	UserBytes int64 `json:"user_bytes"` // anonymous memory: heaps, stacks; by account PSS, which includes files
	FileBytes int64 `json:"file_bytes,omitempty"`
	// KernelBytes is all of the kernel's memory for the processes. KernelStackBytes and PageTableBytes
	// are parts of it, which version 1 does not tell.
	KernelBytes      int64 `json:"kernel_bytes"`
	KernelStackBytes int64 `json:"kernel_stack_bytes,omitempty"`
	PageTableBytes   int64 `json:"page_table_bytes,omitempty"`
	// SocketBytes are the buffers of sockets; by account the sockets too.
	SocketBytes int64 `json:"socket_bytes,omitempty"`
}

// String formats the limits as ParseLimits reads them: "64MiB,1", "64MiB", "1".
func (l Limits) String() string {
	var parts []string
	if l.MemoryBytes > 0 {
		parts = append(parts, bytesText(l.MemoryBytes))
	}
	if l.CPUs > 0 {
		parts = append(parts, number(l.CPUs))
	}
	return strings.Join(parts, ",")
}

// bytesText writes a size exactly, in the largest unit in which it is a whole number.
func bytesText(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; i < len(units)-1 && n%1024 == 0; i++ {
		n /= 1024
	}
	return strconv.FormatInt(n, 10) + units[i]
}

// The least and the most that limits may be. With less, no server starts.
const (
	leastMemory, mostMemory = 1 << 20, 1 << 50
	leastCPUs, mostCPUs     = 0.01, 4096
)

// AllowedLimits says which limits can be read.
const AllowedLimits = "memory from 1MiB and CPUs from 0.01, such as 64MiB,1 or one of the two"

// ParseMemory reads a size that a limit may be.
func ParseMemory(text string) (bytes int64, ok bool) {
	v, ok := quantity.Bytes(text)
	return int64(v), ok && v >= leastMemory && v <= mostMemory
}

// ParseCPUs reads a number of CPUs that a limit may be.
func ParseCPUs(text string) (cpus float64, ok bool) {
	v, ok := quantity.Parse(text, "")
	v = math.Round(v*100) / 100 // as precise as it is shown, and as the kernel keeps it
	return v, ok && v >= leastCPUs && v <= mostCPUs
}

// ParseLimits reads limits: memory with its unit, CPUs without one, or both with a comma
// between them. It reports false for anything else, such as no limit at all.
func ParseLimits(text string) (l Limits, ok bool) {
	memory, cpus, both := strings.Cut(text, ",")
	if l.MemoryBytes, ok = ParseMemory(memory); !ok && !both {
		l.MemoryBytes = 0
		l.CPUs, ok = ParseCPUs(memory)
	} else if ok && both {
		l.CPUs, ok = ParseCPUs(strings.TrimSpace(cpus))
	}
	if !ok {
		return Limits{}, false
	}
	return l, true
}
