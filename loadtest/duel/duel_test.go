package duel

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A fake is an echo server within the test, with the project's own clients.
type fake struct {
	*attack.Clients
	ln     net.Listener
	closed sync.WaitGroup
	conns  atomic.Int64
	served atomic.Int64
	died   atomic.Bool
	cpu    atomic.Int64
}

const payload = 32

// echo starts a server that answers each message after a delay; after so many
// answers it dies, if that is not 0.
func echo(t *testing.T, clients int, delay time.Duration, dies int64) *fake {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{ln: ln}
	f.closed.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f.conns.Add(1)
			f.closed.Go(func() {
				defer c.Close()
				msg := make([]byte, payload)
				for {
					if _, err := io.ReadFull(c, msg); err != nil {
						return
					}
					if n := f.served.Add(1); dies > 0 && n > dies {
						f.died.Store(true)
						return
					}
					time.Sleep(delay)
					if _, err := c.Write(msg); err != nil {
						return
					}
				}
			})
		}
	})
	target := load.Target{Addr: ln.Addr().String(), Protocol: "echo", Requests: []load.Request{{Workload: "echo", PayloadBytes: payload}}}
	if f.Clients, _, err = attack.Connect(t.Context(), target, load.Population{Clients: clients}, attack.Options{Shards: 1}); err != nil {
		t.Fatal(err)
	}
	return f
}

// CPU is a millisecond more each time that it is read.
func (f *fake) CPU() (float64, error) { return float64(f.cpu.Add(1)) / 1e3, nil }

func (f *fake) Check() error {
	if f.died.Load() {
		return errors.New("it ended: killed")
	}
	return nil
}

func (f *fake) Close() error {
	err := errors.Join(f.Clients.Close(), f.ln.Close())
	f.closed.Wait()
	return err
}

// A fight is a duel of fakes, and what was started and saved.
type fight struct {
	Match
	started []*fake
	order   []int
	saved   result.Duel
}

func newFight(start func(n, side int) *fake) *fight {
	f := &fight{}
	f.Start = func(_ context.Context, side int) (Server, error) {
		s := start(len(f.started), side)
		f.started, f.order = append(f.started, s), append(f.order, side)
		return s, nil
	}
	f.GeneratorCPU = func() (float64, error) { return 0, nil }
	f.Save = func(d *result.Duel) error {
		f.saved = *d
		f.saved.Pairs = slices.Clone(d.Pairs)
		return nil
	}
	return f
}

const clients = 8

func record(pairs int) *result.Duel {
	return &result.Duel{
		Schema: result.DuelSchema, Seed: 3, Clients: clients, Asked: pairs, TurnSec: 0.02, WarmupSec: 0.002, ClosedSec: 0.1,
		Sides: []result.DuelSide{{Name: "plain"}, {Name: "late"}},
	}
}

