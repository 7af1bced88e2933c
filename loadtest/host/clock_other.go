//go:build !linux

package host

// cpuClock returns false: this operating system has no such clock.
func cpuClock(int) (float64, bool) { return 0, false }
