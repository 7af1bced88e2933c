package fault

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/tierbench/tierbench/loadtest/plan"
)

const (
	// askAhead is how long before a fault the injector opens the connection that
	// it asks over: a process has to accept it first, and keep it for handOver. A
	// master that hands its connections on has each one for a moment.
	askAhead = 400 * time.Millisecond
	handOver = 50 * time.Millisecond
	// takeTimeout bounds the wait for a process to accept that connection, and
	// requestTimeout the wait for the answer.
	takeTimeout    = time.Second
	requestTimeout = 5 * time.Second
)

// ask asks the server for the fault over a connection of its own. The process
// that accepts the connection is the one that is hit.
func (in *Injector) ask(ctx context.Context, opened time.Time) error {
	c, err := (&net.Dialer{Timeout: requestTimeout}).DialContext(in.ctx, "tcp", in.Target.Addr())
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(in.ctx, func() { _ = c.Close() })()
	pid, err := in.accepted(c.LocalAddr().(*net.TCPAddr).AddrPort())
	if err != nil {
		return err
	}
	in.seen[pid] = true
	workers, err := in.Target.Workers()
	if err != nil {
		return err
	}
	for _, w := range workers {
		if w.PID == pid {
			in.Record.Hit = w.Conns - 1 // without this one
		}
	}
	path := "/fault/" + in.Fault.Kind
	switch in.Fault.Kind {
	case plan.Descriptors:
		path += fmt.Sprintf("?ms=%d", (in.Fault.Until - in.Fault.At).Milliseconds())
		in.Record.EndSec = in.Fault.Until.Seconds()
	case plan.Leak:
		path += fmt.Sprintf("?mb=%d", in.Fault.LeakMB)
		if err := in.Target.LimitMemory(pid, int64(in.Fault.LimitMB)<<20); err != nil {
			return err
		}
	}
	if !sleep(ctx, opened.Add(in.Fault.At)) {
		return nil
	}
	_ = c.SetDeadline(time.Now().Add(requestTimeout))
	in.Record.AtSec = time.Since(opened).Seconds()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, in.Target.Addr()); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil // many faults keep the server from answering
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusBadRequest {
		return fmt.Errorf("GET %s: status %d; the server does not support this fault", path, resp.StatusCode)
	}
	return nil
}

// accepted waits until a process of the server has accepted a connection and
// kept it, and returns that process.
func (in *Injector) accepted(peer netip.AddrPort) (int, error) {
	var owner int
	var since time.Time
	for deadline := time.Now().Add(takeTimeout); ; {
		pid, err := in.Target.WorkerOf(peer)
		switch {
		case err != nil:
			return 0, err
		case pid != owner:
			owner, since = pid, time.Now()
		case pid != 0 && time.Since(since) >= handOver:
			return pid, nil
		}
		if owner == 0 && time.Now().After(deadline) || time.Now().After(deadline.Add(takeTimeout)) {
			return 0, fmt.Errorf("no process of the server accepted and kept the connection that asks for the fault within %v", takeTimeout)
		}
		select {
		case <-in.ctx.Done():
			return 0, context.Cause(in.ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
