package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

const (
	// watchEvery is how often the injector lists the processes during a window.
	watchEvery = 50 * time.Millisecond
	// lookAhead is how long before a fault the injector chooses the process to
	// hit. Choosing takes many system calls on busy CPUs, the fault takes one.
	lookAhead = 200 * time.Millisecond
	// lateShare is the part of a stop by which it may be late: clients count as
	// lost if they sent within the first half of the stop as planned.
	lateShare = 0.4
)

// An Injector injects one fault into a target within a window.
type Injector struct {
	Target Target
	Fault  *plan.Fault
	Record *result.Fault // where the injector writes what it did

	ctx  context.Context // the campaign's: the end of the window does not end a request
	seen map[int]bool    // processes
	done chan struct{}
	stop context.CancelFunc
	err  error // valid once done is closed
}

// Hooks returns hooks that call those of m and inject the fault between them.
// established counts the connections of the clients. The end of ctx ends the
// fault.
func (in *Injector) Hooks(ctx context.Context, m load.Hooks, established func() int) load.Hooks {
	opened, closed := m.Open, m.Close
	m.Open = func() error {
		// What takes long comes first: the window begins when this returns.
		if err := in.look(); err != nil {
			return err
		}
		in.Record.Open = established()
		if err := opened(); err != nil {
			return err
		}
		var within context.Context
		within, in.stop = context.WithCancel(ctx)
		in.ctx = ctx
		go in.act(within, time.Now())
		return nil
	}
	m.Close = func() error {
		err := closed()
		if in.stop == nil {
			return err
		}
		in.stop() // the fault is over long before, unless the window was cut off
		<-in.done
		return errors.Join(err, in.finish(ctx))
	}
	return m
}

// look records the processes before the fault.
func (in *Injector) look() error {
	in.seen, in.done = map[int]bool{}, make(chan struct{})
	workers, err := in.Target.Workers()
	if err != nil {
		return fmt.Errorf("list the processes that have connections: %w", err)
	}
	in.Record.Workers = len(workers)
	return in.watch()
}

// watch adds the processes that run now to those that were seen.
func (in *Injector) watch() error {
	pids, err := in.Target.PIDs()
	if err != nil {
		return fmt.Errorf("look for the server's processes: %w", err)
	}
	for _, pid := range pids {
		in.seen[pid] = true
	}
	return nil
}

// finish records what remains of the server at the end of the window.
func (in *Injector) finish(ctx context.Context) error {
	if in.err != nil || ctx.Err() != nil {
		return in.err
	}
	in.Record.Lived = in.Target.Answers()
	pids, err := in.Target.PIDs()
	if err != nil {
		return fmt.Errorf("look for the server's processes: %w", err)
	}
	for pid := range in.seen {
		if !slices.Contains(pids, pid) {
			in.Record.Exits++
		}
	}
	return nil
}

// act injects the fault at its time, then watches until ctx ends.
func (in *Injector) act(ctx context.Context, opened time.Time) {
	defer close(in.done)
	ahead := lookAhead
	if in.Fault.HTTP() {
		ahead = askAhead
	}
	if !sleep(ctx, opened.Add(in.Fault.At-ahead)) {
		return
	}
	if err := in.inject(ctx, opened); err != nil {
		in.err = fmt.Errorf("fault %s: %w", in.Fault.Kind, err)
	}
	if in.err != nil { // of the fault, or of watching during it
		return
	}
	in.wait(ctx, opened.Add(time.Hour))
}

// wait waits until a time and watches the processes meanwhile. It reports whether
// the time came before the end of ctx.
func (in *Injector) wait(ctx context.Context, until time.Time) bool {
	for time.Until(until) > watchEvery {
		if !sleep(ctx, time.Now().Add(watchEvery)) {
			return false
		}
		if err := in.watch(); err != nil && in.err == nil {
			in.err = err
		}
	}
	return sleep(ctx, until)
}

// sleep waits until a time. It reports whether the time came before the end of
// ctx.
func sleep(ctx context.Context, until time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Until(until)):
		return ctx.Err() == nil
	}
}

func (in *Injector) inject(ctx context.Context, opened time.Time) error {
	at := opened.Add(in.Fault.At)
	switch {
	case in.Fault.HTTP():
		return in.ask(ctx, opened)
	case in.Fault.Kind == plan.Stop:
		return in.pause(ctx, opened, at)
	case in.Fault.Kind == plan.Crashes:
		return in.crash(ctx, opened, at)
	}
	_, err := in.strike(ctx, syscall.SIGKILL, opened, at)
	return err
}

// pause stops a process, and lets it continue when the fault's time is over.
func (in *Injector) pause(ctx context.Context, opened, at time.Time) error {
	f, r := in.Fault, in.Record
	pid, err := in.strike(ctx, syscall.SIGSTOP, opened, at)
	if err != nil || pid == 0 {
		return err
	}
	sleep(ctx, opened.Add(f.Until)) // a window that was cut off ends the stop too
	err = in.Target.Signal(pid, syscall.SIGCONT)
	r.EndSec = time.Since(opened).Seconds()
	if late := r.AtSec - f.At.Seconds(); err == nil && late > lateShare*(f.Until-f.At).Seconds() {
		err = fmt.Errorf("it was injected %.3g s late, because the CPUs were busy", late)
	}
	return err
}

// crash kills a process several times, at even intervals.
func (in *Injector) crash(ctx context.Context, opened, at time.Time) error {
	f, r := in.Fault, in.Record
	each := (f.Until - f.At) / time.Duration(f.Times-1)
	for i := range f.Times {
		at := at.Add(time.Duration(i) * each)
		if !in.wait(ctx, at.Add(-min(lookAhead, each/2))) {
			return nil
		}
		if pids, err := in.Target.PIDs(); err != nil || i > 0 && len(pids) == 0 {
			return err // the server is gone: there is nothing left to kill
		}
		if pid, err := in.strike(ctx, syscall.SIGKILL, opened, at); err != nil || pid == 0 {
			return err
		}
		r.Crashes++
		r.EndSec = time.Since(opened).Seconds()
	}
	return nil
}

// strike sends a signal at a time to the process that has most connections, or,
// where none has any at the moment, to one that is not the leader if there is
// one. It returns process 0 if the window ended first.
func (in *Injector) strike(ctx context.Context, sig syscall.Signal, opened, at time.Time) (pid int, err error) {
	workers, err := in.Target.Workers()
	if err != nil {
		return 0, err
	}
	if len(workers) == 0 {
		pids, err := in.Target.PIDs()
		if err != nil {
			return 0, err
		}
		if len(pids) == 0 {
			return 0, errors.New("the server ended before the fault")
		}
		workers = []Worker{{PID: pids[len(pids)-1]}}
	}
	w := workers[0]
	if !sleep(ctx, at) {
		return 0, nil
	}
	if in.Record.AtSec == 0 {
		in.Record.AtSec = time.Since(opened).Seconds()
	}
	err = in.Target.Signal(w.PID, sig)
	in.Record.Hit = max(in.Record.Hit, w.Conns)
	in.seen[w.PID] = true
	return w.PID, err
}
