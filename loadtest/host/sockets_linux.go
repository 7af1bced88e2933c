package host

import (
	"fmt"

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
