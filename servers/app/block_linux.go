package app

import (
	"time"

	"golang.org/x/sys/unix"
)

// BlockThread blocks the calling thread in a system call, clock_nanosleep(2), for d. time.Sleep
// would only park the goroutine and leave its thread to others.
func BlockThread(d time.Duration) {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return // it cannot fail
	}
	until := unix.NsecToTimespec(now.Nano() + d.Nanoseconds())
	// An absolute time, so that a signal (Go's runtime sends some) does not extend it.
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &until, nil) == unix.EINTR {
	}
}
