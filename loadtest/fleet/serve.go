// Package fleet distributes a load over many generator processes. Serve runs one of them;
// a Fleet is their coordinator. They communicate through a NATS server, which may be on
// any host.
//
// The coordinator gives each generator process its part of the clients and of the rate.
// All connect, and start at the same instant. When all have warmed up, the coordinator
// opens the window for all of them. Each generator process sends what it measured every
// second as histograms. The coordinator adds these up and computes percentiles only from
// the sum. One generator process works in the same way as a hundred.
//
// If a generator process ends, is silent, or sends numbers that do not add up, the whole
// run fails with an error that names it. The others alone never count as a result.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tierbench/tierbench/loadtest/load"
)

// Clients are the clients of a generator process.
type Clients interface {
	Run(context.Context, load.Work, load.Hooks) (*load.Window, error)
	Established() int
	// Shards returns how many shards divide the clients.
	Shards() int
	// CPU returns the CPU time that this process has used, in seconds.
	CPU() (float64, error)
	// Answers returns the number of answers within the window so far. It is called while
	// Run is running.
	Answers() int64
	Close() error
}

// A ConnectFunc opens the connections of a part. It describes the connects even if it
// fails.
type ConnectFunc func(context.Context, Part) (Clients, *load.Connected, error)

// ServeOptions identify a generator process.
type ServeOptions struct {
	Job     string // id of the coordinator's job
	Number  int    // of this process in the job, from 1
	Version string // of the program; the coordinator's must be the same
	Timing
}

// answersEvery is how often a generator process reports the number of answers, if a number
// of them ends the window.
const answersEvery = 2 * time.Millisecond

// Serve carries out the orders of the coordinator until it is told to end. It fails if the
// coordinator is silent or the connection is lost. The clients are closed when it returns.
func Serve(ctx context.Context, conn *nats.Conn, o ServeOptions, connect ConnectFunc) (err error) {
	o.Timing = o.Timing.withDefaults()
	ctx, cancel := context.WithCancelCause(ctx)
	s := &serving{conn: conn, options: o, connect: connect}
	defer func() {
		cancel(err)
		s.busy.Wait()
		if s.clients != nil {
			err = errors.Join(err, s.clients.Close())
		}
		_ = conn.Flush()
	}()
	heard := make(chan *nats.Msg, 256)
	lost := conn.StatusChanged(nats.CLOSED)
	for _, subject := range []string{orders(o.Job), ordersOf(o.Job, o.Number)} {
		sub, err := conn.ChanSubscribe(subject, heard)
		if err != nil {
			return fmt.Errorf("listen to the coordinator: %w", err)
		}
		defer func() { _ = sub.Unsubscribe() }()
	}
	// Subscribe before the hello, so that no answer to it is missed.
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("listen to the coordinator: %w", err)
	}
	s.send(report{Kind: isUp, Hello: &hello{PID: os.Getpid(), Protocol: protocol, Version: o.Version}})

	beat := time.NewTicker(o.Heartbeat)
	defer beat.Stop()
	for missed := 0; ; {
		if err := s.failed(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-lost:
			return errors.New("the connection to NATS is lost")
		case <-beat.C:
			if missed++; missed > o.beats() {
				return fmt.Errorf("the coordinator has been silent for %v", o.DeadAfter)
			}
			s.send(report{Kind: alive})
		case m := <-heard:
			missed = 0
			var to order
			if err := decode(m.Data, &to); err != nil {
				return fmt.Errorf("read an order: %w", err)
			}
			if to.Kind == toEnd {
				return nil
			}
			if err := s.do(ctx, to); err != nil {
				return err
			}
		}
	}
}

// serving is the state of Serve.
type serving struct {
	conn    *nats.Conn
	options ServeOptions
	connect ConnectFunc

	busy sync.WaitGroup
	run  *running

	mu      sync.Mutex
	clients Clients // nil until they are connected
	err     error   // of sending reports
}

