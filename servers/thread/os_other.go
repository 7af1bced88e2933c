//go:build unix && !linux

package thread

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// acceptBlocking accepts a connection as a blocking descriptor: here it inherits O_NONBLOCK from its listener.
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

// threadLimit: what the system lets a process start is not to be read in one place here, so the limit is what macOS
// allows a task by default, less some for Go itself.
func threadLimit(ours int) (n int, by string) {
	return max(2048-ours, 1024), "the system's threads of a task"
}
