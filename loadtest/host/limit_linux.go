package host

import (
	"fmt"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// LimitData limits the data of a process to more bytes than it uses now. Data is its
// heap, its private writable mappings and its brk (RLIMIT_DATA, since Linux 4.7).
// Allocations beyond the limit fail. A limit on the address space would not work,
// because runtimes reserve far more of it than they use.
func LimitData(root string, pid int, more int64) error {
	status := make([]byte, 4096)
	n, err := readInto(filepath.Join(root, strconv.Itoa(pid), "status"), status)
	if err != nil {
		return fmt.Errorf("limit the memory of pid %d: %w", pid, err)
	}
	data, err := statusBytes(status[:n], "\nVmData:")
	if err != nil {
		return fmt.Errorf("limit the memory of pid %d: %w", pid, err)
	}
	limit := unix.Rlimit{Cur: uint64(data + more), Max: uint64(data + more)}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &limit, nil); err != nil {
		return fmt.Errorf("limit the memory of pid %d: prlimit: %w", pid, err)
	}
	return nil
}
