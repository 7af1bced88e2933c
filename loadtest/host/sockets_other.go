//go:build !linux

package host

import "fmt"

// SocketsOn needs Linux's sock_diag.
func SocketsOn(int) (Sockets, error) {
	return Sockets{}, fmt.Errorf("list sockets: %w", ErrUnsupported)
}
