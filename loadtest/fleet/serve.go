// Package fleet spreads a load over many processes: Serve is one of them, and
// a Fleet is all of them as their coordinator sees them. They meet on a NATS
// server, and it makes no difference to either on which host that is.
//
// The coordinator gives each generator process its part of the clients and of the rate.
// All connect, and begin at one instant; when all have warmed up, the window is
// opened for all at once. Each generator process sends what it measured second by second,
// as histograms, and the coordinator adds these up: percentiles are taken of
// the sum only. There is one way for one generator process and for a hundred.
//
// A generator process that ends, is silent, or whose numbers do not fit what it sent makes
// the whole run fail, with its name. What the others measured never stands for
// all.
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

// Clients are what a generator process drives.
type Clients interface {
	Run(context.Context, load.Work, load.Hooks) (*load.Window, error)
	Established() int
	// Shards is how many shards share them.
	Shards() int
	// CPU is the time that this process has used, in seconds.
	CPU() (float64, error)
	// Answers is how many there have been within the window so far. It is called
	// while Run runs.
	Answers() int64
	Close() error
}

// A ConnectFunc opens the clients of a part. What is known of the connecting is
// returned in any case.
type ConnectFunc func(context.Context, Part) (Clients, *load.Connected, error)

// ServeOptions say who a generator process is.
type ServeOptions struct {
	Job     string // its coordinator's
	Number  int    // number, from 1
	Version string // of the program; the coordinator's must be the same
	Timing
}

// answersEvery is how often a generator process says how many answers there are, where
// their number ends the window.
const answersEvery = 2 * time.Millisecond

// Serve does what the coordinator of the job says, until it says that this is
// the end, is silent or cannot be heard any more. Only the first is no error.
// Clients are closed when it returns.
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
	// Whoever answers a hello must be heard.
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("listen to the coordinator: %w", err)
	}
	s.say(report{What: isUp, Hello: &hello{PID: os.Getpid(), Protocol: protocol, Version: o.Version}})

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
			s.say(report{What: alive})
		case m := <-heard:
			missed = 0
			var to order
			if err := decode(m.Data, &to); err != nil {
				return fmt.Errorf("read an order: %w", err)
			}
			if to.What == toEnd {
				return nil
			}
			if err := s.do(ctx, to); err != nil {
				return err
			}
		}
	}
}

// serving is a generator process at work.
type serving struct {
	conn    *nats.Conn
	options ServeOptions
	connect ConnectFunc

	busy sync.WaitGroup
	run  *running

	mu      sync.Mutex
	clients Clients // once they are connected
	err     error   // of saying something
}

// running is what a run waits for.
type running struct {
	open, rest, enough chan struct{}
	abort              context.CancelFunc
}

func (s *serving) say(r report) {
	r.Number = s.options.Number
	if err := publish(s.conn, reports(s.options.Job), &r); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = errors.Join(s.err, fmt.Errorf("report %s: %w", r.What, err))
	}
}

func (s *serving) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// do carries out an order. An error is one of the coordinator's.
func (s *serving) do(ctx context.Context, to order) error {
	wrong := fmt.Errorf("the coordinator says %s, which has no meaning now", to.What)
	switch to.What {
	case alive:
	case toConnect:
		if to.Part == nil || s.connected() != nil {
			return wrong
		}
		s.busy.Go(func() {
			clients, how, err := s.connect(ctx, *to.Part)
			r := report{What: isConnected, Connected: how}
			if err != nil {
				r.Err = err.Error()
			} else {
				s.mu.Lock()
				s.clients = clients
				s.mu.Unlock()
				r.Shards = clients.Shards()
			}
			s.say(r)
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
	case toTell:
		r := report{What: tells, N: to.N}
		if clients := s.connected(); clients != nil {
			r.Established = clients.Established()
			var err error
			if r.CPUSec, err = clients.CPU(); err != nil {
				r.Err = err.Error()
			}
		}
		s.say(r)
	case toOpen, toClose, toRest, toAbort:
		if s.run == nil {
			return wrong
		}
		switch to.What {
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

// shut closes a channel that may be closed already, by this goroutine.
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

// work runs the clients. The edges of the window are the coordinator's.
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
			s.say(report{What: isWarm})
			return wait(r.open)
		},
		Close: func() error {
			s.say(report{What: isClosed})
			return wait(r.rest)
		},
		Enough: r.enough,
		Progress: func(n int, i *load.Interval) {
			s.say(report{What: counted, N: int64(n), Interval: i})
		},
	})
	close(over)
	counting.Wait()
	done := report{What: isDone, Window: w}
	if err != nil {
		done.Err = err.Error()
	}
	if w != nil {
		done.Sums = &sums{}
		for _, i := range w.Intervals {
			done.Sums.add(i)
		}
		w.Intervals = nil // they are there already
	}
	s.say(done)
}

// count says how many answers there are, as their number changes.
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
			s.say(report{What: answers, N: n})
			last = n
		}
	}
}
