package harness

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// ceilingKey is what a generator's ceiling depends on.
type ceilingKey struct {
	protocol, workload string
	clients, processes int
	cpus               plan.CPUs
}

const (
	ceilingTries  = 2 // on each null server
	ceilingWarmup = 100 * time.Millisecond
	ceilingWindow = 400 * time.Millisecond
)

// ceiling is what the generator reaches when its shards never wait: one CPU's
// time each, divided by the CPU time that a request costs it on a server that does
// nothing. It is measured once for each tier, as the best of a few tries with one
// event loop and with as many as the server has CPUs. The throughput on such a
// server would not do: the two wait for each other's wake-ups, and a server
// whose answers come in larger batches can reach more. Where a server takes its
// time, the generator is not what limits it.
func (h *Harness) ceiling(ctx context.Context, step plan.Step) (float64, error) {
	k := ceilingKey{step.Key.Protocol, step.Key.Workload, step.Key.Clients, h.processes(step), step.Experiment.CPUs}
	if step.Generator != plan.Vegeta || step.PerRequest() || !step.Workload.Cheap() || int64(step.Key.Clients) > h.perProcess {
		return 0, nil // among these, more clients than the null server, one process, can hold
	}
	if c, ok := h.ceilings[k]; ok {
		return c, nil
	}
	h.ceilings[k] = 0 // what goes wrong once is not tried again
	cpus, _, err := h.sets(step)
	if err != nil {
		return 0, err
	}
	var best float64
	for _, loops := range slices.Compact([]int{1, len(cpus)}) {
		reached, err := h.nullRun(ctx, step, []string{h.Self, "null", "--protocol", "{protocol}", "--addr", "{addr}", "--loops", strconv.Itoa(loops)})
		if err != nil {
			return 0, err
		}
		best = max(best, reached)
	}
	h.ceilings[k] = best
	return best, nil
}

// nullRun is the best ceiling of a few tries on one null server.
func (h *Harness) nullRun(ctx context.Context, step plan.Step, argv []string) (best float64, err error) {
	srv, err := h.launch(ctx, step, argv)
	if err != nil {
		return 0, err
	}
	defer func() { _ = srv.Kill() }()
	t := load.Target{Addr: srv.Addr(), Protocol: step.Key.Protocol, Requests: step.Workload.Requests}
	for range ceilingTries {
		c, _, err := h.drive(ctx, step, t, false)
		if err != nil {
			return 0, err
		}
		var opened, closed float64
		w, err := c.Run(ctx, load.Work{Loop: result.Closed, Warmup: ceilingWarmup, Length: ceilingWindow}, load.Hooks{
			Open:  func() (err error) { opened, err = c.CPU(); return err },
			Close: func() (err error) { closed, err = c.CPU(); return err },
		})
		_ = c.Close()
		if err != nil {
			return 0, err
		}
		if cpu := closed - opened; cpu > 0 {
			best = max(best, float64(w.Whole().Service.TotalCount())/cpu*float64(c.Shards()))
		}
	}
	return best, nil
}

// recall takes the ceilings from what an earlier part of the run measured.
func (h *Harness) recall(p *plan.Plan, earlier []result.Repeat) {
	cells := map[result.Key]*plan.Cell{}
	for i := range p.Cells {
		cells[p.Cells[i].Key] = &p.Cells[i]
	}
	for i := range earlier {
		if c := cells[earlier[i].Key]; c != nil && earlier[i].Generator.CeilingRPS > 0 {
			h.ceilings[ceilingKey{c.Key.Protocol, c.Key.Workload, c.Key.Clients, earlier[i].Generator.Processes, c.Experiment.CPUs}] = earlier[i].Generator.CeilingRPS
		}
	}
}
