// Package wrk drives other load generators: wrk (https://github.com/wg/wrk),
// wrk2 (https://github.com/giltene/wrk2) and oha (https://github.com/hatoo/oha).
// They are a second opinion on the project's own generator. wrk also drives the
// comparison of the servers with peers written in C, where a heavier client would hide
// the differences.
//
// Each tool opens its own connections, does not check the bytes of an answer, and reports
// only on its run as a whole. So the tool runs for longer than the window: the server is
// observed during the window, and the requests of the window are the tool's mean rate
// times the length of the window.
package wrk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/load"
)

// connectTimeout is how long a tool may take to open all its connections, in addition to
// the time that it spends by design.
const connectTimeout = 10 * time.Second

// A tool is a generator that is a program of its own.
type tool struct {
	name string
	loop string // the only loop that it supports
	// args returns its arguments. It may write files to dir.
	args func(dir string, r run) ([]string, error)
	// parse fills a window from the tool's output.
	parse func(out []byte, r run, w *load.Window) error
	// lead returns how long after its start the tool begins to measure. If it is nil,
	// the tool measures from the start.
	lead func(r run) time.Duration
}

// A run is what a tool is asked to do.
type run struct {
	url        string
	n, threads int
	seconds    int
	rate       float64 // requests a second, for the open loop
}

// Clients are the clients of a tool. Their connections exist only while Run is running.
type Clients struct {
	tool        tool
	target      load.Target
	addr        netip.AddrPort
	n, threads  int
	established atomic.Int64
	tree        host.Tree
}

// New prepares n clients of wrk, distributed over at most threads threads. wrk supports
// only the closed loop.
func New(t load.Target, n, threads int) *Clients { return newClients(wrk, t, n, threads) }

// NewWrk2 prepares n clients of wrk2, distributed over at most threads threads. wrk2
// supports only the open loop, and each client has a schedule of its own. It takes more
// than ten seconds before it begins to measure.
func NewWrk2(t load.Target, n, threads int) *Clients { return newClients(wrk2, t, n, threads) }

// NewOha prepares n clients of oha, which has a thread for each core. oha supports only
// the closed loop.
func NewOha(t load.Target, n int) *Clients { return newClients(oha, t, n, runtime.GOMAXPROCS(0)) }

func newClients(tool tool, t load.Target, n, threads int) *Clients {
	return &Clients{tool: tool, target: t, n: n, threads: max(1, min(n, threads))}
}

// Shards returns the number of the tool's threads.
func (c *Clients) Shards() int { return c.threads }

// CPU returns the CPU time that the tool has used, in seconds.
func (c *Clients) CPU() (float64, error) {
	if c.tree.PGID == 0 {
		return 0, nil
	}
	cpu, err := c.tree.CPU()
	return cpu.User + cpu.Sys, err
}

// Established returns the number of connections by the kernel's count: no tool reports it.
func (c *Clients) Established() int { return int(c.established.Load()) }

// Close does nothing: the tool closes its connections when it ends.
func (c *Clients) Close() error { return nil }

// Run runs the tool for at least the warm-up and the window.
func (c *Clients) Run(ctx context.Context, work load.Work, m load.Hooks) (*load.Window, error) {
	if work.Loop != c.tool.loop {
		return nil, fmt.Errorf("%s can only do the %s loop", c.tool.name, c.tool.loop)
	}
	addr, err := net.ResolveTCPAddr("tcp", c.target.Addr)
	if err != nil {
		return nil, err
	}
	c.addr = addr.AddrPort()
	asked, what, err := c.target.For(c.tool.name)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tierbench-"+c.tool.name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := run{url: "http://" + c.target.Addr + asked.URI(what), n: c.n, threads: c.threads, rate: work.Pace.Rate}
	var lead time.Duration
	if c.tool.lead != nil {
		lead = c.tool.lead(r)
	}
	// The extra second is for connecting and for rounding to whole seconds.
	r.seconds = int(math.Ceil((lead + work.Warmup + work.Length + time.Second).Seconds()))
	args, err := c.tool.args(dir, r)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, c.tool.name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.tool.name, err)
	}
	measuring := time.Now().Add(lead)
	c.tree.PGID = cmd.Process.Pid
	w := &load.Window{Errors: map[string]int64{}}
	err = c.window(ctx, w, measuring, work, m)
	if err != nil {
		_ = cmd.Process.Kill() // fails only if the tool has already ended
	}
	werr := cmd.Wait()
	if err != nil {
		return w, err
	}
	if werr != nil {
		return w, fmt.Errorf("run %s: %w: %s", c.tool.name, werr, bytes.TrimSpace(append(errOut.Bytes(), out.Bytes()...)))
	}
	if err := c.tool.parse(out.Bytes(), r, w); err != nil {
		return w, fmt.Errorf("read what %s printed: %w: %s", c.tool.name, err, bytes.TrimSpace(clip(append(errOut.Bytes(), out.Bytes()...))))
	}
	return w, nil
}

// clip shortens an output for an error message.
func clip(out []byte) []byte { return out[:min(len(out), 500)] }

func (c *Clients) window(ctx context.Context, w *load.Window, measuring time.Time, work load.Work, m load.Hooks) error {
	if err := c.connected(ctx, time.Until(measuring)); err != nil {
		return err
	}
	if err := sleep(ctx, work.Warmup+max(0, time.Until(measuring))); err != nil {
		return err
	}
	if err := c.count(); err != nil {
		return err
	}
	if m.Open != nil {
		if err := m.Open(); err != nil {
			return err
		}
	}
	w.Started = time.Now()
	err := sleep(ctx, work.Length)
	w.Length = time.Since(w.Started)
	if m.Close != nil {
		err = errors.Join(err, c.count(), m.Close())
	}
	return err
}

// connected waits until the tool has opened all its connections, or has had the time to.
func (c *Clients) connected(ctx context.Context, lead time.Duration) error {
	for deadline := time.Now().Add(lead + connectTimeout); time.Now().Before(deadline); {
		if err := c.count(); err != nil {
			return err
		}
		if c.Established() >= c.n {
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil // a gate reports how many there were
}

func (c *Clients) count() error {
	n, err := host.ConnectionsTo(c.addr)
	c.established.Store(int64(n))
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
