//go:build !linux

package host

import "fmt"

// LimitData needs Linux's prlimit(2).
func LimitData(string, int, int64) error {
	return fmt.Errorf("limit the memory of a process: %w", ErrUnsupported)
}
