//go:build unix

package admit

import (
	"fmt"

	"golang.org/x/sys/unix"
)

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
		} // else the system allows less than it says, as macOS does; the soft limit is what there is
	}
	return int(min(l.Cur, 1<<30)), nil
}

// Limit is the number of connections a process can hold: asked, or if less (or if asked is 0) what the limit of open
// descriptors allows after reserve descriptors for everything else.
func Limit(asked, reserve int) (int, error) {
	n, err := RaiseDescriptors()
	if err != nil {
		return 0, err
	}
	// A very small limit still leaves half of it for connections.
	room := max(n-reserve, n/2)
	if asked > 0 && asked < room {
		return asked, nil
	}
	return room, nil
}
