//go:build unix && !linux

package app

import (
	"time"

	"golang.org/x/sys/unix"
)

// BlockThread blocks the thread that calls it in a system call for d: poll(2) of nothing, which every Unix has. It is not
// time.Sleep, which parks a goroutine and leaves its thread to others.
func BlockThread(d time.Duration) {
	until := time.Now().Add(d)
	for left := d; left > 0; left = time.Until(until) {
		_, _ = unix.Poll(nil, int((left+time.Millisecond-1)/time.Millisecond))
	}
}
