//go:build !linux

package host

// cpuClock is false: there are no trees of processes to be read here either.
func cpuClock(int) (float64, bool) { return 0, false }
