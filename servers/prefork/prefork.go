// Package prefork is the model of the classic Unix server: a fixed number of worker processes, with any of the other models
// inside: goroutines (prefork), threads (prefork-thread), an event loop (prefork-eventloop), or one connection at a time
// (prefork-sequential).
//
// How a connection is waited for: each worker has a listening socket of its own on the same port (SO_REUSEPORT), and the
// kernel deals new connections out by a hash of their addresses. Inside, each worker waits as its model does; the goroutine
// server has GOMAXPROCS 1: one core's worth of it. The workers of prefork-sequential share one socket and one queue instead,
// from which each takes its next connection when it is free; a new connection wakes all that are free, and one gets it.
//
// Who schedules: the kernel schedules the processes, and the model inside the connections of one. A connection stays with
// its worker, however busy that is and however idle the others: ten connections on eight workers leave about two of them
// without any, while thousands spread evenly.
//
// What is shared: nothing but the port. Each worker has its own memory and its own garbage collector, so no core waits for
// another one's lock or cache line, and a worker that crashes takes only its own connections with it.
//
// What it costs: a Go runtime for each worker (some megabytes), a connection costs what it costs in the model inside,
// and state cannot be shared between requests without leaving the process.
//
// When to use it: where one process does not scale over the cores, or must not be the only one: over an event loop, which
// uses one core, or over any model to lose only a part of the clients to a crash. It is *not* the process for each
// connection that a fork-and-forget server has (package process).
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
	"github.com/tierbench/tierbench/servers/eventloop"
	"github.com/tierbench/tierbench/servers/goroutine"
	"github.com/tierbench/tierbench/servers/listen"
	"github.com/tierbench/tierbench/servers/sequential"
	"github.com/tierbench/tierbench/servers/thread"
	"github.com/tierbench/tierbench/servers/worker"
)

// The mixes: processes over each of the other models.
var (
	// Model is a worker process per core, with goroutines inside.
	Model = servers.Model{
		Name:      "prefork",
		Processes: servers.PerCore,
		Doc:       "a worker process per core, each with its own SO_REUSEPORT socket, memory and garbage collector; goroutines inside",
		// A worker is one core's worth of server.
		Serve: mix{serve: goroutine.Serve, processors: 1}.Serve,
	}
	// OverThread has the threads of a worker spread over all cores, as the kernel pleases.
	OverThread = servers.Model{
		Name:      "prefork-thread",
		Processes: servers.PerCore,
		Doc:       "a worker process per core, each with its own SO_REUSEPORT socket and memory; a kernel thread per connection inside",
		Serve:     mix{serve: thread.Serve}.Serve,
	}
	// OverEventLoop is how servers on event loops use all cores.
	OverEventLoop = servers.Model{
		Name:      "prefork-eventloop",
		Processes: servers.PerCore,
		Doc:       "a worker process per core, each with its own SO_REUSEPORT socket and memory; one event loop inside, by gnet",
		Offloads:  eventloop.Model.Offloads,
		Serve:     mix{serve: eventloop.Model.Serve}.Serve,
	}
	// OverSequential is the classic pool. Its workers share one listening socket: whoever is free takes the next connection.
	// Dealt out by a hash, connections would wait for a worker that is busy while another has nothing to do.
	OverSequential = servers.Model{
		Name:       "prefork-sequential",
		Processes:  servers.PerCore,
		Doc:        "a worker process per core, which share a listening socket; each serves one connection at a time and closes it",
		ClosesEach: true,
		Serve:      mix{serve: sequential.Serve, sharedSocket: true}.Serve,
	}
)

// A mix is what the workers do.
type mix struct {
	serve        func(context.Context, servers.Config) error
	processors   int  // GOMAXPROCS; 0: the model inside sets it
	sharedSocket bool // one for all workers, instead of one each
}

const (
	// childEnv marks a worker for fasthttp, which looks at it in IsChild.
	childEnv = "FASTHTTP_PREFORK_CHILD=1"
	delayEnv = "TIERBENCH_PREFORK_DELAY"

	// reportFD is where a worker finds the pipe on which it tells its master why it cannot listen: starting it again would
	// not help.
	reportFD = 3
	// listenerFD is where it finds the listening socket, if there is one for all workers.
	listenerFD = 4

	// A worker process that lived for healthy is not one that keeps dying.
	healthy    = 10 * time.Second
	firstDelay = 50 * time.Millisecond
	maxDelay   = time.Second
)

