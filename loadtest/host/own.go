package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// OwnCPU returns the CPU time that this process has used, user and system, in seconds.
func OwnCPU() (float64, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, os.NewSyscallError("getrusage", err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, nil
}
