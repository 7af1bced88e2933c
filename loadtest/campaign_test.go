package loadtest

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// fakeServer uses 0.1 s of user and 0.2 s of system time between any two
// readings of its CPU time, and switches 10 times between any two of those.
type fakeServer struct {
	log      *[]string
	cpu      float64
	switches int64
	threads  int
	conns    int

	socketBytes int64 // 5,000 more at each look

	// If not 0, the server keeps one core busy, and its first reading is delayed by this.
	held  time.Duration
	reads []reading

	// What its clients measure, and what happens meanwhile.
	kinds     []*load.MixPart
	aftermath *load.Aftermath
	slices    []int64
	during    func()

	exited  chan struct{}
	stopErr error
	box     func(result.Usage) *result.Box
	*fakeTarget
}

type reading struct{ called, returned time.Time }

var busySince = time.Now()

var logMu sync.Mutex // an interrupt kills the server from a goroutine of its own

func (s *fakeServer) note(what string) {
	logMu.Lock()
	defer logMu.Unlock()
	*s.log = append(*s.log, what)
}
func (s *fakeServer) CPU() (user, sys float64, at time.Time, err error) {
	if s.held > 0 {
		held := s.held
		if len(s.reads) > 0 {
			held = 0 // at both ends it would cancel
		}
		called, at := time.Now(), time.Now().Add(held/2)
		time.Sleep(held)
		s.reads = append(s.reads, reading{called, time.Now()})
		return at.Sub(busySince).Seconds(), 0, at, nil
	}
	s.cpu++
	return s.cpu * 0.1, s.cpu * 0.2, time.Now(), nil
}
func (s *fakeServer) Usage() (result.Usage, error) {
	s.note("usage")
	return result.Usage{PSSBytes: 1000, Threads: s.threads, Processes: 2, FDs: 7, KernelStackBytes: 16384, PageTableBytes: 4096, SharedBytes: 2000}, nil
}
func (s *fakeServer) CtxSwitches() (int64, error) { s.switches += 10; return s.switches, nil }
func (s *fakeServer) Connections() (Connections, error) {
	s.socketBytes += 5000
	return Connections{Established: s.conns, PerProcess: []int{s.conns}, SocketBytes: s.socketBytes}, nil
}
func (s *fakeServer) Box(u result.Usage) (*result.Box, error) {
	if s.box == nil {
		return nil, nil
	}
	return s.box(u), nil
}
func (s *fakeServer) Exited() <-chan struct{} { return s.exited }
func (s *fakeServer) Stop() error             { s.note("stop"); return s.stopErr }
func (s *fakeServer) Kill() error             { s.note("kill"); return nil }

// fakeClients measure a window of 2.5 s, with 100 answers of 20 ms in it.
type fakeClients struct {
	*fakeServer // for its log
	n           int
	err         error
	hook        func()
	work        []load.Work
}

func (c *fakeClients) Run(_ context.Context, work load.Work, m load.Hooks) (*load.Window, error) {
	c.work = append(c.work, work)
	if work.Loop == "" {
		c.note("hold")
		return &load.Window{Length: work.Length, Answered: int64(c.n)}, errors.Join(m.Open(), m.Close())
	}
	c.note("run")
	if c.hook != nil {
		c.hook()
	}
	w := &load.Window{
		Started: time.Unix(1000, 0), Length: work.Length, Errors: map[string]int64{},
		Clients: 1, Sum: 100, Squares: 10000, Due: 100, Slices: []int64{10, 10, 10, 10, 10, 10, 10, 10, 10, 10},
	}
	w.Mix, w.Aftermath = c.kinds, c.aftermath
	if c.slices != nil {
		w.Slices = c.slices
	}
	during := func() error {
		if c.during != nil {
			c.during()
		}
		return nil
	}
	for i := range 3 {
		s := load.NewInterval(work.Loop)
		for range []int{40, 40, 20}[i] {
			_ = s.Service.RecordValue(int64(20 * time.Millisecond))
			if s.Response != nil {
				_ = s.Response.RecordValue(int64(30 * time.Millisecond))
				_ = s.Lag.RecordValue(int64(10 * time.Millisecond))
			}
		}
		w.Intervals = append(w.Intervals, s)
		m.Progress(i, s)
	}
	return w, errors.Join(m.Open(), during(), m.Second(time.Second), m.Second(2*time.Second), m.Close(), c.err)
}
func (c *fakeClients) Established() int      { return c.n }
func (c *fakeClients) Shards() int           { return 1 }
func (c *fakeClients) CPU() (float64, error) { return c.cpu * 3, nil }
func (c *fakeClients) Close() error          { c.note("close"); return nil }

