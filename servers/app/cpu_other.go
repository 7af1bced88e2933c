//go:build unix && !linux

package app

import "time"

var begin = time.Now()

// threadTime is the time of the clock on the wall: not every Unix tells a thread's own in one way. Whoever calibrates by it
// takes the fastest of several rounds.
func threadTime() time.Duration { return time.Since(begin) }
