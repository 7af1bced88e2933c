// Package wrk drives wrk (https://github.com/wg/wrk) as a generator: a second
// opinion on the servers, and the client by which they are set beside peers
// written in C, where a heavier client would hide the differences.
//
// wrk opens its connections itself, checks no bytes of an answer and reports
// only its run as a whole. So it runs for longer than the window, the window
// is cut out of it for what the kernel says of the server, and its requests
// are wrk's mean rate times the length of the window.
package wrk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// script has wrk print its numbers unrounded, and its whole histogram.
const script = `
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\ntierbench {\"requests\":%d,\"duration_us\":%d,\"bytes\":%d,", summary.requests, summary.duration, summary.bytes))
  io.write(string.format("\"connect\":%d,\"read\":%d,\"write\":%d,\"status\":%d,\"timeout\":%d,\"values\":[", e.connect, e.read, e.write, e.status, e.timeout))
  for i = 1, #latency do
    local value, count = latency(i)
    io.write(string.format("%s[%d,%d]", i > 1 and "," or "", value, count))
  end
  io.write("]}\n")
end
`

// connectTimeout is how long wrk may take to have all its connections.
const connectTimeout = 10 * time.Second

// Clients are those of wrk. They exist while Run does.
type Clients struct {
	target      load.Target
	n, threads  int
	established atomic.Int64
	tree        host.Tree
}

// New prepares n clients, shared out to at most as many threads.
func New(t load.Target, n, threads int) *Clients {
	return &Clients{target: t, n: n, threads: max(1, min(n, threads))}
}

// Workers is the number of wrk's threads.
func (c *Clients) Workers() int { return c.threads }

// CPU is the time that wrk has used, in seconds, to 1/100 s.
func (c *Clients) CPU() (float64, error) {
	if c.tree.PGID == 0 {
		return 0, nil
	}
	cpu, err := c.tree.CPU()
	return cpu.User + cpu.Sys, err
}

// Established counts the connections by the kernel, as wrk does not say.
func (c *Clients) Established() int { return int(c.established.Load()) }

// Close does nothing: wrk closes its connections when it ends.
func (c *Clients) Close() error { return nil }

// Run runs wrk for at least the warm-up, and then for the window. It can only
// do the closed loop.
func (c *Clients) Run(ctx context.Context, work load.Work, m load.Marks) (*load.Window, error) {
	if work.Loop != result.Closed {
		return nil, errors.New("wrk can only do the closed loop")
	}
	dir, err := os.MkdirTemp("", "tierbench-wrk-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	lua := filepath.Join(dir, "done.lua")
	if err := os.WriteFile(lua, []byte(script), 0o600); err != nil {
		return nil, err
	}
	// A second more than is needed covers the connecting and wrk's whole
	// seconds.
	seconds := int(math.Ceil((work.Warmup + work.Length + time.Second).Seconds()))
	cmd := exec.CommandContext(ctx, "wrk", "-t"+strconv.Itoa(c.threads), "-c"+strconv.Itoa(c.n), "-d"+strconv.Itoa(seconds)+"s",
		"--timeout", "10s", "--latency", "-s", lua, "http://"+c.target.Addr+"/"+c.target.Requests[0].Workload)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start wrk: %w", err)
	}
	c.tree.PGID = cmd.Process.Pid
	w := &load.Window{Errors: map[string]int64{}}
	err = c.window(ctx, w, work.Warmup, work.Length, m)
	if err != nil {
		_ = cmd.Process.Kill() // ended already at worst
	}
	werr := cmd.Wait()
	if err != nil {
		return w, err
	}
	if werr != nil {
		return w, fmt.Errorf("wrk: %w: %s", werr, bytes.TrimSpace(out.Bytes()))
	}
	return w, parse(out.Bytes(), w)
}

func (c *Clients) window(ctx context.Context, w *load.Window, warmup, length time.Duration, m load.Marks) error {
	if err := c.connected(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, warmup); err != nil {
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
	err := sleep(ctx, length)
	w.Length = time.Since(w.Started)
	if m.Close != nil {
		err = errors.Join(err, c.count(), m.Close())
	}
	return err
}

// connected waits until wrk has all its connections, or had the time.
func (c *Clients) connected(ctx context.Context) error {
	for deadline := time.Now().Add(connectTimeout); time.Now().Before(deadline); {
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
	port, err := portOf(c.target.Addr)
	if err != nil {
		return err
	}
	s, err := host.SocketsOn(port)
	c.established.Store(int64(len(s.Established)))
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

// output is the line that the script prints.
type output struct {
	Requests   int64      `json:"requests"`
	DurationUS int64      `json:"duration_us"`
	Bytes      int64      `json:"bytes"`
	Connect    int64      `json:"connect"`
	Read       int64      `json:"read"`
	Write      int64      `json:"write"`
	Status     int64      `json:"status"`
	Timeout    int64      `json:"timeout"`
	Values     [][2]int64 `json:"values"` // µs and how many
}

// parse fills a window from what wrk printed.
func parse(out []byte, w *load.Window) error {
	_, line, found := bytes.Cut(out, []byte("\ntierbench "))
	if !found {
		return fmt.Errorf("wrk printed no result: %s", bytes.TrimSpace(out))
	}
	var o output
	if err := json.Unmarshal(bytes.TrimSpace(line), &o); err != nil {
		return fmt.Errorf("read wrk's result: %w", err)
	}
	if o.DurationUS <= 0 {
		return fmt.Errorf("wrk measured %d µs", o.DurationUS)
	}
	// What wrk counted is of its whole run: the window gets its share of it. Its
	// histogram may hold more values than there were requests, as it adds some
	// for waits that were longer than usual.
	share := float64(w.Length.Microseconds()) / float64(o.DurationUS)
	all := load.NewInterval(result.Closed)
	var total, seen, given int64
	for _, v := range o.Values {
		total += v[1]
	}
	for _, v := range o.Values {
		seen += v[1]
		n := int64(math.Round(float64(seen)/float64(total)*float64(o.Requests)*share)) - given
		given += n
		if n < 0 {
			return fmt.Errorf("read wrk's result: %d requests in %v", v[1], v)
		}
		if err := all.Service.RecordValues(v[0]*int64(time.Microsecond), n); err != nil {
			return fmt.Errorf("read wrk's result: %w", err)
		}
	}
	w.Intervals = []*load.Interval{all}
	for kind, n := range map[string]int64{
		"connect": o.Connect, "read": o.Read, "write": o.Write, "status": o.Status, "timeout": o.Timeout,
	} {
		if n > 0 {
			w.Errors[kind] = n
		}
	}
	w.BytesIn = int64(math.Round(float64(o.Bytes) * share))
	return nil
}

func portOf(addr string) (int, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
