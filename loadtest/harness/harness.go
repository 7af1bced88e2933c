// Package harness measures on this machine: it binds, starts and stops servers
// and generators for a campaign, and writes what comes of it to the run's folder.
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
	"github.com/tierbench/tierbench/loadtest/fleet"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/launch"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/wrk"
)

// A Mistake is the user's: what was asked for cannot be measured here, and
// nothing was started.
type Mistake struct{ Err error }

func (m Mistake) Error() string { return m.Err.Error() }
func (m Mistake) Unwrap() error { return m.Err }

func mistakef(format string, args ...any) error { return Mistake{fmt.Errorf(format, args...)} }

// ErrInterrupted says that a context ended before the work did.
var ErrInterrupted = errors.New("interrupted")

const procRoot = "/proc"

// A Harness binds, starts and stops the servers and generators of one run. Its
// exported fields are set before it opens the run, and not changed afterwards.
type Harness struct {
	Server string        // the program with the built-in models
	Models []result.Info // that it has
	// Self is the program of the generator processes (SELF generator) and of the
	// servers that do nothing, on which the generator's ceiling is measured
	// (SELF null).
	Self string

	Results    string       // the folder that the run's own is made in
	Build      result.Build // of this program, for the record
	ClaimRules string       // their version, for the record
	Raw        string       // format in which each request is kept: gob, csv, json; or empty

	GeneratorProcesses int        // 0: one, and more where a tier needs more descriptors than one has
	Link               fleet.Link // to a NATS server that is there already; if it has no URL, one is started
	Version            string     // that a generator process must have in common with this one

	// Addr is that of a server that is there already. If it is valid, none is
	// started.
	Addr        netip.AddrPort
	AllowRemote bool // Addr may be another host's

	Now func() time.Time // time.Now if nil

	cpus       host.CPUSet // of this process, as it was started
	quota      float64     // of this process's control groups, in CPUs; 0 is none
	bound      string      // what it is bound to now; "" is all of cpus
	ceilings   map[ceilingKey]float64
	perProcess int64 // the most clients of a generator process
	hub        *fleet.Hub
}

// generatorGC lets the generator's heap grow to five times what is live before
// it is collected: vegeta makes about 2 KB of garbage a request, and there is
// memory enough. It changes how much load there can be, not what is measured.
const generatorGC = 400

// Prepare makes a generator of this process. It is called once, before a run is
// opened.
func Prepare() error {
	if _, err := host.SocketsOn(1); err != nil {
		return fmt.Errorf("measuring needs Linux, whose /proc and sock_diag say what a server uses: %w", err)
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

// connectWithin is how long a server that runs already may take to be reached.
const connectWithin = 10 * time.Second

// use prepares for a plan. It is a Mistake if nobody answers at Addr, or if the
// plan asks for CPUs that are not here, or for more clients than the generator can
// have.
func (h *Harness) use(p *plan.Plan) (err error) {
	if h.Addr.IsValid() { // else every single measurement would wait for it
		conn, err := net.DialTimeout("tcp", h.Addr.String(), connectWithin)
		if err != nil {
			return mistakef("--addr: no server is there: %w", err)
		}
		conn.Close()
	}
	h.quota = host.ReadOwn(procRoot).CPUs
	if h.cpus, err = host.Affinity(); err != nil {
		return fmt.Errorf("ask for the CPUs of this process: %w", err)
	}
	h.ceilings = map[ceilingKey]float64{}
	for _, s := range p.Steps() {
		if _, _, err := h.sets(s); err != nil {
			return Mistake{p.Config.Errorf("%w", err)}
		}
	}
	return h.divide(p)
}

// close ends what the steps of a run shared.
func (h *Harness) close() {
	if h.hub != nil {
		h.hub.Close()
	}
}

func (h *Harness) now() time.Time {
	if h.Now != nil {
		return h.Now().UTC()
	}
	return time.Now().UTC()
}

// sets are the CPUs of a step's server and generator.
func (h *Harness) sets(step plan.Step) (server, generator host.CPUSet, err error) {
	of := func(s string) (host.CPUSet, error) {
		if s == "" {
			return h.cpus, nil
		}
		set, err := host.ParseCPUs(s)
		if err == nil && set.Common(h.cpus) < len(set) {
			err = fmt.Errorf("CPUs %s are not all there; allowed: those of this process, %v", s, h.cpus)
		}
		return set, err
	}
	server, err1 := of(step.Experiment.CPUs.Server)
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
	if h.Addr.IsValid() { // nobody knows where it runs
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
	return h.launch(ctx, step, h.argv(step))
}

func (h *Harness) launch(ctx context.Context, step plan.Step, argv []string) (loadtest.Server, error) {
	cpus, _, err := h.sets(step)
	if err != nil {
		return nil, err
	}
	spec := launch.Spec{Argv: argv, Protocol: step.Key.Protocol, CPUs: cpus, Cores: host.Cores(len(cpus), h.quota)}
	if len(step.Model.Command) == 0 && spec.Cores < len(cpus) {
		// Go itself would take two of them.
		spec.Env = []string{"GOMAXPROCS=" + strconv.Itoa(spec.Cores)}
	}
	srv, err := launch.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	return process{srv, step.Key.Protocol}, nil
}

// argv is the command line of a step's server.
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

// connect opens the step's clients.
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

// shards is how many of them share the clients: one for each CPU of the
// generator, but half as many where the server runs on the same ones. A request
// costs both about as much, so with more of them they would only wait for each
// other's turn.
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
