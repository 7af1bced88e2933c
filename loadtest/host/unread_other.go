//go:build !linux

package host

// UnreadOn needs Linux's sock_diag.
func UnreadOn(int) (int64, error) { return 0, ErrUnsupported }
