// Package prefork is the model of the classic Unix server: a fixed number of worker processes.
//
// How a connection is waited for: each worker has a listening socket of its own on the same port (SO_REUSEPORT), and the
// kernel deals new connections out by a hash of their addresses. Inside, each worker is a goroutine server (package
// goroutine) with GOMAXPROCS 1: one core's worth of it.
//
// Who schedules: the kernel schedules the processes, and Go's runtime the connections within one. A connection stays with
// its worker, however busy that is and however idle the others: ten connections on eight workers leave about two of them
// without any, while thousands spread evenly.
//
// What is shared: nothing but the port. Each worker has its own memory and its own garbage collector, so no core waits for
// another one's lock or cache line, and a worker that crashes takes only its own connections with it.
//
// What it costs: a Go runtime for each worker (some megabytes), a connection costs what it costs in package goroutine,
// and state cannot be shared between requests without leaving the process.
//
// When to use it: where one process does not scale over the cores, or must not be the only one. It is *not* the process
// for each connection that a fork-and-forget server has.
//
// The master holds no connection. It is fasthttp's prefork, which starts the workers and starts them again when they die;
// this package adds what that leaves open: it stops the workers when it is stopped, delays a worker that keeps dying,
// ends with an error when the address cannot be bound, and has the kernel end the workers if it is killed itself.
package prefork

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	fasthttp "github.com/valyala/fasthttp/prefork"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/goroutine"
	"github.com/tierbench/tierbench/servers/listen"
)

// Model is a worker process per core.
var Model = servers.Model{
	Name:      "prefork",
	Processes: servers.PerCore,
	Doc:       "a worker process per core, each with its own SO_REUSEPORT socket, memory and garbage collector; goroutines inside",
	Serve:     Serve,
}

const (
	// childEnv marks a worker for fasthttp, which looks at it in IsChild.
	childEnv = "FASTHTTP_PREFORK_CHILD=1"
	delayEnv = "TIERBENCH_PREFORK_DELAY"

	// reportFD is where a worker finds the pipe on which it tells its master why it cannot listen: starting it again would
	// not help.
	reportFD = 3

	// A worker process that lived for healthy is not one that keeps dying.
	healthy    = 10 * time.Second
	firstDelay = 50 * time.Millisecond
	maxDelay   = time.Second

	// graceBeforeKill is what a worker gets beyond its drain timeout before the master kills it.
	graceBeforeKill = 500 * time.Millisecond
)

// Serve is the master, and in a process that a master has started it is the worker.
func Serve(ctx context.Context, cfg servers.Config) error {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return err
	}
	if fasthttp.IsChild() {
		return work(ctx, cfg)
	}
	return newMaster(cfg, &fasthttp.Prefork{
		Network:   "tcp",
		Reuseport: true,
		Logger:    libraryLog{cfg.Log, ctx},
		// It counts over a lifetime, however long: no number of crashes ends this server.
		RecoverThreshold: math.MaxInt,
	}).run(ctx)
}