// running contains the signals that a run waits for.
type running struct {
	open, rest, enough chan struct{}
	abort              context.CancelFunc
}

func (s *serving) send(r report) {
	r.Number = s.options.Number
	if err := publish(s.conn, reports(s.options.Job), &r); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = errors.Join(s.err, fmt.Errorf("report %s: %w", r.Kind, err))
	}
}

func (s *serving) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// do carries out an order. It fails if the order is not allowed now.
func (s *serving) do(ctx context.Context, to order) error {
	wrong := fmt.Errorf("the coordinator sent an order that is not allowed now: %s", to.Kind)
	switch to.Kind {
	case alive:
	case toConnect:
		if to.Part == nil || s.connected() != nil {
			return wrong
		}
		s.busy.Go(func() {
			clients, how, err := s.connect(ctx, *to.Part)
			r := report{Kind: isConnected, Connected: how}
			if err != nil {
				r.Err = err.Error()
			} else {
				s.mu.Lock()
				s.clients = clients
				s.mu.Unlock()
				r.Shards = clients.Shards()
			}
			s.send(r)
		})
	case toRun:
		clients := s.connected()
		if to.Work == nil || clients == nil || s.run != nil {
			return wrong
		}
		ctx, abort := context.WithCancel(ctx)
		s.run = &running{open: make(chan struct{}), rest: make(chan struct{}), enough: make(chan struct{}), abort: abort}
		s.busy.Go(func() {
			defer abort()
			s.work(ctx, clients, *to.Work, s.run)
		})
	case toReport:
		r := report{Kind: usage, N: to.N}
		if clients := s.connected(); clients != nil {
			r.Established = clients.Established()
			var err error
			if r.CPUSec, err = clients.CPU(); err != nil {
				r.Err = err.Error()
			}
		}
		s.send(r)
	case toOpen, toClose, toRest, toAbort:
		if s.run == nil {
			return wrong
		}
		switch to.Kind {
		case toOpen:
			shut(s.run.open)
		case toClose:
			shut(s.run.enough)
		case toRest:
			shut(s.run.rest)
		case toAbort:
			s.run.abort()
		}
	default:
		return wrong
	}
	return nil
}

// shut closes a channel, unless this goroutine has already closed it.
func shut(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

func (s *serving) connected() Clients {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients
}

// work runs the clients. The coordinator decides when the window opens and closes.
func (s *serving) work(ctx context.Context, clients Clients, work load.Work, r *running) {
	wait := func(c <-chan struct{}) error {
		select {
		case <-c:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	over := make(chan struct{})
	var counting sync.WaitGroup
	if work.Requests > 0 {
		counting.Go(func() { s.count(clients, over) })
		work.Requests = 0
	}
	w, err := clients.Run(ctx, work, load.Hooks{
		Open: func() error {
			s.send(report{Kind: isWarm})
			return wait(r.open)
		},
		Close: func() error {
			s.send(report{Kind: isClosed})
			return wait(r.rest)
		},
		Enough: r.enough,
		Progress: func(n int, i *load.Interval) {
			s.send(report{Kind: counted, N: int64(n), Interval: i})
		},
	})
	close(over)
	counting.Wait()
	done := report{Kind: isDone, Window: w}
	if err != nil {
		done.Err = err.Error()
	}
	if w != nil {
		done.Sums = &sums{}
		for _, i := range w.Intervals {
			done.Sums.add(i)
		}
		w.Intervals = nil // the coordinator already has them
	}
	s.send(done)
}

// count reports the number of answers whenever it has changed.
func (s *serving) count(clients Clients, over <-chan struct{}) {
	tick := time.NewTicker(answersEvery)
	defer tick.Stop()
	for last := int64(0); ; {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		if n := clients.Answers(); n != last {
			s.send(report{Kind: answers, N: n})
			last = n
		}
	}
}
