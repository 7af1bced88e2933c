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
	// CPU returns the CPU time that its processes have used, in seconds, and when it
	// was read. On a busy machine that can be well before CPU returns.
	CPU() (user, sys float64, at time.Time, err error)
	Usage() (result.Usage, error)
	CtxSwitches() (int64, error)
	Connections() (Connections, error)
	// Box returns what the server has used of its box since it started; nil without a box. A box
	// that is kept by account goes by the usage, which has been read at the same time.
	Box(result.Usage) (*result.Box, error)
	// Exited is closed when the server has ended.
	Exited() <-chan struct{}
	// Stop ends the server as the contract asks; an error says how the server broke
	// the contract. Kill ends it at once. Both may be called from any goroutine and
	// more than once, and leave no process behind.
	Stop() error
	Kill() error
	fault.Target
}

// A StartError is the error of a server that did not start in its box.
type StartError struct {
	Box *result.Box // as far as it was read
	Err error
}

func (e *StartError) Error() string { return e.Err.Error() }
func (e *StartError) Unwrap() error { return e.Err }

// Connections are a server's ends of its established connections.
type Connections struct {
	Established int
	PerProcess  []int // of each process of the server, largest number first
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

// Counters are a machine's counters since it started.
type Counters struct {
	Trouble   result.Trouble
	TimeWait  int64   // sockets in TIME-WAIT now
	StolenSec float64 // CPU time taken by the hypervisor, of all cores
	// ThrottledSec is CPU time withheld by the CPU quotas of the harness's own control groups.
	ThrottledSec float64
	Processes    []ProcessCPU // outside the benchmark
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
	// Connect opens the connections of a step's clients. It describes the connects even
	// if it returns an error.
	Connect func(context.Context, plan.Step, load.Target) (Clients, *load.Connected, error)
	// Ceiling returns the highest throughput of the step's generator, in requests a
	// second; 0 if it is unknown. If Ceiling is nil, no ceiling is known.
	Ceiling func(context.Context, plan.Step) (float64, error)
	// Save keeps a repeat. It is called for every repeat, whatever its verdict.
	Save func(*result.Repeat, []result.Second, *load.Window, Clients) error
	// Earlier are the repeats measured before the run was interrupted. They are not
	// measured again.
	Earlier []result.Repeat
	// Watch is called with each event; nil means no one is notified.
	Watch func(Event)

	throughput map[result.Key][]float64 // of repeats that are not invalid
}

// An Event is something that happened in a campaign.
type Event struct {
	Step    plan.Step
	N       int            // number of the step, from 1
	Total   int            // number of steps
	Left    time.Duration  // estimated time to the end of the campaign
	Repeat  *result.Repeat // if the step has ended, else nil
	Warning string         // about the current step
	Second  *Progress      // of the current step, else nil
}

// Progress is what the generator counted in a second of a window.
type Progress struct {
	N        int // from 0
	Requests int64
	Errored  int64
	P99Sec   float64 // service time
	// ResponseP99Sec is that of the response time; open loop only.
	ResponseP99Sec float64
}

// Run measures all steps of the plan. If ctx is done first, it saves the current
// repeat as interrupted and returns the cause of ctx.
func (c *Campaign) Run(ctx context.Context) error {
	type id struct {
		result.Key
		repeat int
	}
	done := map[id]bool{}
	c.throughput = map[result.Key][]float64{}
	for i := range c.Earlier {
		r := &c.Earlier[i]
		if r.FailureKind != result.Interrupted {
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
		c.notify(ev)
		r, err := c.measure(ctx, step, ev)
		if err != nil {
			return fmt.Errorf("save repeat: %w", err)
		}
		c.learn(r)
		ev.Repeat, ev.Left = r, left(begin, steps, i+1)
		c.notify(ev)
	}
	return context.Cause(ctx)
}

func (c *Campaign) notify(ev Event) {
	if c.Watch != nil {
		c.Watch(ev)
	}
}

// left estimates the time to the end of the campaign. It scales the estimates of the
// remaining steps by how long the finished steps really took.
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

// learn keeps the throughput of a closed-loop repeat, for the rate of the open loop.
func (c *Campaign) learn(r *result.Repeat) {
	if r.Gates.Verdict != result.Invalid && r.Loop == result.Closed {
		c.throughput[r.Key] = append(c.throughput[r.Key], r.ThroughputRPS)
	}
}

// capacity returns the median throughput of a cell's closed loop so far, in requests
// a second; 0 if there is none.
func (c *Campaign) capacity(k result.Key) float64 {
	return stats.MedianOf(c.throughput[k]).Value
}
