//go:build unix && !linux

package app

import "time"

var begin = time.Now()

// threadTime returns wall-clock time, because there is no portable clock for a thread. measureRate
// makes up for it: it takes the fastest of several rounds.
func threadTime() time.Duration { return time.Since(begin) }
