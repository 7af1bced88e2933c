package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// generatorCPU returns how to read the CPU time, in seconds, of a generator:
// of this process, or of the children that it has waited for.
func generatorCPU(name string) func() (float64, error) {
	who := unix.RUSAGE_SELF
	if name == "wrk" {
		who = unix.RUSAGE_CHILDREN
	}
	return func() (float64, error) {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			return 0, fmt.Errorf("getrusage: %w", err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, nil
	}
}
