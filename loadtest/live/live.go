// Package live shows a campaign while it runs: to a person at a terminal, as
// plain lines, as JSON for a program, as metrics for Prometheus. All of it is
// from the events of the campaign.
package live

import (
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

// A Watcher is told what happens in a campaign. Its methods may be called from
// several goroutines, but for Begin, which comes first, and End, which comes last.
type Watcher interface {
	Begin(Start)
	Event(loadtest.Event)
	// Trial is told of a trial that has ended. Trials come behind all repeats.
	Trial(trial.Event)
	// End is told how the campaign ended: nil is that it measured all.
	End(error)
}

// A Start is a campaign that is about to begin.
type Start struct {
	Run   *result.Run
	Dir   string // of the run, as it is shown
	Steps int    // in all
	Done  int    // of them, by an earlier part of the run
	// Notes are what a person should know before it begins.
	Notes []string
}

// All tells several watchers.
type All []Watcher

var _ Watcher = All{}

// Begin tells them all.
func (a All) Begin(s Start) {
	for _, w := range a {
		w.Begin(s)
	}
}

// Event tells them all.
func (a All) Event(ev loadtest.Event) {
	for _, w := range a {
		w.Event(ev)
	}
}

// Trial tells them all.
func (a All) Trial(ev trial.Event) {
	for _, w := range a {
		w.Trial(ev)
	}
}

// End tells them all.
func (a All) End(err error) {
	for _, w := range a {
		w.End(err)
	}
}

// opening is what a run is, in lines.
func opening(s Start) []string {
	lines := []string{fmt.Sprintf("%s: %d cells × %d repeats on %d cores, into %s",
		s.Run.Name, len(s.Run.Cells), s.Run.Repeats, s.Run.Host.Cores, s.Dir)}
	if s.Done > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d repeats are there already", s.Done, s.Steps))
	}
	return append(lines, s.Notes...)
}

// line is a repeat in one line.
func line(ev loadtest.Event) string {
	r := ev.Repeat
	s := fmt.Sprintf("%d/%d %v repeat=%d: ", ev.N, ev.Total, r.Key, r.Repeat)
	doubt := ""
	if r.Gates.Verdict != result.Valid {
		doubt = string(r.Gates.Verdict)
		if len(r.Gates.Reasons) > 0 {
			doubt += ": " + strings.Join(r.Gates.Reasons, "; ")
		}
	}
	switch {
	case r.Gates.Verdict == result.Invalid:
	case r.Workload == result.Idle:
		s += fmt.Sprintf("%s of user memory", stats.Bytes.Format(float64(r.Server.PSSBytes)))
	default:
		s += fmt.Sprintf("%.0f req/s, p99 %v, %.1f µs CPU a request", r.ThroughputRPS,
			time.Duration(r.Service.P99*float64(time.Second)).Round(10*time.Microsecond), r.CPUPerRequestSec()*1e6)
	}
	if doubt != "" {
		if r.Gates.Verdict != result.Invalid {
			s += ", "
		}
		s += doubt
	}
	return s + fmt.Sprintf(" (%v left)", ev.Left.Round(time.Second))
}

// warning is one in one line.
func warning(ev loadtest.Event) string {
	return fmt.Sprintf("%s, repeat %d: warning: %s", ev.Step.Key, ev.Step.Repeat, ev.Warning)
}

// second is what went on in the last second, in a few words.
func second(p *loadtest.Progress) string {
	s := stats.PerSecond.Format(float64(p.Requests))
	if p.Requests > 0 {
		s += ", p99 " + stats.Seconds.Format(p.P99Sec)
	}
	if p.Errored > 0 {
		s += fmt.Sprintf(", %s failed", stats.Group(int(p.Errored)))
	}
	return s
}

// trialLine is a trial in one line.
func trialLine(ev trial.Event) string {
	t := ev.Trial
	s := fmt.Sprintf("%d/%d trial %s %s repeat=%d: ", ev.N, ev.Total, t.Name, t.Variant, t.Repeat)
	if t.Failure != "" {
		return s + "failed: " + t.Failure
	}
	return s + values(t) + fmt.Sprintf(" (%v left)", ev.Left.Round(time.Second))
}

// values are those of a trial in one line, in the order of their names.
func values(t *result.Trial) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.Values)) {
		parts = append(parts, fmt.Sprintf("%s %.4g", name, t.Values[name]))
	}
	return strings.Join(parts, ", ")
}
