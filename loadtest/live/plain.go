package live

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/mattn/go-isatty"
	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/trial"
)

// A Plain watcher writes a line for each repeat and for each warning.
type Plain struct {
	mu sync.Mutex
	w  io.Writer
}

var _ Watcher = (*Plain)(nil)

// NewPlain returns a watcher that writes to w. It ignores errors of w, because the record
// contains everything.
func NewPlain(w io.Writer) *Plain { return &Plain{w: w} }

func (p *Plain) println(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, line)
}

// Begin writes what will be measured.
func (p *Plain) Begin(s Start) {
	for _, l := range opening(s) {
		p.println(l)
	}
}

// Event writes a line for a repeat that has ended, or for a warning.
func (p *Plain) Event(ev loadtest.Event) {
	switch {
	case ev.Warning != "":
		p.println(warning(ev))
	case ev.Repeat != nil:
		p.println(line(ev))
	}
}

// Trial writes a line.
func (p *Plain) Trial(ev trial.Event) { p.println(trialLine(ev)) }

// End writes nothing, because the report follows.
func (p *Plain) End(error) {}

// NewText returns a Terminal if w is a terminal, unless plain is true. Else it returns a
// Plain watcher.
func NewText(w io.Writer, plain bool) Watcher {
	f, ok := w.(*os.File)
	if ok && !plain && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb" { // a dumb terminal cannot redraw a line
		return NewTerminal(f)
	}
	return NewPlain(w)
}