type fixture struct {
	Campaign
	server  *fakeServer
	clients *fakeClients
	log     []string
	saved   []result.Repeat
	series  []result.Second
	events  []Event
	looks   int // at the counters
}

const config = `
models: [m]
workloads: [{protocol: echo, workload: echo}]
clients: [1]
warmup: 0
duration: 2500ms
repeats: 2
`

func setUp(t *testing.T, config string) *fixture {
	t.Helper()
	cfg, err := plan.Parse("c.yaml", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(cfg, []result.Info{{Name: "m"}}, plan.Limit{Clients: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{}
	f.server = &fakeServer{log: &f.log, threads: 3, conns: 1, exited: make(chan struct{}), fakeTarget: &fakeTarget{}}
	f.clients = &fakeClients{fakeServer: f.server, n: 1}
	f.Campaign = Campaign{
		RunID: "id", Plan: p,
		Counters: func() (Counters, error) {
			f.looks++
			n := int64(f.looks)
			return Counters{
				Trouble: result.Trouble{ListenDrops: 5, SynRetransmits: n / 3}, TimeWait: 7, StolenSec: float64(n), ThrottledSec: float64(n) / 1000,
				Processes: []ProcessCPU{{PID: 1, Name: "idle", Sec: 5}, {PID: 2, Name: "busy", Sec: 1000 * float64(n)}},
			}, nil
		},
		CPUs:  func(plan.Step) (result.CPUs, error) { return result.CPUs{ServerCount: 400, GeneratorCount: 400}, nil },
		Start: func(context.Context, plan.Step) (Server, error) { f.server.note("start"); return f.server, nil },
		Connect: func(context.Context, plan.Step, load.Target) (Clients, *load.Connected, error) {
			f.server.note("connect")
			return f.clients, &load.Connected{Sec: 0.5}, nil
		},
		Save: func(r *result.Repeat, s []result.Second, _ *load.Window, _ Clients) error {
			f.saved = append(f.saved, *r)
			f.series = append(f.series, s...)
			f.server.note("save")
			return nil
		},
		Watch: func(ev Event) { f.events = append(f.events, ev) },
	}
	return f
}

func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }

// A server that keeps one core busy uses as much CPU time as the window is long, however
// late its clocks are read at the ends of the window.
func TestCPUTimeIsTheWindows(t *testing.T) {
	f := setUp(t, config)
	f.server.held = 20 * time.Millisecond
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := f.server.reads // at the opening, twice in the window, at the close
	atLeast, atMost := r[2].returned.Sub(r[1].called), r[3].called.Sub(r[0].returned)
	if used := f.saved[0].Server.CPUUserSec; used < atLeast.Seconds() || used > atMost.Seconds() {
		t.Errorf("%v s, of a window of %v to %v", used, atLeast, atMost)
	}
}

func TestARepeatIsMeasuredStoppedAndSaved(t *testing.T) {
	f := setUp(t, config)
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Each repeat has its own server, which is gone before it is saved.
	once := []string{"start", "usage", "connect", "run", "usage", "usage", "usage", "close", "stop", "save"}
	if want := slices.Concat(once, once); !slices.Equal(f.log, want) {
		t.Errorf("order %q\nwant %q", f.log, want)
	}
	if len(f.saved) != 2 || f.saved[0].Repeat != 1 || f.saved[1].Repeat != 2 {
		t.Fatalf("saved %+v", f.saved)
	}
	r := f.saved[0]
	if r.Gates.Verdict != result.Invalid || r.Gates.Reasons[0].Gate != result.GateLittlesLaw {
		t.Errorf("gates %+v: 40/s of 20 ms are not one client", r.Gates)
	}
	if n := r.Network; n.Connecting.SynRetransmits != 0 || n.Window.SynRetransmits != 1 || n.Window.ListenDrops != 0 || n.TimeWait != 7 {
		t.Errorf("network %+v", n)
	}
	if m := r.Machine; m.StolenSec != 1 || m.ThrottledSec < 0.0009 || m.ThrottledSec > 0.0011 || len(m.Others) != 1 || m.Others[0].Name != "busy" {
		t.Errorf("machine %+v", m)
	}
	if r.Fairness != (result.Fairness{Jain: 1, Mean: 100}) || r.Drift.Slices != 10 || !near(r.Drift.Change, 0) {
		t.Errorf("fairness %+v, drift %+v", r.Fairness, r.Drift)
	}
	// The CPU time is read when the window opens, twice for the series and when it
	// closes. Part of the time used until the last reading is after the window.
	if u := r.Server.CPUUserSec; u <= 0 || u > 0.3 || !near(r.Server.CPUSysSec, 2*u) || r.Server.CtxSwitches != 30 || !near(r.Generator.CPUSec, 6) {
		t.Errorf("cpu %+v, generator %+v", r.Server, r.Generator)
	}
	if r.ThroughputRPS != 40 || !near(float64(int(r.Service.P50*1000)), 20) || r.DurationSec != 2.5 || r.Connect.Sec != 0.5 || r.Request.Workload != "echo" {
		t.Errorf("%+v", r)
	}
	if r.Established != (result.Established{Server: result.Ends{Start: 1, End: 1}, Generator: result.Ends{Start: 1, End: 1}}) {
		t.Errorf("established %+v", r.Established)
	}
	if r.Server.Before.PSSBytes != 1000 || r.Server.Processes != 2 || r.Server.FDs != 7 || r.Server.Threads != 3 {
		t.Errorf("server %+v", r.Server)
	}
	if s := r.Server; s.Before.SocketBytes != 5000 || s.SocketBytes != 15_000 || s.PageTableBytes != 4096 || s.SharedBytes != 2000 || s.Before.SharedBytes != 2000 {
		t.Errorf("memory by kind of %+v", s)
	}
	var requests []int64
	var at []float64
	for _, s := range f.series[:3] {
		requests, at = append(requests, s.Requests), append(at, s.AtSec)
		if s.CPUUserSec <= 0 || !near(s.CPUSysSec, 2*s.CPUUserSec) || s.CtxSwitches != 10 {
			t.Errorf("second %+v", s)
		}
	}
	if !slices.Equal(requests, []int64{40, 40, 20}) || !slices.Equal(at, []float64{1, 2, 2.5}) || f.series[2].IntervalSec != 0.5 {
		t.Errorf("series %v at %v", requests, at)
	}
}

func TestKindsOfAMixAreKept(t *testing.T) {
	f := setUp(t, config)
	h := load.NewHistogram()
	_ = h.RecordValue(int64(time.Second))
	f.server.kinds = []*load.MixPart{{Name: "plaintext", Service: load.NewHistogram()}, {Name: "cpu-5ms", Clients: 3, Service: h, Response: h}}
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	kinds := f.saved[0].Mix
	if len(kinds) != 2 || kinds[0].Workload != "plaintext" || kinds[0].Requests != 0 || kinds[0].Response != nil {
		t.Fatalf("%+v", kinds)
	}
	if k := kinds[1]; k.Clients != 3 || k.Requests != 1 || math.Abs(k.Service.P99-1) > 1e-3 || k.Response == nil || math.Abs(k.Response.Max-1) > 1e-3 {
		t.Errorf("%+v", k)
	}
}

func TestIdleClientsAreHeld(t *testing.T) {
	f := setUp(t, strings.Replace(config, "workload: echo", "workload: idle", 1))
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(f.log, "hold") || slices.Contains(f.log, "run") {
		t.Errorf("order %q", f.log)
	}
	if r := f.saved[0]; r.Gates.Verdict == result.Invalid || r.ThroughputRPS != 0 || r.Idle != 1 || r.Answered != 1 {
		t.Errorf("%+v", r)
	}
}

func TestFailuresAreKeptAndTheCampaignGoesOn(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		reason string
		change func(*fixture)
		want   string
		log    []string
	}{
		{"the server does not start", func(f *fixture) {
			f.Start = func(context.Context, plan.Step) (Server, error) { return nil, boom }
		}, "boom", []string{"save", "save"}},
		{"the clients do not connect", func(f *fixture) {
			f.Connect = func(context.Context, plan.Step, load.Target) (Clients, *load.Connected, error) {
				return nil, &load.Connected{Kind: result.KindPorts}, boom
			}
		}, "boom", []string{"start", "usage", "stop", "save", "start", "usage", "stop", "save"}},
		{"the window fails", func(f *fixture) { f.clients.err = boom }, "boom", nil},
		{"the server ends under load", func(f *fixture) { close(f.server.exited) }, "the server ended while it was measured", nil},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			f := setUp(t, config)
			tt.change(f)
			if err := f.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(f.saved) != 2 {
				t.Fatalf("%d repeats saved, want both", len(f.saved))
			}
			if g := f.saved[0].Gates; g.Verdict != result.Invalid || !strings.Contains(strings.Join(g.Texts(), ";"), tt.want) {
				t.Errorf("gates %+v", g)
			}
			if k := f.saved[0].FailureKind; (k == result.KindPorts) != (tt.reason == "the clients do not connect") {
				t.Errorf("kind of failure %q", k)
			}
			if tt.log != nil && !slices.Equal(f.log, tt.log) {
				t.Errorf("order %q, want %q", f.log, tt.log)
			}
		})
	}
}

