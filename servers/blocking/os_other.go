//go:build unix && !linux

package blocking

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// acceptBlocking accepts a connection as a blocking descriptor. Here the connection inherits
// O_NONBLOCK from its listener.
func acceptBlocking(fd int) (int, error) {
	syscall.ForkLock.RLock()
	nfd, _, err := unix.Accept(fd)
	if err == nil {
		unix.CloseOnExec(nfd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return -1, err
	}
	if err := unix.SetNonblock(nfd, false); err != nil {
		_ = unix.Close(nfd)
		return -1, err
	}
	return nfd, nil
}
