package loadtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A fakeVictim is a leader, process 10, and its workers, each with some
// connections. A worker that is killed is replaced by the next number.
type fakeVictim struct {
	mu      sync.Mutex
	workers []Holder
	alone   bool // there is no leader
	next    int
	log     []string
	dead    bool
	asked   int // how often who holds the connection was asked
}

func (v *fakeVictim) note(format string, args ...any) {
	v.log = append(v.log, fmt.Sprintf(format, args...))
}

func (v *fakeVictim) said() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.log)
}

func (v *fakeVictim) PIDs() (pids []int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.alone {
		pids = append(pids, 10)
	}
	for _, w := range v.workers {
		pids = append(pids, w.PID)
	}
	return pids, nil
}

func (v *fakeVictim) Holders() (all []Holder, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, w := range v.workers {
		if w.Conns > 0 {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b Holder) int { return b.Conns - a.Conns })
	return all, nil
}

func (v *fakeVictim) HolderOf(peer netip.AddrPort) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch v.asked++; v.asked {
	case 1: // it takes its time
		return 0, nil
	case 2: // who accepts it hands it on
		return 10, nil
	case 3:
		v.workers[0].Conns++
	}
	return v.workers[0].PID, nil
}

func (v *fakeVictim) Signal(pid int, s syscall.Signal) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.note("%d to %d", s, pid)
	if s != syscall.SIGKILL {
		return nil
	}
	v.workers = slices.DeleteFunc(v.workers, func(h Holder) bool { return h.PID == pid })
	if !v.alone {
		v.workers = append(v.workers, Holder{v.next, 1})
		v.next++
	}
	return nil
}

func (v *fakeVictim) LimitMemory(pid int, bytes int64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.note("limit %d to %d", pid, bytes)
	return nil
}

func (v *fakeVictim) Answers() bool { return !v.dead }

const faultConfig = `
models: [m]
workloads: [{protocol: http, workload: plaintext}]
clients: [1]
warmup: 0
duration: 2500ms
repeats: 1
fault: `

// wait keeps the window open until the victim has seen so much.
func (f *fixture) wait(t *testing.T, n int) {
	f.server.during = func() {
		for deadline := time.Now().Add(time.Minute); len(f.server.said()) < n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("the fault was not done")
				return
			}
		}
	}
}

func TestSignalsGoToTheBusiestWorker(t *testing.T) {
	two := []Holder{{11, 3}, {12, 7}}
	for _, tt := range []struct {
		reason  string
		fault   string
		workers []Holder
		alone   bool
		log     []string
		want    result.Fault
	}{
		{"a kill", "{kind: kill, at: 500ms}", two, false, []string{"9 to 12"}, result.Fault{Workers: 2, Hit: 7, Exits: 1}},
		{"a stop is taken back", "{kind: stop, at: 500ms, until: 600ms}", two, false, []string{"19 to 12", "18 to 12"}, result.Fault{Workers: 2, Hit: 7}},
		{"crashes in a row", "{kind: crashes, times: 3, at: 500ms, until: 700ms}", two, false,
			[]string{"9 to 12", "9 to 11", "9 to 20"}, result.Fault{Workers: 2, Hit: 7, Crashes: 3, Exits: 3}},
		{"the only process", "{kind: kill, at: 500ms}", []Holder{{11, 3}}, true, []string{"9 to 11"}, result.Fault{Workers: 1, Hit: 3, Exits: 1}},
		{"it is gone at the first of several", "{kind: crashes, times: 3, at: 500ms, until: 700ms}", []Holder{{11, 3}}, true,
			[]string{"9 to 11"}, result.Fault{Workers: 1, Hit: 3, Crashes: 1, Exits: 1}},
		{"nobody holds a connection just then", "{kind: kill, at: 500ms}", []Holder{{11, 0}}, false, []string{"9 to 11"}, result.Fault{Exits: 1}},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			f := setUp(t, faultConfig+tt.fault)
			f.server.fakeVictim = &fakeVictim{workers: slices.Clone(tt.workers), alone: tt.alone, next: 20}
			f.wait(t, len(tt.log))
			if err := f.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := f.saved[0]
			if got := f.server.said(); !slices.EqualFunc(got, tt.log, func(a, b string) bool { return a == signalName(b) }) {
				t.Errorf("signals %q, want %q", got, tt.log)
			}
			got := r.Fault
			if got == nil || r.Failure != "" || got.AtSec < 0.5 || !got.Lived || got.Open != 1 || got.Kind == "" {
				t.Fatalf("failure %q, fault %+v", r.Failure, got)
			}
			if (got.EndSec > got.AtSec) != (got.Kind == plan.Stop || got.Kind == plan.Crashes) {
				t.Errorf("from %g to %g s", got.AtSec, got.EndSec)
			}
			if g := (result.Fault{Workers: got.Workers, Hit: got.Hit, Crashes: got.Crashes, Exits: got.Exits}); cmp.Diff(tt.want, g) != "" {
				t.Error(cmp.Diff(tt.want, g))
			}
			if w := f.clients.work[0].Fault; w == nil || w.At != 500*time.Millisecond {
				t.Errorf("the generator was told of %+v", w)
			}
		})
	}
}

