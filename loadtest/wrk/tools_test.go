package wrk

import (
	"os/exec"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// The other tools are tested only if they are installed, because no distribution packages
// them.
func TestTheRealOthers(t *testing.T) {
	target := plaintext(t)
	for _, c := range []*Clients{NewOha(target, 5), NewWrk2(target, 5, 1)} {
		if _, err := exec.LookPath(c.tool.name); err != nil {
			t.Logf("not driven: %v", err)
			continue
		}
		work := load.Work{Loop: c.tool.loop, Length: 500 * time.Millisecond, Pace: load.Pace{Rate: 200}}
		var opened, closed int
		w, err := c.Run(t.Context(), work, load.Hooks{
			Open:  func() error { opened = c.Established(); return nil },
			Close: func() error { closed = c.Established(); return nil },
		})
		if err != nil {
			t.Errorf("%s: %v", c.tool.name, err)
			continue
		}
		all := w.Whole()
		if opened != 5 || closed != 5 || len(w.Errors) != 0 || all.Service.TotalCount() == 0 || (all.Response != nil) != (c.tool.loop == result.Open) {
			t.Errorf("%s: %d and %d connections, errors %v, %d requests", c.tool.name, opened, closed, w.Errors, all.Service.TotalCount())
		}
	}
}
