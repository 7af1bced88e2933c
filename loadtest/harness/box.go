package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/box"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/launch"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// useBoxes prepares for the boxes of a plan. It returns a UsageError if this machine has
// less than a box, or cannot keep it.
func (h *Harness) useBoxes(p *plan.Plan) error {
	var all []result.Limits
	for i := range p.Cells {
		if l := p.Cells[i].Key.Setting.Box; l != (result.Limits{}) {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return nil
	}
	if h.Addr.IsValid() {
		return UsageError{p.Config.Errorf("box: a server that is already running (--addr) cannot be put in a box; let the run start it")}
	}
	if h.place == nil && h.noPlace == nil {
		h.place, h.noPlace = box.Open()
	}
	machine := host.Describe(procRoot)
	for _, l := range all {
		switch {
		case l.CPUs > float64(machine.Cores):
			return UsageError{p.Config.Errorf("box %v: %g CPUs are more than this process can use; allowed: up to %d", l, l.CPUs, machine.Cores)}
		case l.MemoryBytes > machine.MemBytes:
			return UsageError{p.Config.Errorf("box %v: the memory is more than this machine has; allowed: up to %s", l, host.Size(machine.MemBytes))}
		case h.noPlace != nil && l.CPUs != math.Trunc(l.CPUs):
			return UsageError{p.Config.Errorf("box %v: a part of a CPU needs a control group, and none can be made here: %w", l, h.noPlace)}
		}
	}
	return nil
}

// byAccount reports whether a box is kept by account: no control group can be made here. The
// server is then bound to as many CPUs as its box has.
func (h *Harness) byAccount(l result.Limits) bool {
	return l != (result.Limits{}) && h.noPlace != nil
}

// launchIn starts a server in a box.
func (h *Harness) launchIn(ctx context.Context, spec launch.Spec, l result.Limits, watch bool) (loadtest.Server, error) {
	in := &boxed{limits: l}
	if h.byAccount(l) {
		in.why = h.noPlace.Error()
	} else {
		b, err := h.place.Create(l)
		if err != nil {
			return nil, fmt.Errorf("box %v: %w", l, err)
		}
		in.box, spec.Start = b, b.Start
	}
	srv, err := launch.Start(ctx, spec)
	if err != nil {
		read, readErr := in.read(result.Usage{})
		return nil, &loadtest.StartError{Box: read, Err: errors.Join(err, readErr, in.remove())}
	}
	if in.box != nil && watch {
		go in.watch(srv)
	}
	return process{srv, spec.Protocol, in}, nil
}

// boxed is the box of a server.
type boxed struct {
	limits result.Limits
	box    *box.Box // nil if it is kept by account
	why    string   // it is kept by account

	mu      sync.Mutex
	removed bool
	last    *result.Box // as it was before it was removed
}

// read reads what was used of the box since the server started.
func (b *boxed) read(u result.Usage) (*result.Box, error) {
	if b.box == nil {
		kernel := u.KernelStackBytes + u.PageTableBytes
		return &result.Box{
			Limits: b.limits, By: result.ByAccount, Why: b.why, PeakBytes: u.PSSBytes + kernel + u.SocketBytes,
			Memory: result.BoxMemory{
				UserBytes: u.PSSBytes, KernelBytes: kernel, KernelStackBytes: u.KernelStackBytes,
				PageTableBytes: u.PageTableBytes, SocketBytes: u.SocketBytes,
			},
		}, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.removed {
		r, err := b.box.Read()
		if err != nil {
			return nil, err
		}
		b.last = &result.Box{
			Limits: b.limits, By: b.box.By(), PeakBytes: r.PeakBytes, Memory: r.Memory,
			ThrottledSec: r.ThrottledSec, LimitHits: r.LimitHits, OOMKills: r.OOMKills,
		}
	}
	if b.last == nil {
		return nil, nil
	}
	read := *b.last
	return &read, nil
}

// remove ends what still runs in the box, and removes it.
func (b *boxed) remove() error {
	if b == nil || b.box == nil {
		return nil
	}
	_, err := b.read(result.Usage{})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.removed = true
	return errors.Join(err, b.box.Remove())
}

// watchEvery is how often a box is asked whether the kernel has killed a process in it. To
// ask takes about 10 µs.
const watchEvery = 100 * time.Millisecond

// watch ends the server once the kernel has killed one of its processes for its memory. The
// rest of such a server is not what was asked for, and its clients would wait for it in vain.
// Version 2 does it by itself.
func (b *boxed) watch(srv *launch.Server) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-srv.Exited():
			return
		case <-tick.C:
		}
		b.mu.Lock()
		var kills int64
		if !b.removed {
			kills, _ = b.box.OOMKills()
		}
		b.mu.Unlock()
		if kills > 0 {
			_ = srv.Kill()
			return
		}
	}
}
