package loadtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A Victim is a server as a fault sees it: its single processes.
type Victim interface {
	// PIDs are its living processes, its leader first.
	PIDs() ([]int, error)
	// Holders are those that hold connections, the one with the most first.
	Holders() ([]Holder, error)
	// HolderOf is the process that holds its end of the connection from peer; 0
	// if none has taken it yet.
	HolderOf(peer netip.AddrPort) (pid int, err error)
	// Signal sends a signal to one of its processes.
	Signal(pid int, s syscall.Signal) error
	// LimitMemory lets one of its processes take so many bytes more.
	LimitMemory(pid int, bytes int64) error
	// Answers tells whether it answers a new connection.
	Answers() bool
}

// A Holder is a process that holds connections.
type Holder struct{ PID, Conns int }

const (
	// watchEvery is how often the processes are looked at around a fault.
	watchEvery = 50 * time.Millisecond
	// lookAhead is how long before a fault it is looked who is to be hit: that
	// takes many system calls on CPUs that are busy, and the fault one.
	lookAhead = 200 * time.Millisecond
	// askAhead is the same for a fault that is asked for over a connection, which
	// has to be taken first, and kept for handOver: a master that hands its
	// connections on has each for a moment.
	askAhead = 400 * time.Millisecond
	handOver = 50 * time.Millisecond
	// lateShare is the part of a stop by which it may be late. Clients are held
	// that sent within the first half of what was planned.
	lateShare = 0.4
	// takeTimeout bounds the wait for a process to take the connection that a
	// fault is asked for over, and faultTimeout that for the answer.
	takeTimeout  = time.Second
	faultTimeout = 5 * time.Second
)

// A saboteur does a fault to a server in the window, and notes what it did.
type saboteur struct {
	server Server
	fault  *plan.Fault
	record *result.Fault

	ctx  context.Context // of the campaign; the end of the window ends no request
	seen map[int]bool    // processes
	done chan struct{}
	stop context.CancelFunc
	err  error // once done is closed
}

// hooks are those of an observer with the fault between them.
func (s *saboteur) hooks(ctx context.Context, m load.Hooks, established func() int) load.Hooks {
	look, opened := m.Open, m.Close
	m.Open = func() error {
		// What takes long comes first: the window begins when this returns.
		if err := s.look(); err != nil {
			return err
		}
		s.record.Open = established()
		if err := look(); err != nil {
			return err
		}
		var within context.Context
		within, s.stop = context.WithCancel(ctx)
		s.ctx = ctx
		go s.act(within, time.Now())
		return nil
	}
	m.Close = func() error {
		err := opened()
		if s.stop == nil {
			return err
		}
		s.stop() // it has long been done, unless the window was cut off
		<-s.done
		return errors.Join(err, s.finish(ctx))
	}
	return m
}

// look notes the processes before the fault.
func (s *saboteur) look() error {
	s.seen, s.done = map[int]bool{}, make(chan struct{})
	holders, err := s.server.Holders()
	if err != nil {
		return fmt.Errorf("look who holds the connections: %w", err)
	}
	s.record.Workers = len(holders)
	return s.watch()
}

// watch notes the processes that there are now.
func (s *saboteur) watch() error {
	pids, err := s.server.PIDs()
	if err != nil {
		return fmt.Errorf("look for the server's processes: %w", err)
	}
	for _, pid := range pids {
		s.seen[pid] = true
	}
	return nil
}

// finish notes what is left of the server at the end of the window.
func (s *saboteur) finish(ctx context.Context) error {
	if s.err != nil || ctx.Err() != nil {
		return s.err
	}
	s.record.Lived = s.server.Answers()
	pids, err := s.server.PIDs()
	if err != nil {
		return fmt.Errorf("look for the server's processes: %w", err)
	}
	for pid := range s.seen {
		if !slices.Contains(pids, pid) {
			s.record.Exits++
		}
	}
	return nil
}

