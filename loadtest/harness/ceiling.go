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

// A ceilingKey contains everything that a generator's ceiling depends on.
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

// ceiling returns the throughput that the generator would reach if its shards never
// waited, in requests a second: the number of shards divided by the CPU time that a
// request costs the generator on a server that does nothing. It is measured once for each
// tier, as the best of a few tries with one event loop and with as many as the server has
// CPUs. The throughput on such a server is not the ceiling: server and generator wait for
// each other's wake-ups, and a server that answers in larger batches can reach more.
// ceiling returns 0 for workloads that take time, because there the generator is not the
// limit.
func (h *Harness) ceiling(ctx context.Context, step plan.Step) (float64, error) {
	k := ceilingKey{step.Key.Protocol, step.Key.Workload, step.Key.Clients, h.processes(step), step.Experiment.CPUs}
	if step.Generator != plan.Vegeta || step.PerRequest() || !step.Workload.Cheap() || int64(step.Key.Clients) > h.perProcess {
		return 0, nil // the last: the null server is one process, which cannot have that many clients
	}
	if c, ok := h.ceilings[k]; ok {
		return c, nil
	}
	h.ceilings[k] = 0 // if it fails, it is not tried again
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

// nullRun returns the best ceiling of a few tries on one null server.
func (h *Harness) nullRun(ctx context.Context, step plan.Step, argv []string) (best float64, err error) {
	srv, err := h.launch(ctx, step, argv, result.Limits{})
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

// recall takes the ceilings from the repeats measured before the run was interrupted.
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
