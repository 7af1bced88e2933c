//go:build linux

package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// The generator processes of these tests are this binary. Its first argument names the
// role that it plays.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "role" {
		if err := role(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const version = "of the tests"

// controlEnv is where a generator process reports that its window has been open for a second.
const controlEnv = "FLEET_TEST_CONTROL"

func role(name string) error {
	conn, err := Link{URL: os.Getenv(EnvURL), Token: os.Getenv(EnvToken), CA: os.Getenv(EnvCA), Creds: os.Getenv(EnvCreds)}.Dial("generator")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(os.Getenv(EnvNumber))
	if err != nil {
		return err
	}
	o := ServeOptions{Job: os.Getenv(EnvJob), Number: n, Version: version}
	if n == 2 && name == "other-version" {
		o.Version = "another"
	}
	var timeout time.Duration
	if name == "impatient" {
		timeout = 100 * time.Millisecond
	}
	return Serve(context.Background(), conn, o, func(ctx context.Context, p Part) (Clients, *load.Connected, error) {
		c, how, err := attack.Connect(ctx, p.Target, p.Population, attack.Options{Shards: p.Shards, ConnectTimeout: timeout})
		if err != nil {
			return nil, how, err
		}
		return &tampered{c, n == 2 && name == "miscounting", n == 2 && name == "failing"}, how, nil
	})
}

// tampered are clients that report their progress to the test, and may report wrong
// numbers.
type tampered struct {
	*attack.Clients
	miscounts, fails bool
}

func (c *tampered) Run(ctx context.Context, work load.Work, m load.Hooks) (*load.Window, error) {
	if control := os.Getenv(controlEnv); control != "" {
		m.Second = func(at time.Duration) error {
			if at > time.Second {
				return nil
			}
			conn, err := net.Dial("tcp", control)
			if err != nil {
				return err
			}
			return conn.Close()
		}
	}
	w, err := c.Clients.Run(ctx, work, m)
	if c.miscounts {
		w.Intervals[0].Errored++
	}
	if c.fails {
		err = errors.New("epoll is broken")
	}
	return w, err
}

func hub(t *testing.T) *Hub {
	t.Helper()
	h, err := StartHub()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func spec(link Link, role string, processes int) Spec {
	return Spec{Link: link, Argv: []string{os.Args[0], "role", role}, Processes: processes, Shards: processes, Version: version}
}

// serve is an echo server of 8 bytes. before is called with the number of each
// message of a connection before it is answered. Number 0 is the one with which a client
// checks a new connection.
func serve(t *testing.T, before func(k int)) load.Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { c.Close() })
			wg.Go(func() {
				defer c.Close()
				var msg [8]byte
				for k := 0; ; k++ {
					if _, err := io.ReadFull(c, msg[:]); err != nil {
						return
					}
					if before != nil {
						before(k)
					}
					if _, err := c.Write(msg[:]); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		stop()
		wg.Wait()
	})
	return load.Target{Addr: ln.Addr().String(), Protocol: "echo", Requests: []load.Request{{Workload: "echo", PayloadBytes: 8}}}
}

func fleet(t *testing.T, s Spec, target load.Target, p load.Population) *Fleet {
	t.Helper()
	f, how, err := Connect(t.Context(), s, target, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		gone(t, f)
	})
	if got := how.Histogram.TotalCount(); got != int64(p.Clients) || how.Refused != 0 || how.Sec <= 0 {
		t.Errorf("connected: %+v, %d of %d", how, got, p.Clients)
	}
	if got := f.Established(); got != p.Clients {
		t.Errorf("%d clients established, want %d", got, p.Clients)
	}
	if got := f.Processes(); got != s.Processes {
		t.Errorf("%d processes, want %d", got, s.Processes)
	}
	return f
}

// gone fails the test if a process of a closed fleet is left.
func gone(t *testing.T, f *Fleet) {
	t.Helper()
	for _, m := range f.members {
		if m.group == nil {
			continue
		}
		if pids, err := m.group.Tree().PIDs(); err != nil || len(pids) > 0 {
			t.Errorf("%s left %v, err %v", m.name, pids, err)
		}
	}
}

