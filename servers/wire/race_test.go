//go:build race

package wire

// raceEnabled: the race detector has sync.Pool drop things at random.
const raceEnabled = true
