// Package load is what a campaign and a generator say to each other: what to
// ask of which server, when to look at it, and what was measured.
package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Target is what to ask of which server.
type Target struct {
	Addr         string // host:port
	Protocol     string
	Workload     string
	PayloadBytes int // of an echo
}

// Marks are called at the edges of the measured window, while the load goes
// on: Open just before its first instant, Close just after its last, so that
// what the caller reads of the server is of the window. An error of Open or
// Second ends the window. Nil functions are not called.
type Marks struct {
	Open   func() error
	Second func(at time.Duration) error // each full second but the last
	Close  func() error
}

// A Window is what was measured between two instants.
type Window struct {
	Started time.Time
	Length  time.Duration
	Seconds []Second
	// Errors counts, by kind, the requests of the window and of the time
	// behind it until all clients had stopped.
	Errors   map[string]int64
	Requests int64 // answered rightly within the window
	BytesIn  int64
	BytesOut int64
	Service  *hdrhistogram.Histogram // nanoseconds
}

// A Second is one interval of a window; the last one may be shorter.
type Second struct {
	Service *hdrhistogram.Histogram
	Errored int64
}

// NewHistogram is an empty histogram of nanoseconds, up to ten minutes with
// three significant digits. Histograms that are merged must all be from here.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(10*time.Minute), 3)
}
