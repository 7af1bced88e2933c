package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Affinity returns the set of CPUs that the calling thread may run on.
func Affinity() (CPUSet, error) {
	var mask unix.CPUSet
	if err := unix.SchedGetaffinity(0, &mask); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	var set CPUSet
	for cpu := range len(mask) * 64 {
		if mask.IsSet(cpu) {
			set = append(set, cpu)
		}
	}
	return set, nil
}

// Bind binds the calling thread to a set of CPUs. Threads and processes that it starts
// inherit the binding.
func Bind(set CPUSet) error { return bind(0, set) }

func bind(tid int, set CPUSet) error {
	var mask unix.CPUSet
	for _, cpu := range set {
		mask.Set(cpu)
	}
	if err := unix.SchedSetaffinity(tid, &mask); err != nil {
		return fmt.Errorf("bind to CPUs %v: %w", set, os.NewSyscallError("sched_setaffinity", err))
	}
	return nil
}

// BindProcess binds all threads of this process to a set of CPUs, including future ones.
func BindProcess(set CPUSet) error {
	// While this runs, a thread that is not bound yet may start another. A later round
	// finds it.
	for bound := map[int]bool{}; ; {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list threads: %w", err)
		}
		fresh := false
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil || bound[tid] {
				continue
			}
			if err := bind(tid, set); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			bound[tid], fresh = true, true
		}
		if !fresh {
			return nil
		}
	}
}