func TestASlowServerIsFound(t *testing.T) {
	f := newFight(func(_, side int) *fake { return echo(t, clients, time.Duration(side)*10*time.Millisecond, 0) })
	d := record(5)
	d.OpenSec, d.RateRPS = 0.1, 200
	if err := f.Run(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if d.Ended.IsZero() || d.Failure != "" || len(f.saved.Pairs) != 5 {
		t.Errorf("ended %v, failure %q, %d pairs saved", d.Ended, d.Failure, len(f.saved.Pairs))
	}
	a := Judge(d, 0)
	if a.Ratios[0].Verdict != Differs || a.Ratios[0].Ratio.Lo <= 1 || !strings.Contains(a.Sentence, "plain answers ") {
		t.Errorf("%+v", a)
	}
	// Each pair is of fresh servers, whose connections were all kept.
	for i, s := range f.started {
		if s.conns.Load() != clients {
			t.Errorf("server %d had %d connections, want %d", i, s.conns.Load(), clients)
		}
	}
	if len(f.started) != 10 || f.order[0] != f.order[3] || f.order[0] == f.order[2] {
		t.Errorf("started in the order %v; want a pair, and its reverse", f.order)
	}
	for _, p := range d.Pairs {
		if len(p.Slices) != 20 {
			t.Fatalf("pair %d has %d slices, want 5 of each server in each loop", p.Number, len(p.Slices))
		}
		for i, s := range p.Slices {
			if s.LengthSec < d.TurnSec || s.Pass != i%10/2 || s.Loop != []string{result.Closed, result.Open}[i/10] {
				t.Errorf("slice %d: %+v", i, s)
			}
			if i%10%4 == 2 && s.Side != p.Slices[i-1].Side {
				t.Errorf("slices %d and %d are of servers %d and %d; want A B B A", i-1, i, p.Slices[i-1].Side, s.Side)
			}
			if s.ServerCPUSec < 0.0009 || s.ServerCPUSec > 0.0011 {
				t.Errorf("slice %d: CPU %v, want what was read at its edges", i, s.ServerCPUSec)
			}
		}
	}
}

func TestAServerThatDies(t *testing.T) {
	f := newFight(func(n, side int) *fake {
		var dies int64
		if n >= 2 && side == 1 { // in the second pair
			dies = clients + 20
		}
		return echo(t, clients, time.Millisecond, dies)
	})
	d := record(5)
	err := f.Run(t.Context(), d)
	if err == nil || !strings.Contains(err.Error(), "pair 2: late: it ended: killed") {
		t.Errorf("err %v", err)
	}
	if len(f.saved.Pairs) != 2 || f.saved.Pairs[0].Failure != "" || len(f.saved.Pairs[0].Slices) != 10 || f.saved.Pairs[1].Failure == "" || !f.saved.Ended.IsZero() {
		t.Errorf("saved: %+v", f.saved)
	}
	if r := Compare(d, Throughput, 0, 1); r.N != 1 {
		t.Errorf("%d pairs count, want the one that is complete", r.N)
	}
	if a := Judge(d, 0); a.Ratios[0].Verdict != Undecided || !strings.Contains(strings.Join(a.Notes, "\n"), "it ended: killed") {
		t.Errorf("%+v", a)
	}
}

func TestAServerThatCannotStart(t *testing.T) {
	why := errors.New("not found")
	f := newFight(func(int, int) *fake { return echo(t, clients, 0, 0) })
	start := f.Start
	f.Start = func(ctx context.Context, side int) (Server, error) {
		if len(f.started) == 1 {
			return nil, why
		}
		return start(ctx, side)
	}
	if err := f.Run(t.Context(), record(2)); !errors.Is(err, why) || len(f.saved.Pairs) != 1 {
		t.Errorf("err %v, %d pairs saved", err, len(f.saved.Pairs))
	}
	if n := f.started[0].Established(); n != 0 {
		t.Errorf("the server that was there is left with %d clients", n)
	}
}

func TestAnInterruptKeepsWhatWasMeasured(t *testing.T) {
	why := errors.New("stop")
	ctx, stop := context.WithCancelCause(t.Context())
	f := newFight(func(int, int) *fake { return echo(t, clients, 0, 0) })
	f.Pair = func(*result.Duel, *result.DuelPair) { stop(why) }
	if err := f.Run(ctx, record(5)); !errors.Is(err, why) {
		t.Errorf("err %v", err)
	}
	if len(f.saved.Pairs) != 2 || f.saved.Pairs[0].Failure != "" || f.saved.Failure == "" {
		t.Errorf("saved: %+v", f.saved)
	}
}

func TestTheFloorIsOfFourServers(t *testing.T) {
	f := newFight(func(int, int) *fake { return echo(t, clients, time.Millisecond, 0) })
	d := record(2)
	d.Floor = true
	d.Sides = append(d.Sides, d.Sides...)
	if err := f.Run(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	a := Judge(d, 0)
	if len(f.started) != 8 || len(a.Floor) != 4 || a.Floor[0].Of != "plain ÷ plain" || a.Floor[1].Of != "late ÷ late" || a.Floor[2].Metric != "cpu" {
		t.Errorf("%d started, floor %+v", len(f.started), a.Floor)
	}
	if text := a.Text(0); strings.Contains(text, "not measured") || !strings.Contains(text, "throughput: late ÷ late") {
		t.Errorf("%s", text)
	}
}

// The p99 of a slice rests on enough answers, of every server.
func TestAP99NeedsAThousandAnswers(t *testing.T) {
	f := newFight(func(int, int) *fake { return echo(t, clients, 5*time.Millisecond, 0) })
	d := record(1)
	d.OpenSec = 0.02
	if err := f.Run(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for _, s := range d.Pairs[0].Slices {
		if s.P99Sec != 0 {
			t.Errorf("a p99 of %d answers", s.Answers)
		}
	}
	if d.RateRPS <= 0 {
		t.Errorf("common rate %v, want half of what the slower did", d.RateRPS)
	}
	if a := Judge(d, 0); !strings.Contains(strings.Join(a.Notes, "\n"), "p99: fewer than 1,000 answers") {
		t.Errorf("notes %q", a.Notes)
	}
}
