package host

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// UnreadOn returns the number of bytes that have arrived on the established connections
// whose local port is port, but that no process has read yet.
func UnreadOn(port int) (int64, error) {
	var sum int64
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		all, err := netlink.SocketDiagTCP(family)
		if err != nil {
			return 0, fmt.Errorf("sock_diag: %w", err)
		}
		for _, sock := range all {
			if int(sock.ID.SourcePort) == port && sock.State == tcpEstablished {
				sum += int64(sock.RQueue)
			}
		}
	}
	return sum, nil
}
