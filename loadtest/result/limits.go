package result

import (
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
