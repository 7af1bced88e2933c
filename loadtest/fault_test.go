package loadtest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/fault"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// A fakeTarget is one process, number 11, with one connection.
type fakeTarget struct {
	addr string
	dead bool

	mu      sync.Mutex
	signals []syscall.Signal
}

func (f *fakeTarget) Addr() string         { return f.addr }
func (f *fakeTarget) PIDs() ([]int, error) { return []int{11}, nil }
func (f *fakeTarget) Workers() ([]fault.Worker, error) {
	return []fault.Worker{{PID: 11, Conns: 1}}, nil
}
func (f *fakeTarget) WorkerOf(netip.AddrPort) (int, error)   { return 11, nil }
func (f *fakeTarget) LimitMemory(pid int, bytes int64) error { return nil }
func (f *fakeTarget) Answers() bool                          { return !f.dead }

func (f *fakeTarget) Signal(_ int, s syscall.Signal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signals = append(f.signals, s)
	return nil
}

func (f *fakeTarget) signalled() []syscall.Signal {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.signals)
}

// untilSignalled keeps a window open until the target gets a signal.
func (f *fakeTarget) untilSignalled(t *testing.T) func() {
	return func() {
		for deadline := time.Now().Add(time.Minute); len(f.signalled()) == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("the fault was not injected")
				return
			}
		}
	}
}

const faultConfig = `
models: [m]
workloads: [{protocol: http, workload: plaintext}]
clients: [1]
warmup: 0
duration: 2500ms
repeats: 1
fault: `

func TestAServerThatDiesOfAFaultIsNoFailure(t *testing.T) {
	f := setUp(t, faultConfig+"{kind: kill, at: 500ms}")
	f.server.fakeTarget.dead = true
	f.server.during = f.server.untilSignalled(t)
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
	if r.Fault.Kind != plan.Kill || r.Fault.AtSec < 0.5 || r.Fault.Open != 1 {
		t.Errorf("%+v", r.Fault)
	}
	if w := f.clients.work[0].Fault; w == nil || w.At != 500*time.Millisecond {
		t.Errorf("the generator was told of %+v", w)
	}
	if a := r.Fault; a.Lost != 1 || a.Failed != 2 || a.UnaffectedP99 < 0.99 || a.P99 != 0 {
		t.Errorf("%+v", a)
	}
}

func TestAnInterruptEndsAFault(t *testing.T) {
	f := setUp(t, faultConfig+"{kind: stop, at: 500ms, until: 1s}")
	ctx, cancel := context.WithCancel(t.Context())
	f.server.during = cancel
	f.clients.err = context.Canceled
	if err := f.Run(ctx); err == nil || len(f.saved) != 1 || f.saved[0].FailureKind != result.Interrupted {
		t.Errorf("err %v, saved %+v", err, f.saved)
	}
	if got := f.server.signalled(); len(got) != 0 {
		t.Errorf("done to it %q after the interrupt", got)
	}
}