func TestABrokenContractIsAWarning(t *testing.T) {
	f := setUp(t, config)
	f.server.stopErr = errors.New("left 2 processes behind")
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	warnings := 0
	for _, ev := range f.events {
		if ev.Warning == "left 2 processes behind" {
			warnings++
		}
	}
	if w := f.saved[0].Warnings; len(w) != 1 || w[0] != "left 2 processes behind" {
		t.Errorf("saved with the warnings %q", w)
	}
	if warnings != 2 {
		t.Errorf("%d warnings", warnings)
	}
}

func TestAnInterruptKillsTheServerAndSavesTheRepeat(t *testing.T) {
	f := setUp(t, config)
	ctx, cancel := context.WithCancel(t.Context())
	f.clients.hook = cancel
	f.clients.err = context.Canceled
	if err := f.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err %v", err)
	}
	if slices.Contains(f.log, "stop") || !slices.Contains(f.log, "kill") {
		t.Errorf("order %q: an interrupted server must be killed", f.log)
	}
	if len(f.saved) != 1 || f.saved[0].FailureKind != result.Interrupted || f.saved[0].Requests != 100 {
		t.Errorf("saved %+v", f.saved)
	}
}

func TestWhatIsDoneIsNotMeasuredAgain(t *testing.T) {
	f := setUp(t, config)
	key := f.Plan.Cells[0].Key
	f.Earlier = []result.Repeat{{Key: key, Repeat: 1}, {Key: key, Repeat: 2, FailureKind: result.Interrupted}}
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.saved) != 1 || f.saved[0].Repeat != 2 {
		t.Errorf("saved %+v", f.saved)
	}
	if diff := cmp.Diff([]int{2, 2}, []int{f.events[0].N, f.events[0].Total}); diff != "" {
		t.Error(diff)
	}
}