// Every client gets ten answers within the window, and no more until it is closed. The sum
// of what the generator processes counted must be exactly that.
func TestWhatTheProcessesCountAddsUp(t *testing.T) {
	const clients, each = 23, 10
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	t.Setenv(controlEnv, control.Addr().String())
	opened, closed := make(chan struct{}), make(chan struct{})
	go func() { // all three generator processes are a second into their windows
		defer close(opened)
		for range 3 {
			c, err := control.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	var answered atomic.Int64
	target := serve(t, func(k int) {
		switch {
		case k == 0: // connects
		case k <= each:
			<-opened
			answered.Add(1)
		default:
			<-closed
		}
	})
	f := fleet(t, spec(hub(t).Link, "generator", 3), target, load.Population{Clients: clients})

	var opens, closes, established int
	var atEnd, shown int64
	var cpu [2]float64
	w, err := f.Run(t.Context(), load.Work{Loop: result.Closed, Length: time.Hour, Requests: clients * each}, load.Hooks{
		Open: func() (err error) { opens++; cpu[0], err = f.CPU(); return err },
		Close: func() (err error) {
			closes++
			atEnd, established = answered.Load(), f.Established()
			cpu[1], err = f.CPU()
			close(closed)
			return err
		},
		Progress: func(_ int, s *load.Interval) { shown += s.Service.TotalCount() },
	})
	if err != nil || len(w.Errors) != 0 {
		t.Fatalf("err %v, errors %v", err, w.Errors)
	}
	const all = clients * each
	if got := w.Whole().Service.TotalCount(); got != all || atEnd != all || shown != all {
		t.Errorf("counted %d, shown %d, the server answered %d; want %d", got, shown, atEnd, all)
	}
	if w.Clients != clients || w.Sum != all || w.Squares != clients*each*each {
		t.Errorf("%d clients with a sum of %v, of squares %v", w.Clients, w.Sum, w.Squares)
	}
	if w.BytesIn != 8*all || w.BytesOut != 8*all {
		t.Errorf("%d bytes in, %d out; want %d", w.BytesIn, w.BytesOut, 8*all)
	}
	var slices int64
	for _, n := range w.Slices {
		slices += n
	}
	if slices > all || w.Length < time.Second || w.Started.IsZero() {
		t.Errorf("%d answers in slices, window %v from %v", slices, w.Length, w.Started)
	}
	if opens != 1 || closes != 1 || established != clients || !(cpu[1] > cpu[0]) || f.Shards() != 3 {
		t.Errorf("opened %d times, closed %d times, %d established at the end, CPU %v, %d shards", opens, closes, established, cpu, f.Shards())
	}
}

// The shares of an open loop add up to one, and the number of due requests follows from
// the rate, however the clients are divided.
func TestTheRateIsSharedOut(t *testing.T) {
	const rate, clients, processes, shards = 500, 7, 3, 5
	s := spec(hub(t).Link, "generator", processes)
	s.Shards = shards
	f := fleet(t, s, serve(t, nil), load.Population{Clients: clients})
	if got := f.Shards(); got != shards {
		t.Errorf("%d shards, want %d", got, shards)
	}
	var seconds []time.Duration
	w, err := f.Run(t.Context(), load.Work{Loop: result.Open, Pace: load.Pace{Rate: rate}, Warmup: 50 * time.Millisecond, Length: 2200 * time.Millisecond}, load.Hooks{
		Second: func(at time.Duration) error { seconds = append(seconds, at); return nil },
	})
	if err != nil || len(w.Errors) != 0 {
		t.Fatalf("err %v, errors %v", err, w.Errors)
	}
	// The first and the last request of each shard may be on either side of an edge.
	if want := rate * w.Length.Seconds(); float64(w.Due) < want-2*shards || float64(w.Due) > want+2*shards {
		t.Errorf("%d were due in %v, want %.0f", w.Due, w.Length, want)
	}
	all := w.Whole()
	if all.Response == nil || all.Lag.TotalCount() != all.Response.TotalCount() || all.Response.TotalCount() != all.Service.TotalCount() {
		t.Errorf("response %v, lag %v", all.Response, all.Lag)
	}
	if len(seconds) != 2 || seconds[0] != time.Second || seconds[1] != 2*time.Second {
		t.Errorf("told of the seconds %v", seconds)
	}
}

func TestShares(t *testing.T) {
	for _, tt := range []struct {
		reason                     string
		clients, active, processes int
	}{
		{"even", 8, 0, 2},
		{"uneven", 7, 0, 3},
		{"some ask", 24_000, 240, 7},
		{"more generator processes than those that ask", 10, 3, 5},
		{"one asks", 1000, 1, 4},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			f := &Fleet{spec: Spec{Processes: tt.processes, Shards: 4}, active: tt.active}
			if f.active == 0 {
				f.active = tt.clients
			}
			f.share(load.Target{}, load.Population{Clients: tt.clients, Active: tt.active, ConnectRate: 100})
			clients, active, shards, share, rate := 0, 0, 0, 0.0, 0.0
			for _, m := range f.members {
				p := m.part.Population
				w := f.workOf(m, load.Work{Loop: result.Open, Pace: load.Pace{Rate: 10}})
				if p.First != clients {
					t.Errorf("%s begins with client %d, want %d", m.name, p.First, clients)
				}
				if p.Active < 0 {
					if w.Loop != "" {
						t.Errorf("%s asks, and none of its clients does", m.name)
					}
				} else {
					if d := w.Pace.Before - share; d < -1e-12 || d > 1e-12 {
						t.Errorf("%s begins %v of an interval late, want %v", m.name, w.Pace.Before, share)
					}
					share += w.Pace.Share
					active += p.Active
				}
				clients += p.Clients
				shards += m.part.Shards
				rate += p.ConnectRate
			}
			if clients != tt.clients || active != f.active || share < 1-1e-12 || share > 1+1e-12 || rate < 99.999 || rate > 100.001 {
				t.Errorf("%d clients, %d active, shares of %v, connect rate %v", clients, active, share, rate)
			}
			if shards != max(4, tt.processes) {
				t.Errorf("%d shards", shards)
			}
		})
	}
}

