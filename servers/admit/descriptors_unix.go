//go:build unix

package admit

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reserve is how many descriptors a process needs for anything but connections: standard streams,
// listener, epoll or pipe, the connection that is being refused, and some to spare.
const reserve = 64

// RaiseDescriptors raises the soft limit of open descriptors to the hard one, and returns it.
func RaiseDescriptors() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("read the limit of open descriptors: %w", err)
	}
	if l.Cur < l.Max {
		want := l
		want.Cur = want.Max
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &want); err == nil {
			l = want
		} // else the system allows less than it says, as macOS does, and the soft limit stays
	}
	return int(min(l.Cur, 1<<30)), nil
}

// Connections is how many connections this process can have: asked, or what the limit of open
// descriptors allows if that is less or asked is 0. The model needs others descriptors for
// something else, besides those that every process needs.
func Connections(asked, others int) (int, error) {
	n, err := RaiseDescriptors()
	if err != nil {
		return 0, err
	}
	// Half of a very small limit is still for connections.
	room := max(n-reserve-others, n/2)
	if asked > 0 && asked < room {
		return asked, nil
	}
	return room, nil
}