func TestASaveThatFailsEndsTheCampaign(t *testing.T) {
	f := setUp(t, config)
	full := errors.New("disk full")
	f.Save = func(*result.Repeat, []result.Second, *load.Window, Clients) error { return full }
	if err := f.Run(t.Context()); !errors.Is(err, full) {
		t.Errorf("err %v", err)
	}
}

func TestManyThreadsAreNotReadEachSecond(t *testing.T) {
	f := setUp(t, config)
	f.server.threads = seriesThreads + 1
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f.series[0].CtxSwitches != -1 || f.saved[0].Server.CtxSwitches != 10 {
		t.Errorf("series %d, window %d", f.series[0].CtxSwitches, f.saved[0].Server.CtxSwitches)
	}
}

func TestAnOpenLoopFollowsTheClosedOne(t *testing.T) {
	f := setUp(t, config+"loop: [closed, open]\nrate: 50%\n")
	f.Ceiling = func(context.Context, plan.Step) (float64, error) { f.server.note("ceiling"); return 1000, nil }
	// The fake breaks Little's law, so its own repeats are invalid, and the throughput
	// is known only from an earlier part of the run.
	f.Earlier = []result.Repeat{
		{Key: f.Plan.Cells[0].Key, Repeat: 7, ThroughputRPS: 30, Gates: result.Gates{Verdict: result.Valid}},
		{Key: f.Plan.Cells[0].Key, Repeat: 8, ThroughputRPS: 90, Gates: result.Gates{Verdict: result.Suspect}},
		{Key: f.Plan.Cells[0].Key, Repeat: 9, ThroughputRPS: 9000, Gates: result.Gates{Verdict: result.Invalid}},
	}
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.saved) != 4 || f.saved[0].Loop != result.Closed || f.saved[1].Loop != result.Open {
		t.Fatalf("saved %+v", f.saved)
	}
	if got := f.clients.work[1].Pace.Rate; got != 30 {
		t.Errorf("asked for %g/s, want half the median of 30 and 90", got)
	}
	r := f.saved[1]
	if r.Response == nil || !near(float64(int(r.Response.P99*1000)), 30) || r.RateRPS != 40 || r.Generator.SendLagP99Sec < 0.009 {
		t.Errorf("%+v", r)
	}
	if f.saved[0].Generator.CeilingRPS != 1000 || r.Generator.CeilingRPS != 0 {
		t.Errorf("ceilings %g and %g", f.saved[0].Generator.CeilingRPS, r.Generator.CeilingRPS)
	}
	if f.series[3].ResponseP99Sec == 0 {
		t.Errorf("series %+v", f.series[3])
	}
	var seconds int
	for _, ev := range f.events {
		if ev.Second != nil {
			seconds++
		}
	}
	if seconds != 12 {
		t.Errorf("told of %d seconds, want 3 for each of 4 repeats", seconds)
	}
}

