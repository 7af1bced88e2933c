package app

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// threadUsage is the processor time of this thread, told by another system call than the one that
// calibration uses.
func threadUsage(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The thread sleeps: it takes time, and none of the processor's.
func TestBlockThread(t *testing.T) {
	const d = 30 * time.Millisecond
	begin := time.Now()
	BlockThread(d)
	if took := time.Since(begin); took < d {
		t.Errorf("%v, want at least %v", took, d)
	}
}
