package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
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

func (d *decoder) fault(dst **Fault) decode {
	return func(n ast.Node, path string) {
		var f Fault
		megabytes := func(to *int) decode {
			return func(n ast.Node, path string) { *to = d.int(n, path, 1, maxMB) }
		}
		d.mapping(n, path, fields{
			"kind": d.oneOf(&f.Kind, faults), "at": d.duration(&f.At, beforeFault, maxDuration),
			"until": d.duration(&f.Until, beforeFault, maxDuration),
			"times": func(n ast.Node, path string) { f.Times = d.int(n, path, 2, maxCrashes) },
			"mb":    megabytes(&f.LeakMB), "limit_mb": megabytes(&f.LimitMB),
		})
		if d.failed(path) {
			return
		}
		if f.Kind == "" {
			d.failAt(n, path+".kind", "is missing; allowed: "+strings.Join(faults, ", "))
			return
		}
		for _, k := range []struct {
			key    string
			set    bool
			needed bool
			of     []string // the kinds it applies to
		}{
			{"at", f.At > 0, true, faults},
			{"until", f.Until > 0, f.Kind == Stop || f.Kind == Descriptors, []string{Stop, Crashes, Descriptors}},
			{"times", f.Times > 0, f.Kind == Crashes, []string{Crashes}},
			{"mb", f.LeakMB > 0, false, []string{Leak}},
			{"limit_mb", f.LimitMB > 0, false, []string{Leak}},
		} {
			at := path + "." + k.key
			switch {
			case k.needed && !k.set:
				d.failAt(n, at, "is missing; the fault "+f.Kind+" needs it")
			case k.set && !slices.Contains(k.of, f.Kind):
				d.fail(d.places[at], at, "does not apply to the fault "+f.Kind+"; it is for "+strings.Join(k.of, ", "))
			}
		}
		if f.Until > 0 && f.Until <= f.At {
			d.fail(d.places[path+".until"], path+".until", fmt.Sprintf("%v is not after the %v of at", f.Until, f.At))
		}
		if f.Kind == Crashes && f.Until == 0 {
			f.Until = f.At + time.Duration(f.Times-1)*betweenKills
		}
		if f.Kind == Leak {
			if f.LeakMB == 0 {
				f.LeakMB = defaultLeak
			}
			if f.LimitMB == 0 {
				f.LimitMB = defaultLimit
			}
		}
		*dst = &f
	}
}
