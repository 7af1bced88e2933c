//go:build !linux

package host

import (
	"fmt"
	"net/netip"
)

// SocketsOn needs Linux's sock_diag.
func SocketsOn(int) (Sockets, error) {
	return Sockets{}, fmt.Errorf("list sockets: %w", ErrUnsupported)
}

// ConnectionsTo needs Linux's sock_diag.
func ConnectionsTo(netip.AddrPort) (int, error) {
	return 0, fmt.Errorf("count connections: %w", ErrUnsupported)
}