// act does the fault when its time has come, and watches until it is stopped.
func (s *saboteur) act(ctx context.Context, opened time.Time) {
	defer close(s.done)
	ahead := lookAhead
	if s.fault.HTTP() {
		ahead = askAhead
	}
	if !sleep(ctx, opened.Add(s.fault.At-ahead)) {
		return
	}
	if err := s.do(ctx, opened); err != nil {
		s.err = fmt.Errorf("fault %s: %w", s.fault.Kind, err)
	}
	if s.err != nil { // also one of looking at the processes meanwhile
		return
	}
	s.wait(ctx, opened.Add(time.Hour))
}

// wait waits for a time, and sees which processes come meanwhile. It returns
// false if the context ended first.
func (s *saboteur) wait(ctx context.Context, until time.Time) bool {
	for time.Until(until) > watchEvery {
		if !sleep(ctx, time.Now().Add(watchEvery)) {
			return false
		}
		if err := s.watch(); err != nil && s.err == nil {
			s.err = err
		}
	}
	return sleep(ctx, until)
}

// sleep waits for a time. It returns false if the context ended first.
func sleep(ctx context.Context, until time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Until(until)):
		return ctx.Err() == nil
	}
}

func (s *saboteur) do(ctx context.Context, opened time.Time) error {
	f, r := s.fault, s.record
	at := opened.Add(f.At)
	switch {
	case f.HTTP():
		return s.ask(ctx, opened)
	case f.Kind == plan.Stop:
		pid, err := s.strike(ctx, syscall.SIGSTOP, opened, at)
		if err != nil || pid == 0 {
			return err
		}
		sleep(ctx, opened.Add(f.Until)) // a window that was cut off ends it too
		err = s.server.Signal(pid, syscall.SIGCONT)
		r.EndSec = time.Since(opened).Seconds()
		if late := r.AtSec - f.At.Seconds(); err == nil && late > lateShare*(f.Until-f.At).Seconds() {
			err = fmt.Errorf("it was done %.3g s late: something kept the CPUs", late)
		}
		return err
	case f.Kind == plan.Crashes:
		each := (f.Until - f.At) / time.Duration(f.Times-1)
		for i := range f.Times {
			at := at.Add(time.Duration(i) * each)
			if !s.wait(ctx, at.Add(-min(lookAhead, each/2))) {
				return nil
			}
			if pids, err := s.server.PIDs(); err != nil || i > 0 && len(pids) == 0 {
				return err // the server is gone: there is nothing left to kill
			}
			if pid, err := s.strike(ctx, syscall.SIGKILL, opened, at); err != nil || pid == 0 {
				return err
			}
			r.Crashes++
			r.EndSec = time.Since(opened).Seconds()
		}
		return nil
	}
	_, err := s.strike(ctx, syscall.SIGKILL, opened, at)
	return err
}

// strike sends a signal at a time, to the process that holds most connections.
// Where none does at the moment, it is one that is not the leader, if there is
// one. The process is 0 if the window ended before.
func (s *saboteur) strike(ctx context.Context, sig syscall.Signal, opened, at time.Time) (pid int, err error) {
	holders, err := s.server.Holders()
	if err != nil {
		return 0, err
	}
	if len(holders) == 0 {
		pids, err := s.server.PIDs()
		if err != nil {
			return 0, err
		}
		if len(pids) == 0 {
			return 0, errors.New("the server has ended before it")
		}
		holders = []Holder{{PID: pids[len(pids)-1]}}
	}
	h := holders[0]
	if !sleep(ctx, at) {
		return 0, nil
	}
	if s.record.AtSec == 0 {
		s.record.AtSec = time.Since(opened).Seconds()
	}
	err = s.server.Signal(h.PID, sig)
	s.record.Hit = max(s.record.Hit, h.Conns)
	s.seen[h.PID] = true
	return h.PID, err
}

