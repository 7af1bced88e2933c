//go:build unix

package host

import (
	"math"

	"golang.org/x/sys/unix"
)

func rlimit(which int) int64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(which, &r); err != nil || r.Max > math.MaxInt64 {
		return -1
	}
	return int64(r.Max)
}

func rlimitNoFile() int64 { return rlimit(unix.RLIMIT_NOFILE) }
func rlimitNProc() int64  { return rlimit(unix.RLIMIT_NPROC) }

// RaiseNoFile raises this process's soft limit on descriptors to the hard limit, and
// returns it. Child processes inherit the limit.
func RaiseNoFile() (int64, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return -1, err
	}
	r.Cur = r.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return -1, err
	}
	return int64(r.Cur), nil
}