func TestIdleClientsAreSharedOut(t *testing.T) {
	f := fleet(t, spec(hub(t).Link, "generator", 4), serve(t, nil), load.Population{Clients: 10, Active: 3})
	w, err := f.Run(t.Context(), load.Work{Loop: result.Closed, Length: 100 * time.Millisecond}, load.Hooks{})
	if err != nil || len(w.Errors) != 0 {
		t.Fatalf("err %v, errors %v", err, w.Errors)
	}
	if w.Answered != 7 || w.Clients != 3 {
		t.Errorf("%d idle clients answered, %d asked; want 7 and 3", w.Answered, w.Clients)
	}
}

// The loss of a generator process makes the run fail with an error that names it.
func TestAGeneratorProcessThatIsLost(t *testing.T) {
	for _, tt := range []struct {
		reason string
		signal syscall.Signal
		want   string
	}{
		{"it is killed", syscall.SIGKILL, "exited unexpectedly: it ended with signal: killed"},
		{"it hangs", syscall.SIGSTOP, "has been silent for 3s"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			s := spec(hub(t).Link, "generator", 2)
			s.Timing = Timing{Heartbeat: 20 * time.Millisecond, DeadAfter: 3 * time.Second}
			f := fleet(t, s, serve(t, nil), load.Population{Clients: 4})
			pid := f.members[1].group.Tree().PGID
			closes := 0
			begin := time.Now()
			_, err := f.Run(t.Context(), load.Work{Loop: result.Closed, Length: time.Hour}, load.Hooks{
				Second: func(at time.Duration) error {
					if at > time.Second {
						return nil
					}
					return syscall.Kill(pid, tt.signal)
				},
				Close: func() error { closes++; return nil },
			})
			if want := fmt.Sprintf("generator process 2 of 2 (pid %d) %s", pid, tt.want); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("after %v: err %v, want %q in it", time.Since(begin), err, want)
			}
			if closes != 1 {
				t.Errorf("closed %d times", closes)
			}
		})
	}
}

