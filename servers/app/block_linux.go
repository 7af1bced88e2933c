package app

import (
	"time"

	"golang.org/x/sys/unix"
)

// BlockThread blocks the thread that calls it in a system call, clock_nanosleep(2), for d. It is not time.Sleep, which parks
// a goroutine and leaves its thread to others.
func BlockThread(d time.Duration) {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return // it cannot fail
	}
	until := unix.NsecToTimespec(now.Nano() + d.Nanoseconds())
	// A point in time, not a length, so that a signal (Go's runtime sends some) does not make it longer.
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &until, nil) == unix.EINTR {
	}
}
