// Package live shows a campaign while it runs: at a terminal, as plain lines, as JSON for
// a program, as metrics for Prometheus. All of them follow the events of the campaign.
package live

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/trial"
)

// A Watcher is notified of what happens in a campaign. Begin is called first and End last.
// The other methods may be called from several goroutines.
type Watcher interface {
	Begin(Start)
	Event(loadtest.Event)
	// Trial is called after each trial. Trials follow all repeats.
	Trial(trial.Event)
	// End is called with the error that ended the campaign, nil if it is complete.
	End(error)
}

// A Start is a campaign that is about to begin.
type Start struct {
	Run   *result.Run
	Dir   string // of the run, as it is shown
	Steps int    // number of repeats
	Done  int    // how many were measured before the run was resumed
	// Notes are what the user should know before the run begins.
	Notes []string
}

// All notifies several watchers.
type All []Watcher

var _ Watcher = All{}

// Begin notifies all watchers.
func (a All) Begin(s Start) {
	for _, w := range a {
		w.Begin(s)
	}
}

// Event notifies all watchers.
func (a All) Event(ev loadtest.Event) {
	for _, w := range a {
		w.Event(ev)
	}
}

// Trial notifies all watchers.
func (a All) Trial(ev trial.Event) {
	for _, w := range a {
		w.Trial(ev)
	}
}

// End notifies all watchers.
func (a All) End(err error) {
	for _, w := range a {
		w.End(err)
	}
}

// opening describes a run that is about to begin, in lines.
func opening(s Start) []string {
	lines := []string{fmt.Sprintf("%s: %d cells × %d repeats on %d cores, into %s",
		s.Run.Name, len(s.Run.Cells), s.Run.Repeats, s.Run.Host.Cores, s.Dir)}
	if s.Done > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d repeats are already measured", s.Done, s.Steps))
	}
	return append(lines, s.Notes...)
}

// line describes a repeat in one line.
func line(ev loadtest.Event) string {
	r := ev.Repeat
	s := fmt.Sprintf("%d/%d %v repeat=%d: ", ev.N, ev.Total, r.Key, r.Repeat)
	doubt := ""
	if r.Gates.Verdict != result.Valid {
		doubt = string(r.Gates.Verdict)
		if len(r.Gates.Reasons) > 0 {
			doubt += ": " + strings.Join(r.Gates.Texts(), "; ")
		}
	}
	switch {
	case r.Gates.Verdict == result.Invalid:
	case r.Workload == result.Idle:
		s += fmt.Sprintf("%s of user memory", stats.Bytes.Format(float64(r.Server.PSSBytes)))
	default:
		p99, known := stats.ShownP99.Value(r)
		s += fmt.Sprintf("%.0f req/s, p99 %s, %.1f µs CPU a request", r.ThroughputRPS, percentile(p99, known), r.CPUPerRequestSec()*1e6)
	}
	if doubt != "" {
		if r.Gates.Verdict != result.Invalid {
			s += ", "
		}
		s += doubt
	}
	return s + fmt.Sprintf(" (%v left)", ev.Left.Round(time.Second))
}

// warning formats a warning as one line.
func warning(ev loadtest.Event) string {
	return fmt.Sprintf("%s, repeat %d: warning: %s", ev.Step.Key, ev.Step.Repeat, ev.Warning)
}

// percentile formats a number of seconds, if there were enough answers to know it.
func percentile(sec float64, known bool) string {
	if !known {
		return "–"
	}
	return stats.Seconds.Format(sec)
}

// second summarizes the last second.
func second(p *loadtest.Progress) string {
	s := stats.PerSecond.Format(float64(p.Requests))
	if p.Requests > 0 {
		s += ", p99 " + percentile(cmp.Or(p.ResponseP99Sec, p.P99Sec), p.Requests >= stats.LeastForP99)
	}
	if p.Errored > 0 {
		s += fmt.Sprintf(", %s failed", stats.Group(int(p.Errored)))
	}
	return s
}

// trialLine describes a trial in one line.
func trialLine(ev trial.Event) string {
	t := ev.Trial
	s := fmt.Sprintf("%d/%d trial %s %s repeat=%d: ", ev.N, ev.Total, t.Name, t.Variant, t.Repeat)
	if t.Failure != "" {
		return s + "failed: " + t.Failure
	}
	return s + values(t) + fmt.Sprintf(" (%v left)", ev.Left.Round(time.Second))
}

// values lists the values of a trial in one line, sorted by name.
func values(t *result.Trial) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.Values)) {
		parts = append(parts, fmt.Sprintf("%s %.4g", name, t.Values[name]))
	}
	return strings.Join(parts, ", ")
}