// signalName puts this system's numbers for SIGSTOP and SIGCONT into a line.
func signalName(line string) string {
	n, to, _ := strings.Cut(line, " ")
	s := map[string]syscall.Signal{"9": syscall.SIGKILL, "19": syscall.SIGSTOP, "18": syscall.SIGCONT}[n]
	return fmt.Sprintf("%d %s", s, to)
}

func TestFaultsAreAskedForOverAConnectionOfTheirOwn(t *testing.T) {
	for _, tt := range []struct {
		reason, fault, path, answer, failure string
		log                                  []string
	}{
		{"nobody answers", "{kind: panic, at: 500ms}", "/fault/panic", "", "", nil},
		{"somebody does", "{kind: recovered-panic, at: 500ms}", "/fault/recovered-panic", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "", nil},
		{"a leak is to a limit", "{kind: leak, at: 500ms, mb: 3, limit_mb: 2}", "/fault/leak?mb=3", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", []string{"limit 11 to 2097152"}},
		{"descriptors are given back", "{kind: descriptors, at: 500ms, until: 700ms}", "/fault/descriptors?ms=200", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", nil},
		{"the server does not have it", "{kind: fatal, at: 500ms}", "/fault/fatal", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "fault fatal: GET /fault/fatal: status 404", nil},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			asked := make(chan string, 1)
			go func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = fmt.Fprint(c, tt.answer)
					asked <- r.URL.String()
				}
			}()
			defer ln.Close()
			f := setUp(t, faultConfig+tt.fault)
			f.server.fakeVictim = &fakeVictim{workers: []Holder{{11, 3}, {12, 7}}, dead: true}
			f.server.addr = ln.Addr().String()
			f.server.during = func() {
				if got := <-asked; got != tt.path {
					t.Errorf("asked for %s, want %s", got, tt.path)
				}
			}
			if err := f.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := f.saved[0]
			if !strings.HasPrefix(r.Failure, tt.failure) || (tt.failure == "") != (r.Failure == "") {
				t.Errorf("failure %q, want %q", r.Failure, tt.failure)
			}
			// Its own connection is not counted.
			if r.Fault.Hit != 3 || r.Fault.Workers != 2 || r.Fault.Lived {
				t.Errorf("%+v", r.Fault)
			}
			if got := f.server.said(); !slices.Equal(got, tt.log) {
				t.Errorf("done to it %q, want %q", got, tt.log)
			}
		})
	}
}

