//go:build unix && !linux

package app

import (
	"time"

	"golang.org/x/sys/unix"
)

// BlockThread blocks the calling thread in a system call for d: poll(2) without descriptors, which
// every Unix has. time.Sleep would only park the goroutine and leave its thread to others.
func BlockThread(d time.Duration) {
	until := time.Now().Add(d)
	for left := d; left > 0; left = time.Until(until) {
		_, _ = unix.Poll(nil, int((left+time.Millisecond-1)/time.Millisecond))
	}
}
