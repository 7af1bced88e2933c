package loadtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// seriesThreads is the largest number of threads whose context switches are read every
// second. A reading costs about 10 µs a thread, on the cores under test.
const seriesThreads = 1000

// othersFrom is the least part of a core that a process outside the benchmark must use
// to be recorded.
const othersFrom = 0.01

// An observer reads the server at the hooks of a window.
type observer struct {
	ctx      context.Context // of the campaign
	server   Server
	clients  Clients
	counters func() (Counters, error)
	repeat   *result.Repeat

	at             time.Time // when the window opened
	before, opened Counters  // when the clients began to connect, and when the window opened

	generator float64  // CPU time of the generator when the window opened, seconds
	first     sample   // when the window opened, without the usage
	samples   []sample // every second and when the window closed

	throttled float64 // of the box when the window opened, seconds
	sockets   int64   // their memory as last read, bytes
}

// A sample is one reading of the server.
type sample struct {
	at        time.Duration // in the window; 0 at its ends
	cpuAt     time.Time
	user, sys float64
	usage     result.Usage
	switches  int64 // -1: not read
	took      time.Duration
}

func (o *observer) hooks() load.Hooks {
	return load.Hooks{Open: o.open, Second: o.second, Close: o.close}
}

// open reads the CPU time last and the slow readings first, because the window begins
// when open returns.
func (o *observer) open() (err error) {
	e := &o.repeat.Established
	connections, err := o.server.Connections()
	if err != nil {
		return fmt.Errorf("count connections: %w", err)
	}
	e.Server.Start = connections.Established
	e.Generator.Start = o.clients.Established()
	if o.first.switches, err = o.server.CtxSwitches(); err != nil {
		return fmt.Errorf("read context switches: %w", err)
	}
	if o.opened, err = o.counters(); err != nil {
		return fmt.Errorf("read the machine's counters: %w", err)
	}
	if o.first.user, o.first.sys, o.first.cpuAt, err = o.server.CPU(); err != nil {
		return fmt.Errorf("read the server's CPU time: %w", err)
	}
	if o.generator, err = o.clients.CPU(); err != nil {
		return fmt.Errorf("read the generator's CPU time: %w", err)
	}
	if o.repeat.Box != nil {
		if err := o.openBox(connections.SocketBytes); err != nil {
			return err
		}
	}
	o.at = time.Now()
	return nil
}

// second takes one reading for the series.
func (o *observer) second(at time.Duration) (err error) {
	begin := time.Now()
	s := sample{at: at, switches: -1}
	if s.user, s.sys, s.cpuAt, err = o.server.CPU(); err != nil {
		return fmt.Errorf("read the server's CPU time: %w", err)
	}
	if s.usage, err = o.server.Usage(); err != nil {
		return fmt.Errorf("read the server's usage: %w", err)
	}
	if s.usage.Threads <= seriesThreads {
		if s.switches, err = o.server.CtxSwitches(); err != nil {
			return fmt.Errorf("read context switches: %w", err)
		}
	}
	s.took = time.Since(begin)
	o.samples = append(o.samples, s)
	s.usage.SocketBytes = o.sockets
	return o.box(s.usage)
}

// openBox reads the box when the window opens.
func (o *observer) openBox(sockets int64) error {
	o.sockets = sockets
	var u result.Usage
	if o.repeat.Box.By == result.ByAccount {
		var err error
		if u, err = o.server.Usage(); err != nil {
			return fmt.Errorf("read the server's usage: %w", err)
		}
		u.SocketBytes = sockets
	}
	return o.box(u)
}

// box reads the box, given the server's usage. If it is kept by account and used up, box ends
// the server.
func (o *observer) box(u result.Usage) error {
	b, err := o.server.Box(u)
	if b == nil || err != nil {
		return err
	}
	if o.at.IsZero() {
		o.throttled = b.ThrottledSec
	}
	b.ThrottledSec -= o.throttled
	if last := o.repeat.Box; last != nil {
		b.PeakBytes = max(b.PeakBytes, last.PeakBytes)
	}
	o.repeat.Box = b
	if end := b.OutOfMemory(); end != "" && b.By == result.ByAccount {
		return errors.Join(errors.New(end), o.server.Kill())
	}
	return nil
}

// boxAtEnd reads once more what the box has counted. The server may have ended, so its memory
// is that of the last reading.
func (o *observer) boxAtEnd() error {
	last := o.repeat.Box
	if last == nil || last.By == result.ByAccount {
		return nil
	}
	b, err := o.server.Box(result.Usage{})
	if err != nil || b == nil {
		return err
	}
	last.OOMKills, last.LimitHits, last.PeakBytes = b.OOMKills, b.LimitHits, max(b.PeakBytes, last.PeakBytes)
	return nil
}