func TestAServerThatDiesOfAFaultIsNoFailure(t *testing.T) {
	f := setUp(t, faultConfig+"{kind: kill, at: 500ms}")
	f.server.fakeVictim = &fakeVictim{workers: []Holder{{11, 1}}, alone: true, dead: true}
	f.wait(t, 1)
	close(f.server.exited)
	f.server.stopErr = fmt.Errorf("it ended with signal: killed")
	f.server.aftermath = load.NewAftermath()
	f.server.aftermath.Lost, f.server.aftermath.Failed = 1, 2
	_ = f.server.aftermath.Unaffected.RecordValue(int64(time.Second))
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := f.saved[0]
	if r.Failure != "" || len(r.Warnings) != 0 || r.Gates.Verdict == result.Invalid || r.Fault.Lived {
		t.Errorf("failure %q, warnings %q, gates %+v", r.Failure, r.Warnings, r.Gates)
	}
	if a := r.Fault; a.Lost != 1 || a.Failed != 2 || a.UnaffectedP99 < 0.99 || a.P99 != 0 {
		t.Errorf("%+v", a)
	}
}

func TestAnInterruptEndsAFault(t *testing.T) {
	f := setUp(t, faultConfig+"{kind: stop, at: 500ms, until: 1s}")
	f.server.fakeVictim = &fakeVictim{workers: []Holder{{11, 1}}}
	ctx, cancel := context.WithCancel(t.Context())
	f.server.during = cancel
	f.clients.err = context.Canceled
	if err := f.Run(ctx); err == nil || len(f.saved) != 1 || f.saved[0].Failure != Interrupted {
		t.Errorf("err %v, saved %+v", err, f.saved)
	}
	if got := f.server.said(); len(got) != 0 {
		t.Errorf("done to it %q after the interrupt", got)
	}
}

func TestRecovery(t *testing.T) {
	repeated := func(parts ...int64) (all []int64) { // value, times, …
		for i := 0; i < len(parts); i += 2 {
			all = append(all, slices.Repeat([]int64{parts[i]}, int(parts[i+1]))...)
		}
		return all
	}
	for _, tt := range []struct {
		reason                       string
		slices                       []int64
		before, after, low, recovery float64
	}{
		{"nothing changed", repeated(10, 60), 200, 200, 200, 0},
		{"nothing for a second", repeated(10, 20, 0, 20, 10, 40), 200, 200, 0, 1},
		{"half for a second", repeated(10, 20, 5, 20, 10, 40), 200, 200, 100, 1},
		{"never again", repeated(10, 20, 0, 40), 200, 0, 0, -1},
		{"nearly", repeated(100, 20, 94, 40), 2000, 1880, 1880, -1},
		{"near enough", repeated(100, 20, 96, 40), 2000, 1920, 1920, 0},
		{"only for a while", repeated(10, 20, 0, 5, 10, 20, 2, 20), 200, 40, 0, -1},
		{"a dip as there was before", repeated(100, 10, 50, 5, 100, 5, 100, 10, 50, 5, 100, 25), 1750, 2000, 1000, 0},
		{"half a slice of chance", repeated(10, 20, 0, 4, 10, 10, 9, 1, 10, 20), 200, 200, 0, 0.2},
	} {
		f := result.Fault{AtSec: 1}
		fillFault(&f, &load.Window{Slices: tt.slices})
		if !near(f.Before, tt.before) || !near(f.After, tt.after) || !near(f.Low, tt.low) || !near(f.RecoverySec, tt.recovery) {
			t.Errorf("%s: before %g after %g low %g recovery %g, want %g %g %g %g", tt.reason,
				f.Before, f.After, f.Low, f.RecoverySec, tt.before, tt.after, tt.low, tt.recovery)
		}
		if len(f.RPS) != len(tt.slices) || f.SliceSec != 0.05 {
			t.Errorf("%s: %d slices of %g s", tt.reason, len(f.RPS), f.SliceSec)
		}
	}
	f := result.Fault{AtSec: 9} // a window that was cut off before it
	if fillFault(&f, &load.Window{Slices: []int64{1, 2}}); f.RecoverySec != -1 || f.Before != 30 {
		t.Errorf("%+v", f)
	}
}