func TestAGeneratorProcessThatDisagrees(t *testing.T) {
	target := serve(t, nil)
	t.Run("it is of another version", func(t *testing.T) {
		f, _, err := Connect(t.Context(), spec(hub(t).Link, "other-version", 2), target, load.Population{Clients: 2})
		if err == nil || !strings.Contains(err.Error(), "generator process 2 of 2") || !strings.Contains(err.Error(), `version "another"`) {
			t.Errorf("%v, err %v", f, err)
		}
	})
	for role, want := range map[string]string{
		"miscounting": "sent intervals that do not add up to its window: window &{",
		"failing":     " failed: epoll is broken",
	} {
		t.Run(role, func(t *testing.T) {
			f := fleet(t, spec(hub(t).Link, role, 2), target, load.Population{Clients: 2})
			_, err := f.Run(t.Context(), load.Work{Loop: result.Closed, Length: 100 * time.Millisecond}, load.Hooks{})
			if err == nil || !strings.Contains(err.Error(), "generator process 2 of 2") || !strings.Contains(err.Error(), want) {
				t.Errorf("err %v", err)
			}
		})
	}
}

func TestAGeneratorProcessThatCannotBe(t *testing.T) {
	h := hub(t)
	target := serve(t, nil)
	wrong := h.Link
	wrong.Token = "guessed"
	if _, err := wrong.Dial("nobody"); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("with a wrong token: err %v", err)
	}
	if _, _, err := Connect(t.Context(), spec(wrong, "generator", 2), target, load.Population{Clients: 2}); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("with a wrong token: err %v", err)
	}
	for _, tt := range []struct {
		reason string
		argv   []string
		want   string
	}{
		{"there is no such program", []string{"/no/such/program"}, "start generator process 1 of 2"},
		{"it ends at once: what it printed is shown", []string{"sh", "-c", "echo out of luck; exit 3"}, "out of luck"},
	} {
		s := spec(h.Link, "", 2)
		s.Argv = tt.argv
		if _, _, err := Connect(t.Context(), s, target, load.Population{Clients: 2}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err %v, want %q in it", tt.reason, err, tt.want)
		}
	}
	closed := target
	closed.Addr = "127.0.0.1:1" // nothing listens there
	s := spec(h.Link, "impatient", 2)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Second, errors.New("it was not told that nobody listens"))
	defer cancel()
	if _, how, err := Connect(ctx, s, closed, load.Population{Clients: 2}); err == nil || !strings.Contains(err.Error(), "cannot connect: connect 1 clients") || how.Refused == 0 {
		t.Errorf("err %v, %+v", err, how)
	}
}

// When a coordinator is killed, its generator processes end.
func TestGeneratorProcessesDoNotOutliveTheirCoordinator(t *testing.T) {
	if target := os.Getenv("FLEET_TEST_TARGET"); target != "" {
		h, err := StartHub()
		if err != nil {
			t.Fatal(err)
		}
		f, _, err := Connect(t.Context(), spec(h.Link, "generator", 2), load.Target{Addr: target, Protocol: "echo", Requests: []load.Request{{Workload: "echo", PayloadBytes: 8}}}, load.Population{Clients: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range f.members {
			fmt.Printf("pgid %d\n", m.group.Tree().PGID)
		}
		_, _ = f.Run(t.Context(), load.Work{Loop: result.Closed, Length: time.Hour}, load.Hooks{
			Second: func(time.Duration) error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) },
		})
	}
	out := killed(t, serve(t, nil).Addr)
	var pgids []int
	for line := range strings.Lines(out) {
		var pgid int
		if n, _ := fmt.Sscanf(line, "pgid %d", &pgid); n == 1 {
			pgids = append(pgids, pgid)
		}
	}
	if len(pgids) != 2 {
		t.Fatalf("the coordinator printed %q", out)
	}
	for _, pgid := range pgids {
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			pids, err := host.Tree{PGID: pgid}.PIDs()
			if err != nil {
				t.Fatal(err)
			}
			if len(pids) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%v are still there", pids)
			}
		}
	}
}
