package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/launch"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/wrk"
)

// A rig binds and starts the servers and generators of a session.
type rig struct {
	server string // the program with the built-in models
	raw    bool
	cpus   host.CPUSet // of this process, as it was started
	bound  string      // what it is bound to now; "" is all of cpus

	ceilings map[ceilingKey]float64
	workers  workers

	// running is a server that is there already; none is started then.
	running     *running
	allowRemote bool
}

// A generation says how a session's load is made.
type generation struct {
	workersFlag
	raw         bool     // keep each request
	running     *running // a server that is there already; nil starts one
	allowRemote bool
}

// newRig fails if the plan asks for CPUs that are not here.
func newRig(server string, p *plan.Plan, how generation) (*rig, error) {
	cpus, err := host.Affinity()
	if err != nil {
		return nil, fmt.Errorf("ask for the CPUs of this process: %w", err)
	}
	g := &rig{
		server: server, raw: how.raw, cpus: cpus, ceilings: map[ceilingKey]float64{},
		running: how.running, allowRemote: how.allowRemote,
	}
	for _, s := range p.Steps() {
		if _, _, err := g.sets(s); err != nil {
			return nil, mistake{fmt.Errorf("%s: %w", p.Config.File, err)}
		}
	}
	return g, g.divide(how.workersFlag, p)
}

// sets are the CPUs of a step's server and generator.
func (g *rig) sets(step plan.Step) (server, generator host.CPUSet, err error) {
	of := func(s string) (host.CPUSet, error) {
		if s == "" {
			return g.cpus, nil
		}
		set, err := host.ParseCPUs(s)
		if err == nil && set.Common(g.cpus) < len(set) {
			err = fmt.Errorf("CPUs %s are not all there; allowed: those of this process, %v", s, g.cpus)
		}
		return set, err
	}
	server, err1 := of(step.Experiment.CPUs.Server)
	generator, err2 := of(step.Experiment.CPUs.Generator)
	return server, generator, errors.Join(err1, err2)
}

// bind binds the generator, which is this process, for a step.
func (g *rig) bind(step plan.Step) (result.CPUs, error) {
	server, generator, err := g.sets(step)
	if err != nil {
		return result.CPUs{}, err
	}
	if want := step.Experiment.CPUs.Generator; want != g.bound {
		if err := host.BindProcess(generator); err != nil {
			return result.CPUs{}, err
		}
		runtime.GOMAXPROCS(len(generator))
		g.bound = want
	}
	if g.running != nil { // nobody knows where it runs
		return result.CPUs{Generator: generator.String(), GeneratorCount: len(generator)}, nil
	}
	return result.CPUs{
		Server: server.String(), Generator: generator.String(),
		ServerCount: len(server), GeneratorCount: len(generator), Shared: server.Common(generator),
	}, nil
}

// start starts the step's server.
func (g *rig) start(ctx context.Context, step plan.Step) (loadtest.Server, error) {
	if g.running != nil {
		return g.running, nil
	}
	return g.launch(ctx, step, g.argv(step))
}

func (g *rig) launch(ctx context.Context, step plan.Step, argv []string) (loadtest.Server, error) {
	cpus, _, err := g.sets(step)
	if err != nil {
		return nil, err
	}
	srv, err := launch.Start(ctx, launch.Spec{Argv: argv, Protocol: step.Key.Protocol, CPUs: cpus})
	if err != nil {
		return nil, err
	}
	return process{srv, step.Key.Protocol}, nil
}

// argv is the command line of a step's server.
func (g *rig) argv(step plan.Step) []string {
	if len(step.Model.Command) > 0 {
		return step.Model.Command
	}
	args := []string{g.server, "--model", step.Key.Model, "--protocol", "{protocol}", "--addr", "{addr}", "--log-level", "warn"}
	args = append(args, step.Experiment.ServerArgs...)
	if f := step.Experiment.Fault; f != nil && f.HTTP() && !slices.Contains(args, "--faults") {
		args = append(args, "--faults")
	}
	return args
}

// connect opens the step's clients.
func (g *rig) connect(ctx context.Context, step plan.Step, t load.Target) (loadtest.Clients, *load.Connected, error) {
	switch p := step.Population(); step.Generator {
	case plan.Wrk:
		return wrk.New(t, p.Clients, 1), nil, nil
	case plan.WrkAll:
		return wrk.New(t, p.Clients, runtime.GOMAXPROCS(0)), nil, nil
	case plan.WrkSame:
		return wrk.New(t, p.Clients, g.attackers(step)), nil, nil
	case plan.Wrk2:
		return wrk.NewWrk2(t, p.Clients, g.attackers(step)), nil, nil
	case plan.Oha:
		return wrk.NewOha(t, p.Clients), nil, nil
	case plan.Stock:
		c, err := attack.NewStock(t, p.Clients)
		if err != nil {
			return nil, nil, err
		}
		return c, nil, nil
	default:
		return g.drive(ctx, step, t, g.raw)
	}
}

