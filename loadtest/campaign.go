package loadtest

import (
	"context"
	"fmt"
	"time"

	"github.com/tierbench/tierbench/loadtest/fault"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Server is a server that was started for one repeat and is ready.
type Server interface {
	// CPU returns the time that its processes have used, in seconds, and when that
	// was read: on a busy machine it returns later.
	CPU() (user, sys float64, at time.Time, err error)
	Usage() (result.Usage, error)
	CtxSwitches() (int64, error)
	Connections() (Connections, error)
	// Exited is closed when the server has ended.
	Exited() <-chan struct{}
	// Stop ends it as the contract asks; an error says how it broke the contract.
	// Kill ends it at once. Both may be called from any goroutine and more than
	// once, and leave no process of it.
	Stop() error
	Kill() error
	fault.Target
}

// Connections are a server's ends of its established connections.
type Connections struct {
	Established int
	PerProcess  []int // of each process of the server, largest first
	SocketBytes int64 // kernel memory of these and of the listening sockets
}

// Clients are connections to a server.
type Clients interface {
	// Run drives the load. It is called once.
	Run(context.Context, load.Work, load.Hooks) (*load.Window, error)
	Established() int
	Shards() int
	// CPU returns the time that the generator's processes have used, in seconds.
	CPU() (float64, error)
	Close() error
}

// Counters are what a machine has counted since it started.
type Counters struct {
	Trouble   result.Trouble
	TimeWait  int64        // sockets in TIME-WAIT now
	StolenSec float64      // by the hypervisor, of all cores
	Processes []ProcessCPU // that do not belong to the benchmark
}

// ProcessCPU is the CPU time of a process since it started.
type ProcessCPU struct {
	PID  int
	Name string
	Sec  float64
}

// A Campaign measures the steps of a plan, one after the other.
type Campaign struct {
	RunID    string
	Plan     *plan.Plan
	Counters func() (Counters, error)
	// CPUs returns the CPUs that a step's server and generator are bound to.
	CPUs func(plan.Step) (result.CPUs, error)
	// Start starts the server of a step.
	Start func(context.Context, plan.Step) (Server, error)
	// Connect opens a step's clients. It returns what is known of the connecting
	// also with an error.
	Connect func(context.Context, plan.Step, load.Target) (Clients, *load.Connected, error)
	// Ceiling returns the most that the step's generator can do, in requests a
	// second; 0 if that is not known. It may be nil.
	Ceiling func(context.Context, plan.Step) (float64, error)
	// Save keeps a repeat. It is called for every repeat, whatever its verdict.
	Save func(*result.Repeat, []result.Second, *load.Window, Clients) error
	// Earlier are the repeats that an earlier part of the run measured. They are
	// not measured again.
	Earlier []result.Repeat
	// Watch is called with everything that happens, if it is not nil.
	Watch func(Event)

	throughput map[result.Key][]float64 // of repeats that are not invalid
}

// Interrupted is the failure of a repeat that was cut off. It is measured
// again when the run is resumed.
const Interrupted = "interrupted"

// An Event is something that happened in a campaign.
type Event struct {
	Step    plan.Step
	N       int            // number of the step, from 1
	Total   int            // steps in all
	Left    time.Duration  // estimated, to the end of the campaign
	Repeat  *result.Repeat // when the step ended, else nil
	Warning string         // about a step under way
	Second  *Progress      // a second of a step under way, else nil
}

// Progress is what the generator counted in a second of a window.
type Progress struct {
	N        int // from 0
	Requests int64
	Errored  int64
	P99Sec   float64 // service time
}

// Run measures until the plan is done or ctx is. In that case it saves the repeat
// under way as interrupted and returns the cause of ctx.
func (c *Campaign) Run(ctx context.Context) error {
	type id struct {
		result.Key
		repeat int
	}
	done := map[id]bool{}
	c.throughput = map[result.Key][]float64{}
	for i := range c.Earlier {
		r := &c.Earlier[i]
		if r.Failure != Interrupted {
			done[id{r.Key, r.Repeat}] = true
			c.learn(r)
		}
	}
	var steps []plan.Step
	all := c.Plan.Steps()
	for _, s := range all {
		if !done[id{s.Key, s.Repeat}] {
			steps = append(steps, s)
		}
	}
	begin := time.Now()
	for i, step := range steps {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		ev := Event{Step: step, N: len(all) - len(steps) + i + 1, Total: len(all), Left: left(begin, steps, i)}
		c.tell(ev)
		r, err := c.measure(ctx, step, ev)
		if err != nil {
			return fmt.Errorf("save repeat: %w", err)
		}
		c.learn(r)
		ev.Repeat, ev.Left = r, left(begin, steps, i+1)
		c.tell(ev)
	}
	return context.Cause(ctx)
}

func (c *Campaign) tell(ev Event) {
	if c.Watch != nil {
		c.Watch(ev)
	}
}

// left estimates the time to the end of the campaign: the estimates of the steps
// to come, corrected by how long those that are done really took.
func left(begin time.Time, steps []plan.Step, done int) time.Duration {
	var before, after time.Duration
	for i, s := range steps {
		if i < done {
			before += s.Estimate()
		} else {
			after += s.Estimate()
		}
	}
	if before > 0 {
		after = time.Duration(float64(after) * float64(time.Since(begin)) / float64(before))
	}
	return after
}

// learn keeps the throughput of a repeat, for the open loop of its cell.
func (c *Campaign) learn(r *result.Repeat) {
	if r.Gates.Verdict != result.Invalid && r.Loop == result.Closed {
		c.throughput[r.Key] = append(c.throughput[r.Key], r.ThroughputRPS)
	}
}

// capacity is the median throughput of a cell's closed loop so far.
func (c *Campaign) capacity(k result.Key) float64 {
	return stats.MedianOf(c.throughput[k]).Value
}
