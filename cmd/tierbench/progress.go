package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/result"
)

// progress shows where a campaign stands: one line that changes on a terminal,
// else a line for each repeat.
type progress struct {
	w    io.Writer
	bars *mpb.Progress // nil without a terminal
	bar  *mpb.Bar

	mu  sync.Mutex // now is drawn by mpb's goroutine
	now loadtest.Event
}

func newProgress(w io.Writer, plain bool) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok && !plain && isatty.IsTerminal(f.Fd()) {
		p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(24))
	}
	return p
}

func (p *progress) begin(s *session) {
	p.printf("%s: %d cells × %d repeats on %d cores, into %s\n",
		s.run.Name, len(s.plan.Cells), s.run.Repeats, s.run.Host.Cores, relative(s.writer.Dir()))
	if h := s.run.Host; h.Load1 > 1.5*float64(h.Cores) {
		p.printf("the load average of the last minute is %.1f on %d cores: if that is not from a run before this one, others use the machine; expect wide intervals and invalid repeats\n", h.Load1, h.Cores)
	}
	for name, why := range s.run.Absent {
		p.printf("%s is left out: %s\n", name, why)
	}
	if p.bars != nil {
		p.bar = p.bars.New(int64(len(s.plan.Steps())), mpb.BarStyle().Rbound("|"),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return p.status() })))
	}
}

func (p *progress) printf(format string, args ...any) {
	if p.bars != nil {
		fmt.Fprintf(p.bars, format, args...)
	} else {
		fmt.Fprintf(p.w, format, args...)
	}
}

func (p *progress) status() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now.Total == 0 {
		return ""
	}
	return fmt.Sprintf(" %d/%d %s, %s left", p.now.N, p.now.Total, p.now.Step.Key, p.now.Left.Round(time.Second))
}

func (p *progress) event(ev loadtest.Event) {
	switch {
	case ev.Warning != "":
		p.printf("%s, repeat %d: warning: %s\n", ev.Step.Key, ev.Step.Repeat, ev.Warning)
		return
	case ev.Repeat != nil:
		if p.bar != nil {
			p.bar.SetCurrent(int64(ev.N))
		}
		if p.bars == nil || ev.Repeat.Gates.Verdict != result.Valid {
			p.printf("%s\n", line(ev))
		}
	}
	p.mu.Lock()
	p.now = ev
	p.mu.Unlock()
}

// trial shows a trial that has ended.
func (p *progress) trial(ev loadtest.TrialEvent) { p.printf("%s\n", trialLine(ev)) }

// line is a repeat in one line.
func line(ev loadtest.Event) string {
	r := ev.Repeat
	s := fmt.Sprintf("%d/%d %v repeat=%d: ", ev.N, ev.Total, r.Key, r.Repeat)
	switch {
	case r.Gates.Verdict != result.Valid:
		s += string(r.Gates.Verdict)
		for i, reason := range r.Gates.Reasons {
			s += map[bool]string{true: ": ", false: "; "}[i == 0] + reason
		}
	case r.Workload == result.Idle:
		s += fmt.Sprintf("%.0f B a client", r.MemoryPerClientBytes())
	default:
		s += fmt.Sprintf("%.0f req/s, p99 %v, %.1f µs CPU a request", r.ThroughputRPS,
			time.Duration(r.Service.P99*float64(time.Second)).Round(10*time.Microsecond), r.CPUPerRequestSec()*1e6)
	}
	return s + fmt.Sprintf(" (%v left)", ev.Left.Round(time.Second))
}

func (p *progress) end() {
	if p.bars == nil {
		return
	}
	if !p.bar.Completed() {
		p.bar.Abort(false)
	}
	p.bars.Wait()
}
