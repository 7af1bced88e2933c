package host

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuClock returns the CPU time that all threads of a process have used, in seconds,
// with a resolution of a nanosecond. It returns false if the process has ended. The
// clock's id is built as by clock_getcpuclockid(3): the complement of the process id,
// and the type of the clock, which is 2 for the scheduler's own accounting.
func cpuClock(pid int) (float64, bool) {
	const schedulerClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &ts); err != nil {
		return 0, false
	}
	return time.Duration(ts.Nano()).Seconds(), true
}
