package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/mattn/go-isatty"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/live"
)

// liveFlags say how a run is shown while it goes on.
type liveFlags struct {
	Plain   bool   `help:"Plain lines instead of a live view, as when the output is no terminal."`
	JSON    bool   `name:"json" help:"Write what happens as JSON, an object a line, instead of the table (tierbench schema --events)."`
	Metrics string `help:"Let Prometheus ask for http://ADDR/metrics while it runs; on loopback if the address has no host. An answer takes CPU time of the generator." placeholder:"ADDR"`
}

// watcher is what the flags ask for. Stop ends what it serves.
func (l *liveFlags) watcher(e *env) (w live.Watcher, stop func(), err error) {
	all, stop := live.All{}, func() {}
	if l.Metrics != "" {
		m := live.NewMetrics()
		at, end, err := m.Serve(l.Metrics)
		if err != nil {
			return nil, nil, mistake{fmt.Errorf("--metrics: %w", err)}
		}
		fmt.Fprintf(e.errOut, "metrics: http://%s/metrics\n", at)
		all, stop = append(all, m), end
	}
	f, ok := e.errOut.(*os.File)
	switch {
	case l.JSON:
		all = append(all, live.NewJSON(e.out))
	case ok && !l.Plain && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb": // which cannot go back a line
		all = append(all, live.NewTerminal(f))
	default:
		all = append(all, live.NewPlain(e.errOut))
	}
	return all, stop, nil
}

// tables is where those for a person go.
func (l *liveFlags) tables(e *env) *env {
	if l.JSON {
		return &env{e.ctx, io.Discard, e.errOut} // the output is for a program
	}
	return e
}

// start is the run as those who watch it are told of it.
func (s *session) start() live.Start {
	start := live.Start{Run: &s.run, Dir: relative(s.writer.Dir()), Steps: len(s.plan.Steps())}
	// A run may have more repeats of a cell than it is asked for now.
	done := map[string]bool{}
	for i := range s.earlier {
		if r := &s.earlier[i]; r.Failure != loadtest.Interrupted {
			done[fmt.Sprint(r.Key, r.Repeat)] = true
		}
	}
	for _, step := range s.plan.Steps() {
		if done[fmt.Sprint(step.Key, step.Repeat)] {
			start.Done++
		}
	}
	if h := s.run.Host; h.Load1 > 1.5*float64(h.Cores) {
		start.Notes = append(start.Notes, fmt.Sprintf("the load average of the last minute is %.1f on %d cores: if that is not from a run before this one, others use the machine; expect wide intervals and invalid repeats", h.Load1, h.Cores))
	}
	for _, name := range slices.Sorted(maps.Keys(s.run.Absent)) {
		start.Notes = append(start.Notes, fmt.Sprintf("%s is left out: %s", name, s.run.Absent[name]))
	}
	return start
}
