package host

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuClock is the CPU time that all threads of a process have used, in
// seconds, to the nanosecond. It is false if the process is gone. The clock's
// number is made as clock_getcpuclockid(3) makes it: the process number,
// complemented, and the kind of the clock, 2 for the scheduler's own account.
func cpuClock(pid int) (float64, bool) {
	const schedulerClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &ts); err != nil {
		return 0, false
	}
	return time.Duration(ts.Nano()).Seconds(), true
}
