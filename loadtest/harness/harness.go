// Package harness measures on this machine. It binds, starts and stops the servers and
// generators of a campaign, and writes the results to the run's folder.
package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/box"
	"github.com/tierbench/tierbench/loadtest/fleet"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/launch"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/wrk"
)

// A UsageError is an error of the user: what was asked for cannot be measured here.
// Nothing was started.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }

func usageErrorf(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// ErrInterrupted is returned if the context was done before the work.
var ErrInterrupted = errors.New("interrupted")

const procRoot = "/proc"

// A Harness binds, starts and stops the servers and generators of one run. Its exported
// fields must be set before it opens the run, and not be changed afterwards.
type Harness struct {
	Server string        // the program with the built-in models
	Models []result.Info // the built-in models
	// Self is this program. SELF generator runs a generator process, SELF null a server
	// that does nothing, on which the generator's ceiling is measured.
	Self string

	Results    string       // the folder in which the run's folder is created
	Build      result.Build // of this program, for the record
	ClaimRules string       // version of the claims' rules, for the record
	Raw        string       // format in which each request is saved: gob, csv, json; "" to save none

	GeneratorProcesses int        // 0: one, or as many as a tier needs to have enough descriptors
	Link               fleet.Link // to an existing NATS server; without a URL, the harness starts one
	Version            string     // of this program; the generator processes must have the same

	// Addr is the address of a server that is already running. If it is valid, no server
	// is started.
	Addr        netip.AddrPort
	AllowRemote bool // Addr may be on another host

	Now func() time.Time // time.Now if nil

	cpus       host.CPUSet // of this process, when it was started
	quota      float64     // of this process's control groups, in CPUs; 0 if there is none
	bound      string      // the set that it is bound to now; "" for all of cpus
	ceilings   map[ceilingKey]float64
	perProcess int64 // the most clients of a generator process
	hub        *fleet.Hub
	place      *box.Place // that boxes are made in; nil before the first
	noPlace    error      // why there is none, so that boxes are kept by account
}

// generatorGC lets the generator's heap grow to five times its live size before it is
// collected: vegeta makes about 2 KB of garbage per request, and there is enough memory.
// It changes how much load the generator can make, not what it measures.
const generatorGC = 400

// Prepare prepares this process to generate load. It must be called once, before a run is
// opened.
func Prepare() error {
	if _, err := host.SocketsOn(1); err != nil {
		return fmt.Errorf("measuring needs Linux, because it reads /proc and sock_diag: %w", err)
	}
	return tune()
}

func tune() error {
	if _, err := host.RaiseNoFile(); err != nil {
		return fmt.Errorf("raise the limit on descriptors: %w", err)
	}
	debug.SetGCPercent(generatorGC)
	return nil
}

// connectWithin is how long it may take to connect to a server that is already running.
const connectWithin = 10 * time.Second

// use prepares the harness for a plan. It returns a UsageError if no server accepts
// connections at Addr, or if the plan needs CPUs that are not available or more clients
// than the generator can have.
func (h *Harness) use(p *plan.Plan) (err error) {
	if h.Addr.IsValid() { // otherwise every measurement would wait for it
		conn, err := net.DialTimeout("tcp", h.Addr.String(), connectWithin)
		if err != nil {
			return usageErrorf("--addr: cannot connect to the server: %w", err)
		}
		conn.Close()
	}
	h.quota = host.ReadOwn(procRoot).CPUs
	if h.cpus, err = host.Affinity(); err != nil {
		return fmt.Errorf("read the CPUs of this process: %w", err)
	}
	h.ceilings = map[ceilingKey]float64{}
	for _, s := range p.Steps() {
		if _, _, err := h.sets(s); err != nil {
			return UsageError{p.Config.Errorf("%w", err)}
		}
	}
	if err := h.useBoxes(p); err != nil {
		return err
	}
	return h.divide(p)
}

// close stops what the steps of a run share.
func (h *Harness) close() error {
	if h.hub != nil {
		h.hub.Close()
	}
	if h.place != nil {
		return h.place.Close()
	}
	return nil
}

func (h *Harness) now() time.Time {
	if h.Now != nil {
		return h.Now().UTC()
	}
	return time.Now().UTC()
}

// sets returns the CPUs of a step's server and generator.
func (h *Harness) sets(step plan.Step) (server, generator host.CPUSet, err error) {
	of := func(s string) (host.CPUSet, error) {
		if s == "" {
			return h.cpus, nil
		}
		set, err := host.ParseCPUs(s)
		if err == nil && set.Common(h.cpus) < len(set) {
			err = fmt.Errorf("CPUs %s are not all available; allowed: those of this process, %v", s, h.cpus)
		}
		return set, err
	}
	server, err1 := of(step.Experiment.CPUs.Server)
	if box := step.Key.Setting.Box; err1 == nil && h.byAccount(box) {
		server = server[:host.Cores(len(server), box.CPUs)]
	}
	generator, err2 := of(step.Experiment.CPUs.Generator)
	return server, generator, errors.Join(err1, err2)
}

// bind binds the generator, which is this process, for a step.
func (h *Harness) bind(step plan.Step) (result.CPUs, error) {
	server, generator, err := h.sets(step)
	if err != nil {
		return result.CPUs{}, err
	}
	if want := step.Experiment.CPUs.Generator; want != h.bound {
		if err := host.BindProcess(generator); err != nil {
			return result.CPUs{}, err
		}
		runtime.GOMAXPROCS(len(generator))
		h.bound = want
	}
	if h.Addr.IsValid() { // it is not known which CPUs it runs on
		return result.CPUs{Generator: generator.String(), GeneratorCount: len(generator)}, nil
	}
	return result.CPUs{
		Server: server.String(), Generator: generator.String(),
		ServerCount: len(server), GeneratorCount: len(generator), Shared: server.Common(generator),
	}, nil
}

// start starts the step's server.
func (h *Harness) start(ctx context.Context, step plan.Step) (loadtest.Server, error) {
	if h.Addr.IsValid() {
		return newRunning(h.Addr), nil
	}
	return h.launch(ctx, step, h.argv(step), step.Key.Setting.Box)
}

// launch starts a server in a box, if there is any limit.
func (h *Harness) launch(ctx context.Context, step plan.Step, argv []string, limits result.Limits) (loadtest.Server, error) {
	cpus, _, err := h.sets(step)
	if err != nil {
		return nil, err
	}
	spec := launch.Spec{Argv: argv, Protocol: step.Key.Protocol, CPUs: cpus, Cores: host.Cores(host.Cores(len(cpus), h.quota), limits.CPUs)}
	if len(step.Model.Command) == 0 && spec.Cores < len(cpus) {
		// Go itself would take two of them.
		spec.Env = []string{"GOMAXPROCS=" + strconv.Itoa(spec.Cores)}
	}
	if limits != (result.Limits{}) {
		return h.launchIn(ctx, spec, limits, step.Experiment.Fault == nil)
	}
	srv, err := launch.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	return process{srv, step.Key.Protocol, nil}, nil
}

// argv returns the command line of a step's server.
func (h *Harness) argv(step plan.Step) []string {
	if len(step.Model.Command) > 0 {
		return step.Model.Command
	}
	args := []string{h.Server, "--model", step.Key.Model, "--protocol", "{protocol}", "--addr", "{addr}", "--log-level", "warn"}
	args = append(args, step.Experiment.ServerArgs...)
	if f := step.Experiment.Fault; f != nil && f.HTTP() && !slices.Contains(args, "--faults") {
		args = append(args, "--faults")
	}
	return args
}

// connect opens the connections of the step's clients.
func (h *Harness) connect(ctx context.Context, step plan.Step, t load.Target) (loadtest.Clients, *load.Connected, error) {
	switch p := step.Population(); step.Generator {
	case plan.Wrk:
		return wrk.New(t, p.Clients, 1), nil, nil
	case plan.WrkAll:
		return wrk.New(t, p.Clients, runtime.GOMAXPROCS(0)), nil, nil
	case plan.WrkSame:
		return wrk.New(t, p.Clients, h.shards(step)), nil, nil
	case plan.Wrk2:
		return wrk.NewWrk2(t, p.Clients, h.shards(step)), nil, nil
	case plan.Oha:
		return wrk.NewOha(t, p.Clients), nil, nil
	case plan.Stock:
		c, err := attack.NewStock(t, p.Clients)
		if err != nil {
			return nil, nil, err
		}
		return c, nil, nil
	default:
		return h.drive(ctx, step, t, h.Raw != "")
	}
}

// shards returns the number of shards: one for each CPU of the generator, but half as many
// if the server runs on the same CPUs. A request costs server and generator about the
// same, so more shards would only wait for each other.
func (h *Harness) shards(step plan.Step) int {
	server, generator, err := h.sets(step)
	if err != nil || server.Common(generator) == 0 {
		return len(generator)
	}
	return max(1, len(generator)/2)
}

// counters reads what may disturb a measurement.
func counters() (loadtest.Counters, error) {
	c, err := host.ReadCounters(procRoot)
	out := loadtest.Counters{Trouble: c.Trouble, TimeWait: c.TimeWait, StolenSec: c.StolenSec, ThrottledSec: c.ThrottledSec}
	for _, p := range c.Processes {
		out.Processes = append(out.Processes, loadtest.ProcessCPU(p))
	}
	return out, err
}
