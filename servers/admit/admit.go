// Package admit counts the open connections of a process against its limit.
//
// A server that takes one connection more than it can carry harms those it already has: accept fails, and a
// model may spin or die of it. So each model asks a Gate first, and refuses in the open: the connection is
// accepted and reset at once, which its peer sees, instead of being left to wait.
package admit

import (
	"sync/atomic"

	"github.com/rs/zerolog"
)

// A Gate lets Max connections in. It logs when it fills and when it has room again, not for each connection.
type Gate struct {
	Max int
	Log zerolog.Logger

	open    atomic.Int64
	refused atomic.Int64
	full    atomic.Bool
}

// Enter reports whether one more connection may be served. If so, Leave must be called at its end.
func (g *Gate) Enter() bool {
	if g.open.Add(1) <= int64(g.Max) {
		return true
	}
	g.open.Add(-1)
	g.refused.Add(1)
	if g.full.CompareAndSwap(false, true) {
		g.Log.Warn().Int("limit", g.Max).Msg("connection limit reached: refusing new connections")
	}
	return false
}

// Leave ends a connection that Enter let in.
func (g *Gate) Leave() {
	n := g.open.Add(-1)
	// Some way below the limit, or a server that runs at its limit would log at each connection after all.
	if g.full.Load() && n <= int64(g.Max-1-g.Max/16) && g.full.CompareAndSwap(true, false) {
		g.Log.Info().Int("limit", g.Max).Int64("refused", g.refused.Swap(0)).Msg("accepting connections again")
	}
}

// Open is the number of connections being served.
func (g *Gate) Open() int { return int(g.open.Load()) }
