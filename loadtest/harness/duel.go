package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/duel"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A DuelSide is one of the servers of a duel.
type DuelSide struct {
	Model   string   // built in, or the name of the command
	Command []string // the model is built in if empty
	Args    []string // of a built-in model
}

// name tells the side from another of the same model.
func (s DuelSide) name() string {
	name := s.Model
	for _, arg := range s.Args {
		name += " " + arg
	}
	return name
}

// A Duel measures two servers in turns.
type Duel struct {
	Harness  *Harness
	A, B     DuelSide
	Floor    bool // compares each with itself as well
	Clients  int  // of each server
	Protocol string
	Request  load.Request // load.Least of the protocol if it names no workload
	Pairs    int
	Turn     time.Duration
	Warmup   time.Duration // before each turn
	Closed   time.Duration // that each server of a pair is measured
	Open     time.Duration // the same at a common rate; 0 for not at all
	Rate     float64       // 0: half of what the slower can do
	Seed     uint64

	Log io.Writer // for a line on each pair

	steps  []plan.Step // by side
	record result.Duel
}

// The bounds of what a duel may ask for.
const (
	maxPairs      = 100
	minTurn       = 5 * time.Millisecond
	turnRequests  = 10 // of each client, one after the other: all begin at the same time
	maxSideLength = 10 * time.Minute
)

// Prepare checks what is asked for. Nothing is started yet.
func (d *Duel) Prepare() error {
	switch {
	case d.Pairs < 1 || d.Pairs > maxPairs:
		return usageErrorf("--pairs %d: allowed: 1 to %d", d.Pairs, maxPairs)
	case d.Turn < minTurn || d.Turn > d.Closed:
		return usageErrorf("--turn %v: allowed: from %v to the --duration, %v", d.Turn, minTurn, d.Closed)
	case d.Warmup < 0 || d.Warmup > d.Closed:
		return usageErrorf("--warmup %v: allowed: from 0 to the --duration, %v", d.Warmup, d.Closed)
	case d.Turn < turnRequests*d.Request.Time || d.Warmup < d.Request.Time:
		return usageErrorf("--turn %v, --warmup %v: too short for requests that take %v; allowed: --turn from %v and --warmup from %v",
			d.Turn, d.Warmup, d.Request.Time, turnRequests*d.Request.Time, d.Request.Time)
	case d.Closed > maxSideLength:
		return usageErrorf("--duration %v: allowed: up to %v", d.Closed, maxSideLength)
	case d.Rate < 0 || math.IsNaN(d.Rate) || math.IsInf(d.Rate, 0):
		return usageErrorf("--rate %v: allowed: requests a second, or 0 for half of what the slower server can do", d.Rate)
	}
	sides := []DuelSide{d.A, d.B}
	if d.Floor {
		sides = append(sides, sides...)
	}
	for _, side := range sides {
		step, err := d.step(side)
		if err != nil {
			return err
		}
		d.steps = append(d.steps, step)
		d.record.Sides = append(d.record.Sides, result.DuelSide{Name: side.name(), Argv: d.Harness.argv(step)})
	}
	h := d.Harness
	if all := int64(d.Clients) * int64(len(sides)); all > h.perProcess {
		return usageErrorf("--clients %d: %d servers have %d connections open at a time; allowed: %d, as the generator of a duel is one process",
			d.Clients, len(sides), all, h.perProcess/int64(len(sides)))
	}
	cpus, err := h.bind(d.steps[0])
	if err != nil {
		return err
	}
	now := h.now()
	s, r := d.steps[0], &d.record
	*r = result.Duel{
		Schema: result.DuelSchema, ID: now.Format("20060102T150405Z") + "-duel", Started: now.Truncate(time.Second), Host: host.Describe(procRoot), Build: h.Build,
		CPUs: cpus, Seed: d.Seed, Protocol: s.Key.Protocol, Workload: s.Key.Workload, Request: s.Workload.Request(),
		Clients: d.Clients, Shards: h.shards(s), Sides: r.Sides, Floor: d.Floor, Asked: d.Pairs,
		TurnSec: d.Turn.Seconds(), WarmupSec: d.Warmup.Seconds(), ClosedSec: d.Closed.Seconds(), OpenSec: d.Open.Seconds(), RateRPS: d.Rate,
	}
	return nil
}