// work serves in a worker process. It does without the library, whose listener accepts nobody before the first byte
// (TCP_DEFER_ACCEPT), unlike that of any other model.
func work(ctx context.Context, cfg servers.Config) error {
	report := os.NewFile(reportFD, "report")
	defer func() { _ = report.Close() }()
	exitWithMaster()
	if d, err := time.ParseDuration(os.Getenv(delayEnv)); err == nil && d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return nil
		}
	}
	runtime.GOMAXPROCS(1) // a worker is one core's worth of server
	cfg.SharePort = true
	listens := false
	cfg.Ready = func() { listens = true }
	err := goroutine.Serve(ctx, cfg)
	if err != nil && !listens {
		err = fmt.Errorf("worker cannot listen on %s: %w", cfg.Addr, err)
		_, _ = fmt.Fprintln(report, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	return err
}

// A master starts the workers and stops them.
type master struct {
	cfg     servers.Config
	lib     *fasthttp.Prefork
	workers int

	mu       sync.Mutex
	stopping bool
	failure  error               // why, if not because it was asked to
	alive    map[int]*os.Process // by pid
	restarts backoff
}

var errStopping = errors.New("stopping")

func newMaster(cfg servers.Config, lib *fasthttp.Prefork) *master {
	m := &master{cfg: cfg, lib: lib, workers: cfg.Workers, alive: make(map[int]*os.Process)}
	if m.workers == 0 {
		m.workers = runtime.NumCPU()
	}
	m.restarts.workers = m.workers
	lib.CommandProducer = m.start
	lib.ShutdownGracePeriod = cfg.DrainTimeout + graceBeforeKill
	return m
}

func (m *master) run(ctx context.Context) error {
	if err := listen.Exclusive(m.cfg.Addr); err != nil {
		return err
	}

	// The library starts as many workers as GOMAXPROCS, which matters to nothing else in the master.
	runtime.GOMAXPROCS(m.workers)
	// The kernel's death signal comes when the *thread* ends that started the worker, so it must not end before.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	stop := context.AfterFunc(ctx, func() { m.stop(nil) })
	defer stop()
	m.cfg.Log.Info().Str("addr", m.cfg.Addr).Int("workers", m.workers).Msg("starting workers")
	err := m.lib.ListenAndServe(m.cfg.Addr)

	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure != nil {
		return m.failure
	}
	if m.stopping && errors.Is(err, errStopping) {
		return nil
	}
	return err
}

// stop asks all workers to drain; no new one is started. The library's loop sees it when the first of them ends.
func (m *master) stop(failure error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return
	}
	m.stopping = true
	m.failure = failure
	for _, p := range m.alive {
		_ = p.Signal(syscall.SIGTERM)
	}
}

// start starts a worker. The library calls it for the first ones and after each exit.
func (m *master) start([]*os.File) (*exec.Cmd, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return nil, errStopping
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	delay := m.restarts.next(time.Now())
	cmd := exec.Command(exe, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), childEnv, delayEnv+"="+delay.String())
	cmd.ExtraFiles = []*os.File{w} // becomes reportFD
	setDeathSignal(cmd)
	err = cmd.Start()
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	m.alive[cmd.Process.Pid] = cmd.Process
	go m.watch(r, cmd.Process)
	return cmd, nil
}

// watch reads why a worker cannot listen, if so, and waits for its end.
func (m *master) watch(r *os.File, worker *os.Process) {
	defer func() { _ = r.Close() }()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m.stop(errors.New(lines.Text()))
	}
	// The pipe's other end is closed only by the worker's end.
	m.mu.Lock()
	if m.alive[worker.Pid] == worker { // else the pid has been given to a newer one
		delete(m.alive, worker.Pid)
	}
	m.mu.Unlock()
}

// A backoff says how long a new worker has to wait before it listens, so that one that dies of what it does first does not
// keep a core busy with dying. The wait is the worker's: the library's loop must not sleep.
type backoff struct {
	workers int
	starts  int
	recent  []time.Time // of restarts, not older than healthy
}

// next is called at each start. As many restarts as there are workers are immediate: each of them may die once.
func (b *backoff) next(now time.Time) time.Duration {
	b.starts++
	if b.starts <= b.workers {
		return 0
	}
	old := 0
	for old < len(b.recent) && now.Sub(b.recent[old]) > healthy {
		old++
	}
	b.recent = append(b.recent[old:], now)
	extra := len(b.recent) - b.workers
	if extra <= 0 {
		return 0
	}
	return min(firstDelay<<min(extra-1, 10), maxDelay)
}

// libraryLog passes on what the library says: that a worker has ended is of interest, but no error of this process, and
// while the server stops it is no news.
type libraryLog struct {
	zerolog.Logger
	ctx context.Context // done when the server stops
}

func (l libraryLog) Printf(format string, args ...any) {
	if l.ctx.Err() != nil {
		l.Debug().Msgf(format, args...)
		return
	}
	l.Info().Msgf(format, args...)
}