// attackers is how many of them share the clients: one for each CPU of the
// generator, but half as many where the server runs on the same ones. A request
// costs both about as much, so with more of them they would only wait for each
// other's turn.
func (g *rig) attackers(step plan.Step) int {
	server, generator, err := g.sets(step)
	if err != nil || server.Common(generator) == 0 {
		return len(generator)
	}
	return max(1, len(generator)/2)
}

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

// ceiling is what the generator reaches when its attackers never wait: one CPU's
// time each, divided by the CPU time that a request costs it on a server that does
// nothing. It is measured once for each tier, as the best of a few tries with one
// event loop and with as many as the server has CPUs. The throughput on such a
// server would not do: the two wait for each other's wake-ups, and a server
// whose answers come in larger batches can reach more. Where a server takes its
// time, the generator is not what limits it.
func (g *rig) ceiling(ctx context.Context, step plan.Step) (float64, error) {
	k := ceilingKey{step.Key.Protocol, step.Key.Workload, step.Key.Clients, g.processes(step), step.Experiment.CPUs}
	echoes := len(step.Workload.Requests) == 1 && (step.Workload.Requests[0].Workload == "plaintext" || step.Workload.Requests[0].Workload == "echo")
	if step.Generator != plan.Vegeta || step.PerRequest() || !echoes || int64(step.Key.Clients) > g.workers.perProcess {
		return 0, nil // among these, more clients than the null server, one process, can hold
	}
	if c, ok := g.ceilings[k]; ok {
		return c, nil
	}
	g.ceilings[k] = 0 // what goes wrong once is not tried again
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cpus, _, err := g.sets(step)
	if err != nil {
		return 0, err
	}
	var best float64
	for _, loops := range slices.Compact([]int{1, len(cpus)}) {
		reached, err := g.nullRun(ctx, step, []string{self, "null", "--protocol", "{protocol}", "--addr", "{addr}", "--loops", strconv.Itoa(loops)})
		if err != nil {
			return 0, err
		}
		best = max(best, reached)
	}
	g.ceilings[k] = best
	return best, nil
}

// nullRun is the best ceiling of a few tries on one null server.
func (g *rig) nullRun(ctx context.Context, step plan.Step, argv []string) (best float64, err error) {
	srv, err := g.launch(ctx, step, argv)
	if err != nil {
		return 0, err
	}
	defer func() { _ = srv.Kill() }()
	t := load.Target{Addr: srv.Addr(), Protocol: step.Key.Protocol, Requests: step.Workload.Requests}
	for range ceilingTries {
		c, _, err := g.drive(ctx, step, t, false)
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
func (g *rig) recall(p *plan.Plan, earlier []result.Repeat) {
	cells := map[result.Key]*plan.Cell{}
	for i := range p.Cells {
		cells[p.Cells[i].Key] = &p.Cells[i]
	}
	for i := range earlier {
		if c := cells[earlier[i].Key]; c != nil && earlier[i].Generator.CeilingRPS > 0 {
			g.ceilings[ceilingKey{c.Key.Protocol, c.Key.Workload, c.Key.Clients, earlier[i].Generator.Processes, c.Experiment.CPUs}] = earlier[i].Generator.CeilingRPS
		}
	}
}

// counters reads what may disturb a measurement.
func counters() (loadtest.Counters, error) {
	c, err := host.ReadCounters(procRoot)
	out := loadtest.Counters{Trouble: c.Trouble, TimeWait: c.TimeWait, StolenSec: c.StolenSec}
	for _, p := range c.Processes {
		out.Processes = append(out.Processes, loadtest.ProcessCPU(p))
	}
	return out, err
}

// nullCmd is the server that a generator's ceiling is measured on.
type nullCmd struct {
	Protocol string `enum:"http,echo" default:"http"`
	Addr     string `default:"127.0.0.1:0"`
	Loops    int    `default:"1"`
}

func (c *nullCmd) Run(e *env) error {
	if _, err := host.RaiseNoFile(); err != nil {
		return err
	}
	return attack.ServeNull(e.ctx, c.Protocol, c.Addr, c.Loops)
}

// programs are those of the generators that are one.
var programs = map[string]string{
	plan.Wrk: "wrk", plan.WrkAll: "wrk", plan.WrkSame: "wrk", plan.Wrk2: "wrk2", plan.Oha: "oha",
}

// absentGenerators finds those of a plan that have no program here.
func absentGenerators(p *plan.Plan) map[string]string {
	absent := map[string]string{}
	for _, g := range p.Generators() {
		program, ok := programs[g]
		if !ok {
			continue
		}
		if _, err := exec.LookPath(program); err != nil {
			absent[g] = program + " is not installed"
		}
	}
	return absent
}
