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

// A Plain watcher writes a line for each repeat, and for each warning.
type Plain struct {
	mu sync.Mutex
	w  io.Writer
}

var _ Watcher = (*Plain)(nil)

// NewPlain writes to w. What cannot be written is lost: the record has it.
func NewPlain(w io.Writer) *Plain { return &Plain{w: w} }

func (p *Plain) println(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, line)
}

// Begin says what will be measured.
func (p *Plain) Begin(s Start) {
	for _, l := range opening(s) {
		p.println(l)
	}
}

// Event writes what ended, and what there is to know.
func (p *Plain) Event(ev loadtest.Event) {
	switch {
	case ev.Warning != "":
		p.println(warning(ev))
	case ev.Repeat != nil:
		p.println(line(ev))
	}
}

// Trial writes what came of it.
func (p *Plain) Trial(ev trial.Event) { p.println(trialLine(ev)) }

// End says nothing: the report follows.
func (p *Plain) End(error) {}

// NewText is a Terminal if w is one, and plain lines else, or if they are wanted.
func NewText(w io.Writer, plain bool) Watcher {
	f, ok := w.(*os.File)
	if ok && !plain && isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb" { // which cannot go back a line
		return NewTerminal(f)
	}
	return NewPlain(w)
}