func TestAFractionOfNothingIsAFailure(t *testing.T) {
	f := setUp(t, config+"loop: [closed, open]\nrate: 50%\n")
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := f.saved[1]; r.Loop != result.Open || !strings.Contains(r.Failure, "no valid repeat of the closed loop has measured it") {
		t.Errorf("%+v", r)
	}
}

// boxConfig is config with a box.
const boxConfig = config + "box: {memory: 64MiB, cpus: 1}\n"

func TestTheBoxOfAServer(t *testing.T) {
	limits := result.Limits{MemoryBytes: 64 << 20, CPUs: 1}
	boom := errors.New("boom")
	for _, tt := range []struct {
		reason  string
		box     result.Box
		err     error // of the window
		failure string
		kind    string
		warned  bool
	}{
		{"it fits", result.Box{By: "cgroup v2", PeakBytes: 60 << 20}, nil, "", "", false},
		{"the kernel killed it", result.Box{By: "cgroup v2", PeakBytes: 64 << 20, OOMKills: 2}, boom, "the server was killed: out of memory in its box of 64 MiB", result.OutOfMemory, false},
		{"and the window did not notice", result.Box{By: "cgroup v1", PeakBytes: 64 << 20, OOMKills: 1}, nil, "the server was killed: out of memory in its box of 64 MiB", result.OutOfMemory, false},
		{"it was refused memory", result.Box{By: "cgroup v1", PeakBytes: 63 << 20}, boom, "boom; the memory of its box of 64 MiB was used up", result.OutOfMemory, false},
		{"it failed for another reason", result.Box{By: "cgroup v1", PeakBytes: 30 << 20}, boom, "boom", "", false},
		{"memory that was full for a time is no failure", result.Box{By: "cgroup v1", PeakBytes: 64 << 20}, nil, "", "", false},
		{"by account, it fits", result.Box{By: result.ByAccount, Why: "no cgroups", PeakBytes: 64 << 20}, nil, "", "", true},
		{"by account, it uses more", result.Box{By: result.ByAccount, Why: "no cgroups", PeakBytes: 70 << 20}, nil, "the server was ended: out of memory in its box of 64 MiB, with 70.0 MiB in use (by account)", result.OutOfMemory, true},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			f := setUp(t, boxConfig)
			f.clients.err = tt.err
			reads := 0
			f.server.box = func(u result.Usage) *result.Box {
				reads++
				b := tt.box
				b.Limits, b.ThrottledSec = limits, float64(reads)
				return &b
			}
			if err := f.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := f.saved[0]
			if r.Failure != tt.failure || r.FailureKind != tt.kind || r.Setting.Box != limits {
				t.Errorf("failure %q (%s), setting %v", r.Failure, r.FailureKind, r.Setting)
			}
			if r.Box == nil || r.Box.By != tt.box.By || r.Box.OOMKills != tt.box.OOMKills {
				t.Fatalf("box %+v", r.Box)
			}
			// It is read before the clients connect, when the window opens, twice in it and at its
			// end, and once more after it.
			if tt.failure == "" && r.Box.ThrottledSec != 3 {
				t.Errorf("throttled for %v s in the window, want 3", r.Box.ThrottledSec)
			}
			if want := "the box 64MiB,1 was kept by account: no cgroups"; slices.Contains(r.Warnings, want) != tt.warned {
				t.Errorf("warnings %q", r.Warnings)
			}
			if killed := slices.Contains(f.log[:slices.Index(f.log, "save")], "kill"); killed != (tt.warned && tt.failure != "") {
				t.Errorf("%q: killed %v", f.log, killed)
			}
		})
	}
}

func TestAServerThatDoesNotStartInItsBox(t *testing.T) {
	f := setUp(t, boxConfig)
	f.Start = func(context.Context, plan.Step) (Server, error) {
		return nil, &StartError{&result.Box{Limits: result.Limits{MemoryBytes: 1 << 20}, By: "cgroup v1", OOMKills: 1}, errors.New("it ended with signal: killed")}
	}
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := f.saved[0]; r.Failure != "the server was killed: out of memory in its box of 1 MiB" || r.FailureKind != result.OutOfMemory {
		t.Errorf("failure %q (%s)", r.Failure, r.FailureKind)
	}
}

// A fault may be there to take all memory.
func TestAFaultInABox(t *testing.T) {
	m := measurement{repeat: &result.Repeat{Fault: &result.Fault{}, Box: &result.Box{OOMKills: 1}}}
	if m.judgeMemory(); m.repeat.Failure != "" {
		t.Errorf("failure %q", m.repeat.Failure)
	}
}