// ask asks for the fault over a connection of its own. The process that takes
// it is the one that is hit.
func (s *saboteur) ask(ctx context.Context, opened time.Time) error {
	c, err := (&net.Dialer{Timeout: faultTimeout}).DialContext(s.ctx, "tcp", s.server.Addr())
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(s.ctx, func() { _ = c.Close() })()
	pid, err := s.taken(c.LocalAddr().(*net.TCPAddr).AddrPort())
	if err != nil {
		return err
	}
	s.seen[pid] = true
	holders, err := s.server.Holders()
	if err != nil {
		return err
	}
	for _, h := range holders {
		if h.PID == pid {
			s.record.Hit = h.Conns - 1 // without this one
		}
	}
	path := "/fault/" + s.fault.Kind
	switch s.fault.Kind {
	case plan.Descriptors:
		path += fmt.Sprintf("?ms=%d", (s.fault.Until - s.fault.At).Milliseconds())
		s.record.EndSec = s.fault.Until.Seconds()
	case plan.Leak:
		path += fmt.Sprintf("?mb=%d", s.fault.LeakMB)
		if err := s.server.LimitMemory(pid, int64(s.fault.LimitMB)<<20); err != nil {
			return err
		}
	}
	if !sleep(ctx, opened.Add(s.fault.At)) {
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(faultTimeout))
	s.record.AtSec = time.Since(opened).Seconds()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, s.server.Addr()); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil // that nobody answers is what many a fault is about
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusBadRequest {
		return fmt.Errorf("GET %s: status %d; does the server have it?", path, resp.StatusCode)
	}
	return nil
}

// taken waits until a process of the server has taken a connection, and kept it.
func (s *saboteur) taken(peer netip.AddrPort) (int, error) {
	var holder int
	var since time.Time
	for deadline := time.Now().Add(takeTimeout); ; {
		pid, err := s.server.HolderOf(peer)
		switch {
		case err != nil:
			return 0, err
		case pid != holder:
			holder, since = pid, time.Now()
		case pid != 0 && time.Since(since) >= handOver:
			return pid, nil
		}
		if holder == 0 && time.Now().After(deadline) || time.Now().After(deadline.Add(takeTimeout)) {
			return 0, fmt.Errorf("no process took the connection for it, and kept it, within %v", takeTimeout)
		}
		select {
		case <-s.ctx.Done():
			return 0, context.Cause(s.ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// recoveryShare is the part of the throughput before a fault at which a server
// has recovered, and recoverySlices how many slices in a row are looked at
// together: 250 ms, as in a single one there is too much of chance.
const (
	recoveryShare  = 0.95
	recoverySlices = 5
)

// fillFault notes what the clients saw of a fault.
func fillFault(f *result.Fault, w *load.Window) {
	if a := w.Aftermath; a != nil {
		f.Lost, f.Failed = int(a.Lost), a.Failed
		f.P99, f.UnaffectedP99 = latency(a.Before).P99, latency(a.Unaffected).P99
	}
	f.SliceSec = load.SliceLength.Seconds()
	f.RPS = make([]float64, len(w.Slices))
	for i, n := range w.Slices {
		f.RPS[i] = float64(n) / f.SliceSec
	}
	at := min(int(f.AtSec/f.SliceSec), len(f.RPS))
	before, after := f.RPS[:at], f.RPS[at:]
	f.Before, f.After = mean(before), mean(after[max(0, len(after)-int(math.Round(1/f.SliceSec))):])
	if len(after) > 0 {
		f.Low = slices.Min(after)
	}
	f.RecoverySec = -1
	if n := recovered(before, after); n >= 0 {
		f.RecoverySec = max(0, float64(at+n)*f.SliceSec-f.AtSec)
	}
}

// recovered is the first slice after a fault from which on throughput is what it
// was before, for good; negative if there is none. What is asked of any few
// slices in a row is 95 % of the mean before the fault, or what the worst of
// them had there: a dip that came without a fault is no sign of one.
func recovered(before, after []float64) int {
	asked := recoveryShare * mean(before)
	for i := 0; i+recoverySlices <= len(before); i++ {
		asked = min(asked, mean(before[i:i+recoverySlices]))
	}
	n := -1
	for i := len(after) - recoverySlices; i >= 0 && mean(after[i:i+recoverySlices]) >= asked; i-- {
		n = i
	}
	return n
}

func mean(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
