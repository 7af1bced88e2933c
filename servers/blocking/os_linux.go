package blocking

import "golang.org/x/sys/unix"

// acceptBlocking accepts a connection as a blocking descriptor, also from a non-blocking listener.
func acceptBlocking(fd int) (int, error) {
	nfd, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
	return nfd, err
}
