// Package wrk drives other load generators: wrk (https://github.com/wg/wrk),
// wrk2 (https://github.com/giltene/wrk2) and oha (https://github.com/hatoo/oha).
// They are a second opinion on the project's own generator, and wrk is the
// client by which the servers are set beside peers written in C, where a
// heavier client would hide the differences.
//
// Each opens its connections itself, checks no bytes of an answer and reports
// only its run as a whole. So it runs for longer than the window, the window
// is cut out of it for what the kernel says of the server, and its requests
// are its mean rate times the length of the window.
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

// connectTimeout is how long a generator may take to have all its connections,
// beyond what it spends by design.
const connectTimeout = 10 * time.Second

// A tool is a generator that is a program of its own.
type tool struct {
	name string
	loop string // the only one that it can do
	// args is its command line, for a run of whole seconds. Dir is for files.
	args func(dir string, r run) ([]string, error)
	// parse fills a window from what it printed.
	parse func(out []byte, r run, w *load.Window) error
	// lead is how long after its start it measures nothing that counts; nil is not
	// at all.
	lead func(r run) time.Duration
}

// A run is what a tool is asked for.
type run struct {
	url        string
	n, threads int
	seconds    int
	rate       float64 // of the open loop
}

// Clients are those of a tool. They exist while Run does.
type Clients struct {
	tool        tool
	target      load.Target
	addr        netip.AddrPort
	n, threads  int
	established atomic.Int64
	tree        host.Tree
}

// New prepares n clients of wrk, shared out to at most as many threads. It can
// only do the closed loop.
func New(t load.Target, n, threads int) *Clients { return newClients(wrk, t, n, threads) }

// NewWrk2 prepares n clients of wrk2, shared out to at most as many threads. It
// can only do the open loop. Each of its clients has a schedule of its own. It
// needs ten seconds and more before it measures.
func NewWrk2(t load.Target, n, threads int) *Clients { return newClients(wrk2, t, n, threads) }

// NewOha prepares n clients of oha, which has a thread for each core. It can only
// do the closed loop.
func NewOha(t load.Target, n int) *Clients { return newClients(oha, t, n, runtime.GOMAXPROCS(0)) }

func newClients(tool tool, t load.Target, n, threads int) *Clients {
	return &Clients{tool: tool, target: t, n: n, threads: max(1, min(n, threads))}
}

// Shards is the number of the tool's threads.
func (c *Clients) Shards() int { return c.threads }

// CPU is the time that the tool has used, in seconds, to 1/100 s.
func (c *Clients) CPU() (float64, error) {
	if c.tree.PGID == 0 {
		return 0, nil
	}
	cpu, err := c.tree.CPU()
	return cpu.User + cpu.Sys, err
}

// Established counts the connections by the kernel, as no tool says.
func (c *Clients) Established() int { return int(c.established.Load()) }

// Close does nothing: the tool closes its connections when it ends.
func (c *Clients) Close() error { return nil }

// Run runs the tool for at least the warm-up, and then for the window.
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
	// A second more than is needed covers the connecting and whole seconds.
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
		_ = cmd.Process.Kill() // ended already at worst
	}
	werr := cmd.Wait()
	if err != nil {
		return w, err
	}
	if werr != nil {
		return w, fmt.Errorf("%s: %w: %s", c.tool.name, werr, bytes.TrimSpace(append(errOut.Bytes(), out.Bytes()...)))
	}
	if err := c.tool.parse(out.Bytes(), r, w); err != nil {
		return w, fmt.Errorf("read what %s printed: %w: %s", c.tool.name, err, bytes.TrimSpace(clip(append(errOut.Bytes(), out.Bytes()...))))
	}
	return w, nil
}

// clip is what is shown of an output that was not understood.
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

// connected waits until the tool has all its connections, or had the time.
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
	return nil // the gate says how many there were
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
