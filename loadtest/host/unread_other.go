//go:build !linux

package host

// UnreadOn sums the bytes that have arrived and were not read.
func UnreadOn(int) (int64, error) { return 0, ErrUnsupported }
