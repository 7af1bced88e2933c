// Package admit keeps a process below the limits of the system: how many connections it may have,
// and how many threads.
//
// A server that accepts one connection more than it can carry harms those it already has: accept
// fails, and a model may spin or end because of it. So each model asks a Limiter first and refuses
// openly: the connection is accepted and reset at once. Its client sees that instead of waiting.
package admit

import (
	"sync/atomic"

	"github.com/rs/zerolog"
)

// A Limiter lets Max connections be open at a time. It logs when it is full and when it has room
// again, not for each connection.
type Limiter struct {
	Max int
	Log zerolog.Logger

	open    atomic.Int64
	refused atomic.Int64
	full    atomic.Bool
}

// TryAcquire reports whether one more connection may be served. If so, Release must be called at
// its end.
func (l *Limiter) TryAcquire() bool {
	if l.open.Add(1) <= int64(l.Max) {
		return true
	}
	l.open.Add(-1)
	l.refused.Add(1)
	if l.full.CompareAndSwap(false, true) {
		l.Log.Warn().Int("limit", l.Max).Msg("connection limit reached: refusing new connections")
	}
	return false
}

// Release ends a connection for which TryAcquire has returned true.
func (l *Limiter) Release() {
	n := l.open.Add(-1)
	// It has room again some way below Max. Otherwise a server that runs at its limit would log at
	// each connection after all.
	if l.full.Load() && n <= int64(l.Max-1-l.Max/16) && l.full.CompareAndSwap(true, false) {
		l.Log.Info().Int("limit", l.Max).Int64("refused", l.refused.Swap(0)).Msg("accepting connections again")
	}
}

// Open is the number of connections that are being served.
func (l *Limiter) Open() int { return int(l.open.Load()) }