// Serve is the master, and in a process that a master has started it is the worker.
func (x mix) Serve(ctx context.Context, cfg servers.Config) error {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return err
	}
	if fasthttp.IsChild() {
		return x.work(ctx, cfg)
	}
	return newMaster(cfg, x, &fasthttp.Prefork{
		Network:   "tcp",
		Reuseport: true,
		Logger:    libraryLog{cfg.Log, ctx},
		// It counts over a lifetime, however long: no number of crashes ends this server.
		RecoverThreshold: math.MaxInt,
	}).run(ctx)
}

// work serves in a worker process. It does without the library, whose listener accepts nobody before the first byte
// (TCP_DEFER_ACCEPT), unlike that of any other model.
func (x mix) work(ctx context.Context, cfg servers.Config) error {
	report := os.NewFile(reportFD, "report")
	defer func() { _ = report.Close() }()
	worker.ExitWithMaster()
	if d, err := time.ParseDuration(os.Getenv(delayEnv)); err == nil && d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return nil
		}
	}
	if x.processors > 0 {
		runtime.GOMAXPROCS(x.processors)
	}
	cfg.SharePort = true
	if x.sharedSocket {
		cfg.Listener = os.NewFile(listenerFD, "listener")
		defer func() { _ = cfg.Listener.Close() }()
	}
	listens := false
	cfg.Ready = func() { listens = true }
	err := x.serve(ctx, cfg)
	if err != nil && !listens {
		err = fmt.Errorf("worker cannot listen on %s: %w", cfg.Addr, err)
		_, _ = fmt.Fprintln(report, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	return err
}

// A master starts the workers and stops them.
type master struct {
	cfg     servers.Config
	mix     mix
	lib     *fasthttp.Prefork
	workers int

	mu       sync.Mutex
	stopping bool
	failure  error               // why, if not because it was asked to
	socket   *os.File            // that all workers share; nil: each has its own
	alive    map[int]*os.Process // by pid
	restarts backoff
}

var errStopping = errors.New("stopping")

func newMaster(cfg servers.Config, x mix, lib *fasthttp.Prefork) *master {
	m := &master{cfg: cfg, mix: x, lib: lib, workers: cfg.Workers, alive: make(map[int]*os.Process)}
	if m.workers == 0 {
		m.workers = runtime.NumCPU()
	}
	m.restarts.workers = m.workers
	lib.CommandProducer = m.start
	lib.ShutdownGracePeriod = cfg.DrainTimeout + worker.GraceBeforeKill
	return m
}

func (m *master) run(ctx context.Context) error {
	if err := m.bind(); err != nil {
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

// bind opens the socket that all workers share, or sees to it that they will be alone on the port.
func (m *master) bind() error {
	if !m.mix.sharedSocket {
		return listen.Exclusive(m.cfg.Addr)
	}
	ln, err := listen.TCP(m.cfg)
	if err != nil {
		return err
	}
	defer func() { _ = ln.Close() }() // the duplicate goes on listening
	m.socket, err = ln.File()
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
	if m.socket != nil {
		_ = m.socket.Close() // the port closes with the last worker, who leaves nobody behind in its queue
	}
	for _, p := range m.alive {
		_ = p.Signal(syscall.SIGTERM)
	}
	// The library gives the others their time once one has ended. One that is stopped or stuck never does by itself.
	time.AfterFunc(m.cfg.DrainTimeout+worker.GraceBeforeKill, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, p := range m.alive {
			_ = p.Kill()
		}
	})
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
	cmd := worker.Command(exe, os.Args[1:]...)
	cmd.Env = append(os.Environ(), childEnv, delayEnv+"="+delay.String())
	cmd.ExtraFiles = []*os.File{w} // becomes reportFD
	if m.socket != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, m.socket) // becomes listenerFD
	}
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
func (m *master) watch(r *os.File, p *os.Process) {
	defer func() { _ = r.Close() }()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m.stop(errors.New(lines.Text()))
	}
	// The pipe's other end is closed only by the worker's end.
	m.mu.Lock()
	if m.alive[p.Pid] == p { // else the pid has been given to a newer one
		delete(m.alive, p.Pid)
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
