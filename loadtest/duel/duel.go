// Package duel compares servers that live at the same time and are driven in turns,
// so short that what else the machine does meets all of them alike.
//
// The turns go A B B A A B B A …: neighbours in time are compared, and neither is
// always the first. The estimate of a pair of servers is the median of the ratios of
// neighbouring slices; the interval is over pairs of fresh servers, since two
// processes of one program differ, too.
package duel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Server is a live server with the clients that are connected to it.
type Server interface {
	// Turn drives the server for a turn, and returns when nothing is in flight.
	Turn(context.Context, load.Work, load.Hooks) (*load.Window, error)
	// Established is how many of its clients never failed.
	Established() int
	// CPU is the CPU time that its processes have used, in seconds. It is read twice a
	// turn, and must be cheap.
	CPU() (float64, error)
	// Check says what is wrong with the server, nil if nothing is.
	Check() error
	// Close closes the connections and stops the server. An error says how the server
	// broke the contract; no process is left in any case.
	Close() error
}

// A Match is the servers of a duel, and how they are started and saved.
type Match struct {
	Start        func(ctx context.Context, side int) (Server, error) // and connect
	GeneratorCPU func() (float64, error)
	Save         func(*result.Duel) error // after each pair
	// Pair is told of each pair that is complete; it may be nil.
	Pair func(*result.Duel, *result.DuelPair)
}

// openShare is the rate of the open loop as a part of what the slowest can do.
const openShare = 0.5

// Run measures the pairs that a duel asks for, into its record. A server that fails
// ends it with an error; what was measured is in the record, and saved.
func (m *Match) Run(ctx context.Context, d *result.Duel) error {
	random := rand.New(rand.NewPCG(d.Seed, 0))
	var order []int
	var err error
	for n := 1; n <= d.Asked && err == nil; n++ {
		p := result.DuelPair{Number: n, Started: time.Now().UTC()}
		if n%2 == 1 {
			order = random.Perm(len(d.Sides))
		} else { // each is as often before the other as after it
			slices.Reverse(order)
		}
		if err = m.pair(ctx, d, &p, order); err != nil {
			err = fmt.Errorf("pair %d: %w", n, err)
			p.Failure, d.Failure = err.Error(), err.Error()
		}
		d.Pairs = append(d.Pairs, p)
		if n == d.Asked && err == nil {
			d.Ended = time.Now().UTC().Truncate(time.Second)
		}
		err = errors.Join(err, m.Save(d))
		if err == nil && m.Pair != nil {
			m.Pair(d, &p)
		}
	}
	return err
}

// pair measures one set of fresh servers, started in an order.
func (m *Match) pair(ctx context.Context, d *result.Duel, p *result.DuelPair, order []int) (err error) {
	servers := make([]Server, len(d.Sides))
	defer func() {
		for side, s := range servers {
			if s == nil {
				continue
			}
			if broken := s.Close(); broken != nil {
				p.Notes = append(p.Notes, fmt.Sprintf("%s: %v", d.Sides[side].Name, broken))
			}
		}
	}()
	for _, side := range order {
		if servers[side], err = m.Start(ctx, side); err != nil {
			return fmt.Errorf("%s: %w", d.Sides[side].Name, err)
		}
	}
	t := &turns{match: m, duel: d, pair: p, servers: servers, order: order, base: time.Now()}
	closed := load.Work{Loop: result.Closed, Warmup: seconds(d.WarmupSec), Length: seconds(d.TurnSec)}
	if err := t.drive(ctx, closed, d.ClosedSec); err != nil {
		return err
	}
	if d.OpenSec == 0 {
		return nil
	}
	if d.RateRPS == 0 { // the same for all pairs that follow
		d.RateRPS = commonRate(p, len(d.Sides))
	}
	open := closed
	open.Loop, open.Pace.Rate = result.Open, d.RateRPS
	return t.drive(ctx, open, d.OpenSec)
}