// step is what is asked of a side, by the rules of a config.
func (d *Duel) step(side DuelSide) (plan.Step, error) {
	ask := d.Request
	if ask.Workload == "" {
		ask.Workload = load.Least(d.Protocol).Workload
	}
	cfg := plan.Config{Name: "duel", Seed: d.Seed, Experiments: []*plan.Experiment{{
		Models: []string{side.Model}, Workloads: []plan.Workload{{Protocol: d.Protocol, Requests: []load.Request{ask}}}, Clients: []int{d.Clients},
		Loops: []string{result.Closed}, Duration: d.Closed, Repeats: 1, ServerArgs: side.Args,
	}}}
	if len(side.Command) > 0 {
		cfg.Commands = map[string]plan.Command{side.Model: {Run: side.Command}}
	}
	made, err := plan.New(cfg)
	if err != nil {
		return plan.Step{}, err
	}
	p, _, err := d.Harness.Plan(made)
	if err != nil {
		return plan.Step{}, err
	}
	step := p.Steps()[0]
	if step.PerRequest() {
		return plan.Step{}, usageErrorf("%s closes each connection after an answer, but the clients of a duel keep theirs", side.Model)
	}
	return step, d.Harness.use(p)
}

// Dir is the folder of the record.
func (d *Duel) Dir() string { return filepath.Join(d.Harness.Results, d.record.ID) }

// Measure measures all pairs, and saves each in Dir. It is ErrInterrupted if ctx is
// done before. The record has what was measured in any case.
func (d *Duel) Measure(ctx context.Context) (*result.Duel, error) {
	m := duel.Match{
		Start: d.start, GeneratorCPU: host.OwnCPU,
		Save: func(r *result.Duel) error { return result.WriteDuel(d.Dir(), r) },
		Pair: d.log,
	}
	err := m.Run(ctx, &d.record)
	if ctx.Err() != nil {
		err = ErrInterrupted
	}
	return &d.record, err
}

// log says what a pair has found.
func (d *Duel) log(r *result.Duel, p *result.DuelPair) {
	alone := *r
	alone.Pairs = []result.DuelPair{*p}
	ratio := duel.Compare(&alone, duel.Throughput, 0, 1)
	fmt.Fprintf(d.Log, "pair %d of %d: %s ÷ %s: %.3f\n", p.Number, r.Asked, r.Sides[0].Name, r.Sides[1].Name, ratio.Value)
}

// start starts the server of a side and connects its clients.
func (d *Duel) start(ctx context.Context, side int) (duel.Server, error) {
	h, step := d.Harness, d.steps[side]
	srv, err := h.start(ctx, step)
	if err != nil {
		return nil, err
	}
	s := &duellist{server: srv, asked: d.Clients}
	t := load.Target{Addr: srv.Addr(), Protocol: step.Key.Protocol, Requests: step.Workload.Requests}
	// A server that is slow to connect to must not keep an interrupt waiting.
	stop := context.AfterFunc(ctx, func() { _ = srv.Kill() })
	s.Clients, _, err = attack.Connect(ctx, t, step.Population(), attack.Options{Shards: d.record.Shards})
	stop()
	if err == nil {
		err = s.ready()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// A duellist is a started server with its clients.
type duellist struct {
	*attack.Clients
	server loadtest.Server
	asked  int
	pids   []int
}

var _ duel.Server = (*duellist)(nil)

// ready finds the processes, and counts the connections at the server's end.
func (s *duellist) ready() (err error) {
	if s.pids, err = s.server.PIDs(); err != nil {
		return err
	}
	c, err := s.server.Connections()
	if err == nil && c.Established != s.asked {
		err = fmt.Errorf("it has %d connections, not %d", c.Established, s.asked)
	}
	return err
}

// CPU is that of the processes which the server had when all were connected.
func (s *duellist) CPU() (float64, error) { return host.CPUClocks(s.pids) }

// endWithin is how much later than its connections the end of a server may be seen.
const endWithin = 500 * time.Millisecond

// Check reports the end of the server.
func (s *duellist) Check() error {
	select {
	case <-s.server.Exited():
		if e, ok := s.server.(interface{ Ended() error }); ok {
			return e.Ended()
		}
		return errors.New("it ended")
	case <-time.After(endWithin):
		return nil
	}
}

func (s *duellist) Close() error {
	if s.Clients != nil {
		_ = s.Clients.Close()
	}
	select {
	case <-s.server.Exited():
		return s.server.Kill() // its end was told
	default:
		return s.server.Stop()
	}
}
