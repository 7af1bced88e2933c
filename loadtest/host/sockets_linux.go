package host

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// States of a TCP socket, from include/net/tcp_states.h.
const (
	tcpEstablished = 1
	tcpListen      = 10
)

// SocketsOn asks the kernel (sock_diag) for the sockets whose local port is port: a
// server's listening sockets and its ends of the connections, with the memory of their
// queues. The kernel filters by port, so the cost depends only on the server's own
// sockets: about a microsecond each.
func SocketsOn(port int) (Sockets, error) {
	var s Sockets
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		req.AddData(diagRequest{family, uint16(port)})
		var broken error
		err := req.ExecuteIter(unix.NETLINK_SOCK_DIAG, nl.SOCK_DIAG_BY_FAMILY, func(msg []byte) bool {
			sock, err := parseDiag(msg)
			if err != nil {
				broken = err
				return false
			}
			s.add(sock, port)
			return true
		})
		if err == nil {
			err = broken
		}
		if err != nil {
			return Sockets{}, fmt.Errorf("sock_diag: %w", err)
		}
	}
	return s, nil
}

func (s *Sockets) add(sock diagSocket, port int) {
	if int(sock.port) != port {
		return
	}
	switch sock.state {
	case tcpListen:
		s.Listening = append(s.Listening, sock.inode)
	case tcpEstablished:
		s.Established = append(s.Established, sock.inode)
		s.Peers = append(s.Peers, sock.peer)
	default:
		return
	}
	s.QueuedBytes += sock.queued
	if sock.family == unix.AF_INET6 {
		s.IPv6++
	}
}

// A diagRequest is struct inet_diag_req_v2 of linux/inet_diag.h: it asks for the TCP
// sockets of a family that are bound to a port, with their memory.
type diagRequest struct {
	family uint8
	port   uint16
}

const diagRequestSize = 56

func (r diagRequest) Len() int { return diagRequestSize }

func (r diagRequest) Serialize() []byte {
	b := make([]byte, diagRequestSize)
	b[0], b[1], b[2] = r.family, unix.IPPROTO_TCP, 1<<(netlink.INET_DIAG_SKMEMINFO-1)
	binary.NativeEndian.PutUint32(b[4:], 1<<tcpEstablished|1<<tcpListen)
	binary.BigEndian.PutUint16(b[8:], r.port)
	return b
}

// A diagSocket contains the fields of struct inet_diag_msg that are used, and the
// memory of the socket's queues.
type diagSocket struct {
	family, state uint8
	port          uint16
	peer          netip.AddrPort
	inode         uint32
	queued        int64 // bytes
}

// Offsets in struct inet_diag_msg, and its size.
const (
	diagSize       = 72
	diagSourcePort = 4
	diagPeerPort   = 6
	diagPeer       = 24
	diagInode      = 68
)

// memoryParts are the entries of the array INET_DIAG_SKMEMINFO (linux/sock_diag.h) that
// add up to the memory of a socket's queues. SK_MEMINFO_FWD_ALLOC is left out: the
// socket has reserved it but does not use it. SK_MEMINFO_WMEM_ALLOC is left out: its
// packets are also in the write queue.
var memoryParts = []int{0 /* RMEM_ALLOC */, 5 /* WMEM_QUEUED */, 6 /* OPTMEM */, 7 /* BACKLOG */}

// parseDiag parses an answer of sock_diag, without its netlink header.
func parseDiag(msg []byte) (s diagSocket, err error) {
	if len(msg) < diagSize {
		return s, fmt.Errorf("a message of %d bytes is too short for a socket; want at least %d", len(msg), diagSize)
	}
	s.family, s.state = msg[0], msg[1]
	s.port = binary.BigEndian.Uint16(msg[diagSourcePort:])
	addr := netip.AddrFrom4([4]byte(msg[diagPeer:]))
	if s.family == unix.AF_INET6 {
		addr = netip.AddrFrom16([16]byte(msg[diagPeer:])).Unmap()
	}
	s.peer = netip.AddrPortFrom(addr, binary.BigEndian.Uint16(msg[diagPeerPort:]))
	s.inode = binary.NativeEndian.Uint32(msg[diagInode:])
	attrs, err := nl.ParseRouteAttr(msg[diagSize:])
	if err != nil {
		return s, fmt.Errorf("attributes of a socket: %w", err)
	}
	for _, a := range attrs {
		if a.Attr.Type != netlink.INET_DIAG_SKMEMINFO {
			continue
		}
		for _, i := range memoryParts {
			if end := 4 * (i + 1); end <= len(a.Value) {
				s.queued += int64(binary.NativeEndian.Uint32(a.Value[4*i:]))
			}
		}
	}
	return s, nil
}

// ConnectionsTo counts the established connections from this host to an address.
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
