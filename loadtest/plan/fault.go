package plan

import (
	"cmp"
	"slices"
	"time"
)

// A Fault is injected into a server within the window. Signals go to the process
// with the most connections. A fault over HTTP hits the process that accepts one
// more connection.
type Fault struct {
	Kind  string
	At    time.Duration // from the start of the window
	Until time.Duration // when it ends (stop, descriptors) or happens for the last time (crashes)
	Times int           // of crashes: how many
	// LeakMB is how much memory a leak takes. LimitMB is how much more memory than
	// it already uses the process may take.
	LeakMB, LimitMB int
}

// The kinds of fault.
const (
	Kill           = "kill"            // SIGKILL
	Stop           = "stop"            // SIGSTOP, later SIGCONT
	Crashes        = "crashes"         // SIGKILL, several times
	Panic          = "panic"           // a panic that nothing recovers
	RecoveredPanic = "recovered-panic" // a panic that the server recovers
	Fatal          = "fatal"           // a fatal error of the runtime, which nothing can recover
	Leak           = "leak"            // takes memory, up to a limit
	Descriptors    = "descriptors"     // opens all the file descriptors the process may open
)

var (
	signals = []string{Kill, Stop, Crashes}
	faults  = append(slices.Clone(signals), Panic, RecoveredPanic, Fatal, Leak, Descriptors)
)

// end returns the time at which the fault is over.
func (f *Fault) end() time.Duration { return max(f.At, f.Until) }

// HTTP reports whether the fault is injected by a request, GET /fault/KIND, and
// not by a signal.
func (f *Fault) HTTP() bool { return !slices.Contains(signals, f.Kind) }

const (
	// beforeFault is the shortest time before the fault, with which the rest of the
	// window is compared. afterFault is the shortest time left to recover in.
	beforeFault  = 500 * time.Millisecond
	afterFault   = time.Second
	betweenKills = 300 * time.Millisecond
	maxCrashes   = 100
	maxMB        = 1 << 20
	defaultLeak  = 256
	defaultLimit = 128
)

// checkFault checks the values of a fault against each other, and fills in its
// defaults.
func (d *decoder) checkFault(path string, f *Fault) {
	d.checkParts(path, "fault", f.Kind, faults, []part{
		{"at", faults, faults},
		{"until", []string{Stop, Crashes, Descriptors}, []string{Stop, Descriptors}},
		{"times", []string{Crashes}, []string{Crashes}},
		{"mb", []string{Leak}, nil},
		{"limit_mb", []string{Leak}, nil},
	})
	if f.Until > 0 && f.Until <= f.At {
		d.fail(path+".until", "%v is not after the %v of at", f.Until, f.At)
	}
	switch f.Kind {
	case Crashes:
		f.Until = cmp.Or(f.Until, f.At+time.Duration(f.Times-1)*betweenKills)
	case Leak:
		f.LeakMB, f.LimitMB = cmp.Or(f.LeakMB, defaultLeak), cmp.Or(f.LimitMB, defaultLimit)
	}
}
