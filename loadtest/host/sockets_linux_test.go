package host

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// diagFixture is the answer of sock_diag for one socket with the given memory.
func diagFixture(family, state uint8, port uint16, peer netip.AddrPort, inode uint32, memory ...uint32) []byte {
	msg := make([]byte, diagSize)
	msg[0], msg[1] = family, state
	binary.BigEndian.PutUint16(msg[diagSourcePort:], port)
	binary.BigEndian.PutUint16(msg[diagPeerPort:], peer.Port())
	copy(msg[diagPeer:], peer.Addr().AsSlice())
	binary.NativeEndian.PutUint32(msg[diagInode:], inode)
	if memory == nil {
		return msg
	}
	attr := make([]byte, 4, 4+4*len(memory))
	binary.NativeEndian.PutUint16(attr, uint16(4+4*len(memory)))
	binary.NativeEndian.PutUint16(attr[2:], 7) // INET_DIAG_SKMEMINFO
	for _, m := range memory {
		attr = binary.NativeEndian.AppendUint32(attr, m)
	}
	return append(msg, attr...)
}

func TestParseDiag(t *testing.T) {
	peer := netip.MustParseAddrPort("127.0.0.2:40000")
	mapped := netip.AddrPortFrom(netip.AddrFrom16(peer.Addr().As16()), peer.Port())
	// In the order of linux/sock_diag.h. The parts that are not counted are large.
	memory := []uint32{1, 1e6, 1e6, 1e6, 1e6, 20, 300, 4000, 1e6}
	for _, tt := range []struct {
		reason string
		msg    []byte
		want   diagSocket
	}{
		{"a connection", diagFixture(unix.AF_INET, tcpEstablished, 80, peer, 77, memory...), diagSocket{unix.AF_INET, tcpEstablished, 80, peer, 77, 4321}},
		{"of a listener of both families", diagFixture(unix.AF_INET6, tcpEstablished, 80, mapped, 77, memory...), diagSocket{unix.AF_INET6, tcpEstablished, 80, peer, 77, 4321}},
		{"a kernel that does not tell the memory", diagFixture(unix.AF_INET, tcpListen, 80, peer, 77), diagSocket{unix.AF_INET, tcpListen, 80, peer, 77, 0}},
		{"an older kernel that tells less of it", diagFixture(unix.AF_INET, tcpListen, 80, peer, 77, memory[:6]...), diagSocket{unix.AF_INET, tcpListen, 80, peer, 77, 21}},
	} {
		if got, err := parseDiag(tt.msg); err != nil || got != tt.want {
			t.Errorf("%s: %+v, err %v, want %+v", tt.reason, got, err, tt.want)
		}
	}
	if _, err := parseDiag(make([]byte, diagSize-1)); err == nil {
		t.Error("half a socket is no error")
	}
}

func FuzzParseDiag(f *testing.F) {
	f.Add(diagFixture(unix.AF_INET, tcpListen, 80, netip.MustParseAddrPort("127.0.0.1:1"), 7, 1, 2, 3))
	f.Fuzz(func(t *testing.T, msg []byte) {
		if s, err := parseDiag(msg); err == nil && s.queued < 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Bytes that were sent but not read stay in the receiver's queue and count as its memory.
func TestUnreadBytesAreTheSocketsMemory(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	end, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	before, err := SocketsOn(port)
	if err != nil {
		t.Fatal(err)
	}
	const sent = 30_000
	if _, err := c.Write(make([]byte, sent)); err != nil {
		t.Fatal(err)
	}
	after, err := SocketsOn(port)
	if err != nil || before.QueuedBytes != 0 || after.QueuedBytes < sent {
		t.Errorf("%d bytes before and %d after %d were sent, err %v", before.QueuedBytes, after.QueuedBytes, sent, err)
	}
	owners := map[uint32]int{after.Established[0]: 5}
	if pid := after.OwnerOf(c.LocalAddr().(*net.TCPAddr).AddrPort(), owners); pid != 5 {
		t.Errorf("the connection is of %d, sockets %+v", pid, after)
	}
	if pid := after.OwnerOf(netip.MustParseAddrPort("127.0.0.1:1"), owners); pid != 0 {
		t.Errorf("a connection that is not there is of %d", pid)
	}
	if after.IPv6 != 0 {
		t.Errorf("%d sockets of IPv6", after.IPv6)
	}
}