// close reads the CPU time first, because the window has just ended. The connections
// are still open and the load continues.
func (o *observer) close() error {
	if o.ctx.Err() != nil {
		return nil // interrupted: the server is being killed
	}
	begin := time.Now()
	srv, e := &o.repeat.Server, &o.repeat.Established
	s := sample{}
	generator, generatorErr := o.clients.CPU()
	var cpuErr, switchesErr, usageErr error
	s.user, s.sys, s.cpuAt, cpuErr = o.server.CPU()
	counters, countersErr := o.counters()
	s.switches, switchesErr = o.server.CtxSwitches()
	s.usage, usageErr = o.server.Usage()
	connections, connectionsErr := o.server.Connections()
	if err := errors.Join(cpuErr, generatorErr, switchesErr, usageErr, connectionsErr, countersErr); err != nil {
		return fmt.Errorf("read the server at the end of the window: %w", err)
	}
	// The load continues between the end of the window and the reading, for a long time
	// if the server keeps all cores busy. So the window gets only its part of the CPU
	// time. The CPU time of a process or thread that ended without being waited for is
	// lost, so a difference can be negative.
	part := begin.Sub(o.at).Seconds() / s.cpuAt.Sub(o.first.cpuAt).Seconds()
	srv.CPUUserSec, srv.CPUSysSec = part*max(0, s.user-o.first.user), part*max(0, s.sys-o.first.sys)
	o.repeat.Generator.CPUSec = generator - o.generator
	srv.CtxSwitches = max(0, s.switches-o.first.switches)
	srv.Usage, srv.SocketBytes = s.usage, connections.SocketBytes
	srv.ConnsPerProcess = connections.PerProcess
	if err := o.box(srv.Usage); err != nil {
		return err
	}
	o.compare(counters)
	e.Server.End, e.Generator.End = connections.Established, o.clients.Established()
	s.took = time.Since(begin)
	o.samples = append(o.samples, s)
	return nil
}

// compare records what else the machine did while the window was open.
func (o *observer) compare(closed Counters) {
	since := func(a, b result.Trouble) result.Trouble {
		return result.Trouble{
			ListenOverflows: b.ListenOverflows - a.ListenOverflows, ListenDrops: b.ListenDrops - a.ListenDrops,
			SynRetransmits: b.SynRetransmits - a.SynRetransmits,
		}
	}
	o.repeat.Network = result.Network{
		Connecting: since(o.before.Trouble, o.opened.Trouble), Window: since(o.opened.Trouble, closed.Trouble),
		TimeWait: o.before.TimeWait,
	}
	o.repeat.Machine.StolenSec = closed.StolenSec - o.opened.StolenSec
	o.repeat.Machine.ThrottledSec = closed.ThrottledSec - o.opened.ThrottledSec
	earlier := map[int]ProcessCPU{}
	for _, p := range o.opened.Processes {
		earlier[p.PID] = p
	}
	length := time.Since(o.at).Seconds()
	for _, p := range closed.Processes {
		used := p.Sec
		if e, ok := earlier[p.PID]; ok && e.Name == p.Name {
			used -= e.Sec
		}
		if cores := used / length; cores > othersFrom {
			o.repeat.Machine.Others = append(o.repeat.Machine.Others, result.Process{PID: p.PID, Name: p.Name, Cores: cores})
		}
	}
	slices.SortFunc(o.repeat.Machine.Others, func(a, b result.Process) int { return cmp.Compare(b.Cores, a.Cores) })
}

// series combines the readings with what the generator counted in each second.
func (o *observer) series(w *load.Window) []result.Second {
	if w == nil {
		return nil
	}
	var out []result.Second
	before, from := o.first, time.Duration(0)
	for i, s := range o.samples {
		to := s.at
		if to == 0 {
			to = w.Length
		}
		part := (to - from).Seconds() / s.cpuAt.Sub(before.cpuAt).Seconds()
		line := result.Second{
			Run: o.repeat.Run, Key: o.repeat.Key, Repeat: o.repeat.Repeat,
			AtSec: to.Seconds(), IntervalSec: (to - from).Seconds(),
			CPUUserSec: part * max(0, s.user-before.user), CPUSysSec: part * max(0, s.sys-before.sys),
			Usage: s.usage, CtxSwitches: -1, SampleSec: s.took.Seconds(),
		}
		if s.switches >= 0 && before.switches >= 0 {
			line.CtxSwitches = max(0, s.switches-before.switches)
		}
		if i < len(w.Intervals) {
			part := w.Intervals[i]
			line.Requests, line.Errored = part.Service.TotalCount(), part.Errored
			service := load.Latency(part.Service)
			line.P50Sec, line.P99Sec = service.P50, service.P99
			if part.Response != nil {
				line.ResponseP99Sec = load.Latency(part.Response).P99
			}
		}
		out = append(out, line)
		before, from = s, to
	}
	return out
}
