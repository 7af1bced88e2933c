package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// A Fault is something that is done to a server in the window. Signals go to
// the process that holds most connections; what is asked for over HTTP goes to
// the one that takes a connection more.
type Fault struct {
	Kind  string
	At    time.Duration // from the start of the window
	Until time.Duration // when it is taken back (stop, descriptors) or done for the last time (crashes)
	Times int           // crashes
	// LeakMB is how much memory is taken (leak), and LimitMB how much more than it
	// has the process may take.
	LeakMB, LimitMB int
}

// Kinds of fault.
const (
	Kill           = "kill"            // SIGKILL
	Stop           = "stop"            // SIGSTOP, and SIGCONT
	Crashes        = "crashes"         // SIGKILL, several times
	Panic          = "panic"           // that nobody recovers from
	RecoveredPanic = "recovered-panic" // that the server recovers from
	Fatal          = "fatal"           // an error of the runtime, which cannot be recovered from
	Leak           = "leak"            // of memory, to a limit
	Descriptors    = "descriptors"     // all that the process may open
)

var (
	signals = []string{Kill, Stop, Crashes}
	faults  = append(slices.Clone(signals), Panic, RecoveredPanic, Fatal, Leak, Descriptors)
)

// end is when the fault is over.
func (f *Fault) end() time.Duration { return max(f.At, f.Until) }

// HTTP reports whether the fault is asked for by a request, GET /fault/KIND, and
// not done by a signal.
func (f *Fault) HTTP() bool { return !slices.Contains(signals, f.Kind) }

const (
	// beforeFault is the least part of the window that the rest is compared with,
	// afterFault the least that is left to recover in.
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
			said   bool
			needed bool
			of     []string // kinds that it means something to
		}{
			{"at", f.At > 0, true, faults},
			{"until", f.Until > 0, f.Kind == Stop || f.Kind == Descriptors, []string{Stop, Crashes, Descriptors}},
			{"times", f.Times > 0, f.Kind == Crashes, []string{Crashes}},
			{"mb", f.LeakMB > 0, false, []string{Leak}},
			{"limit_mb", f.LimitMB > 0, false, []string{Leak}},
		} {
			at := path + "." + k.key
			switch {
			case k.needed && !k.said:
				d.failAt(n, at, "is missing; the fault "+f.Kind+" needs it")
			case k.said && !slices.Contains(k.of, f.Kind):
				d.fail(d.places[at], at, "means nothing to the fault "+f.Kind+"; it is for "+strings.Join(k.of, ", "))
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
