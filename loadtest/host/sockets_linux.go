package host

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// States of a TCP socket, from include/net/tcp_states.h.
const (
	tcpEstablished = 1
	tcpListen      = 10
)

// SocketsOn asks the kernel (sock_diag) for the sockets whose local port is
// port: a server's listening sockets and its ends of the connections.
func SocketsOn(port int) (Sockets, error) {
	var s Sockets
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		all, err := netlink.SocketDiagTCP(family)
		if err != nil {
			return Sockets{}, fmt.Errorf("sock_diag: %w", err)
		}
		for _, sock := range all {
			if int(sock.ID.SourcePort) != port {
				continue
			}
			switch sock.State {
			case tcpListen:
				s.Listening = append(s.Listening, sock.INode)
			case tcpEstablished:
				s.Established = append(s.Established, sock.INode)
			}
		}
	}
	return s, nil
}

// ConnectionsTo counts the established connections that this host has to an
// address, at its own end of them.
func ConnectionsTo(addr netip.AddrPort) (n int, err error) {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		all, err := netlink.SocketDiagTCP(family)
		if err != nil {
			return 0, fmt.Errorf("sock_diag: %w", err)
		}
		for _, sock := range all {
			if sock.State != tcpEstablished || sock.ID.DestinationPort != addr.Port() {
				continue
			}
			if ip, ok := netip.AddrFromSlice(sock.ID.Destination); ok && ip.Unmap() == addr.Addr().Unmap() {
				n++
			}
		}
	}
	return n, nil
}
