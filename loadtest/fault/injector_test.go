package fault

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

// A fakeTarget is a leader, process 10, and its workers, each with some
// connections. A worker that is killed is replaced by the next number.
type fakeTarget struct {
	addr    string
	mu      sync.Mutex
	workers []Worker
	alone   bool // there is no leader
	next    int
	log     []string
	dead    bool
	asked   int // how often who holds the connection was asked
}

func (f *fakeTarget) note(format string, args ...any) {
	f.log = append(f.log, fmt.Sprintf(format, args...))
}

func (f *fakeTarget) said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

func (f *fakeTarget) Addr() string { return f.addr }

func (f *fakeTarget) PIDs() (pids []int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.alone {
		pids = append(pids, 10)
	}
	for _, w := range f.workers {
		pids = append(pids, w.PID)
	}
	return pids, nil
}

func (f *fakeTarget) Workers() (all []Worker, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.workers {
		if w.Conns > 0 {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b Worker) int { return b.Conns - a.Conns })
	return all, nil
}

func (f *fakeTarget) WorkerOf(peer netip.AddrPort) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.asked++; f.asked {
	case 1: // it takes its time
		return 0, nil
	case 2: // who accepts it hands it on
		return 10, nil
	case 3:
		f.workers[0].Conns++
	}
	return f.workers[0].PID, nil
}

func (f *fakeTarget) Signal(pid int, s syscall.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("%d to %d", s, pid)
	if s != syscall.SIGKILL {
		return nil
	}
	f.workers = slices.DeleteFunc(f.workers, func(h Worker) bool { return h.PID == pid })
	if !f.alone {
		f.workers = append(f.workers, Worker{f.next, 1})
		f.next++
	}
	return nil
}

func (f *fakeTarget) LimitMemory(pid int, bytes int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note("limit %d to %d", pid, bytes)
	return nil
}

func (f *fakeTarget) Answers() bool { return !f.dead }

// inject injects a fault in a window that lasts until during returns.
func inject(ctx context.Context, target Target, f plan.Fault, during func()) (*result.Fault, error) {
	in := &Injector{Target: target, Fault: &f, Record: &result.Fault{Kind: f.Kind}}
	nothing := func() error { return nil }
	h := in.Hooks(ctx, load.Hooks{Open: nothing, Close: nothing}, func() int { return 1 })
	if err := h.Open(); err != nil {
		return in.Record, err
	}
	during()
	return in.Record, h.Close()
}

func TestSignalsGoToTheBusiestWorker(t *testing.T) {
	const at = lookAhead + 50*time.Millisecond
	kill, crashes := plan.Fault{Kind: plan.Kill, At: at}, plan.Fault{Kind: plan.Crashes, Times: 3, At: at, Until: at + 200*time.Millisecond}
	two := []Worker{{11, 3}, {12, 7}}
	for _, tt := range []struct {
		reason  string
		fault   plan.Fault
		workers []Worker
		alone   bool
		log     []string
		want    result.Fault
	}{
		{"a kill", kill, two, false, []string{"9 to 12"}, result.Fault{Workers: 2, Hit: 7, Exits: 1}},
		{"a stop is taken back", plan.Fault{Kind: plan.Stop, At: at, Until: at + 1500*time.Millisecond}, two, false, // so long that a busy machine is not late by too much of it
			[]string{"19 to 12", "18 to 12"}, result.Fault{Workers: 2, Hit: 7}},
		{"crashes in a row", crashes, two, false,
			[]string{"9 to 12", "9 to 11", "9 to 20"}, result.Fault{Workers: 2, Hit: 7, Crashes: 3, Exits: 3}},
		{"the only process", kill, []Worker{{11, 3}}, true, []string{"9 to 11"}, result.Fault{Workers: 1, Hit: 3, Exits: 1}},
		{"it is gone at the first of several", crashes, []Worker{{11, 3}}, true,
			[]string{"9 to 11"}, result.Fault{Workers: 1, Hit: 3, Crashes: 1, Exits: 1}},
		{"nobody holds a connection just then", kill, []Worker{{11, 0}}, false, []string{"9 to 11"}, result.Fault{Exits: 1}},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			target := &fakeTarget{workers: slices.Clone(tt.workers), alone: tt.alone, next: 20}
			got, err := inject(t.Context(), target, tt.fault, func() {
				for deadline := time.Now().Add(time.Minute); len(target.said()) < len(tt.log); time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Error("the fault was not injected")
						return
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := target.said(); !slices.EqualFunc(got, tt.log, func(a, b string) bool { return a == signalName(b) }) {
				t.Errorf("signals %q, want %q", got, tt.log)
			}
			if got.AtSec < at.Seconds() || !got.Lived || got.Open != 1 {
				t.Fatalf("fault %+v", got)
			}
			if (got.EndSec > got.AtSec) != (got.Kind == plan.Stop || got.Kind == plan.Crashes) {
				t.Errorf("from %g to %g s", got.AtSec, got.EndSec)
			}
			if g := (result.Fault{Workers: got.Workers, Hit: got.Hit, Crashes: got.Crashes, Exits: got.Exits}); cmp.Diff(tt.want, g) != "" {
				t.Error(cmp.Diff(tt.want, g))
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
	const at = 500 * time.Millisecond
	for _, tt := range []struct {
		reason                string
		fault                 plan.Fault
		path, answer, failure string
		log                   []string
	}{
		{"nobody answers", plan.Fault{Kind: plan.Panic, At: at}, "/fault/panic", "", "", nil},
		{"somebody does", plan.Fault{Kind: plan.RecoveredPanic, At: at}, "/fault/recovered-panic",
			"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "", nil},
		{"a leak is to a limit", plan.Fault{Kind: plan.Leak, At: at, LeakMB: 3, LimitMB: 2}, "/fault/leak?mb=3",
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", []string{"limit 11 to 2097152"}},
		{"descriptors are given back", plan.Fault{Kind: plan.Descriptors, At: at, Until: 700 * time.Millisecond}, "/fault/descriptors?ms=200",
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", nil},
		{"the server does not have it", plan.Fault{Kind: plan.Fatal, At: at}, "/fault/fatal",
			"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "fault fatal: GET /fault/fatal: status 404", nil},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel() // it waits most of the time
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
			target := &fakeTarget{addr: ln.Addr().String(), workers: []Worker{{11, 3}, {12, 7}}, dead: true}
			got, err := inject(t.Context(), target, tt.fault, func() {
				if got := <-asked; got != tt.path {
					t.Errorf("asked for %s, want %s", got, tt.path)
				}
			})
			if (tt.failure == "") != (err == nil) || err != nil && !strings.HasPrefix(err.Error(), tt.failure) {
				t.Errorf("failure %v, want %q", err, tt.failure)
			}
			// Its own connection is not counted.
			if got.Hit != 3 || got.Workers != 2 || got.Lived {
				t.Errorf("%+v", got)
			}
			if got := target.said(); !slices.Equal(got, tt.log) {
				t.Errorf("done to it %q, want %q", got, tt.log)
			}
		})
	}
}

func TestAnInterruptEndsAFault(t *testing.T) {
	target := &fakeTarget{workers: []Worker{{11, 1}}}
	ctx, cancel := context.WithCancel(t.Context())
	f := plan.Fault{Kind: plan.Stop, At: 500 * time.Millisecond, Until: time.Second}
	if _, err := inject(ctx, target, f, cancel); err != nil {
		t.Error(err)
	}
	if got := target.said(); len(got) != 0 {
		t.Errorf("done to it %q after the interrupt", got)
	}
}