// commonRate is a rate that all sides can keep, from the pair's closed loop.
func commonRate(p *result.DuelPair, sides int) float64 {
	var rates []float64
	for side := range sides {
		rates = append(rates, stats.Median(values(p, Throughput, side)))
	}
	return openShare * slices.Min(rates)
}

// turns drives the servers of a pair.
type turns struct {
	match   *Match
	duel    *result.Duel
	pair    *result.DuelPair
	servers []Server
	order   []int
	base    time.Time
	tails   []*hdrhistogram.Histogram // by side, since the last p99
}

// drive gives each server turns until it was measured for so long.
func (t *turns) drive(ctx context.Context, work load.Work, sec float64) error {
	t.tails = make([]*hdrhistogram.Histogram, len(t.servers))
	for side := range t.tails {
		t.tails[side] = load.NewHistogram()
	}
	for pass := range max(1, int(sec/t.duel.TurnSec+0.5)) {
		order := slices.Clone(t.order)
		if pass%2 == 1 {
			slices.Reverse(order)
		}
		for _, side := range order {
			if err := t.turn(ctx, work, side, pass); err != nil {
				return fmt.Errorf("%s: %w", t.duel.Sides[side].Name, err)
			}
		}
		t.tail()
	}
	return nil
}

// turn drives one server for one turn. A turn in which something failed is not
// recorded.
func (t *turns) turn(ctx context.Context, work load.Work, side, pass int) error {
	server := t.servers[side]
	s := result.DuelSlice{Side: side, Pass: pass, Loop: work.Loop}
	read := func(of, generator *float64) func() error {
		return func() error {
			g, err1 := t.match.GeneratorCPU()
			c, err2 := server.CPU()
			*of, *generator = c-*of, g-*generator
			return errors.Join(err1, err2)
		}
	}
	edge := read(&s.ServerCPUSec, &s.GeneratorCPUSec)
	w, err := server.Turn(ctx, work, load.Hooks{Open: edge, Close: edge})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case server.Established() < t.duel.Clients || len(w.Errors) > 0 || err != nil:
		return t.failed(server, w, err)
	}
	var latencies *hdrhistogram.Histogram
	if len(w.Intervals) > 0 {
		all := w.Intervals[0]
		for _, i := range w.Intervals[1:] {
			all.Add(i)
		}
		if latencies = all.Service; work.Loop == result.Open {
			latencies = all.Response
		}
	}
	s.AtSec, s.LengthSec = w.Started.Sub(t.base).Seconds(), w.Length.Seconds()
	s.Unsent = w.Unsent
	if latencies != nil {
		s.Answers, s.P50Sec = latencies.TotalCount(), load.Latency(latencies).P50
		t.tails[side].Merge(latencies)
	}
	t.pair.Slices = append(t.pair.Slices, s)
	return nil
}

// failed says why a duel cannot go on.
func (t *turns) failed(server Server, w *load.Window, err error) error {
	if ended := server.Check(); ended != nil {
		return ended
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(w.Errors)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, w.Errors[kind]))
	}
	if len(kinds) > 0 {
		return fmt.Errorf("requests failed: %s", strings.Join(kinds, ", "))
	}
	if n := server.Established(); n < t.duel.Clients {
		return fmt.Errorf("%d of %d clients lost their connections", t.duel.Clients-n, t.duel.Clients)
	}
	return err
}

// tailAnswers is how many answers a p99 needs.
const tailAnswers = 1000

// tail gives the slices of the last pass a p99, once there are enough answers of every
// server.
func (t *turns) tail() {
	for _, h := range t.tails {
		if h.TotalCount() < tailAnswers {
			return
		}
	}
	last := t.pair.Slices[len(t.pair.Slices)-len(t.servers):]
	for i := range last {
		h := t.tails[last[i].Side]
		last[i].P99Sec = load.Latency(h).P99
		h.Reset()
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
