// Package prefork is the model of the classic Unix server: a fixed number of worker processes, each
// of which serves with one of the other models: goroutines (prefork), threads (prefork-thread), an
// event loop (prefork-eventloop), or one connection at a time (prefork-sequential).
//
// How a connection is waited for: each worker has its own listening socket on the same port
// (SO_REUSEPORT), and the kernel distributes new connections by a hash of their addresses. Each
// worker waits as its model does. The goroutine server has GOMAXPROCS 1, so that it uses one core.
// The workers of prefork-sequential share one socket and one queue instead. Each takes its next
// connection when it is free; a new connection wakes all free workers, and one gets it.
//
// Who schedules: the kernel schedules the processes, and the model schedules the connections of a
// process. A connection stays with its worker, even if that is busy and others are idle: ten
// connections on eight workers leave about two workers without any, while thousands spread evenly.
//
// What is shared: only the port. Each worker has its own memory and garbage collector, so no core
// waits for a lock or a cache line of another, and a worker that crashes loses only its own
// connections.
//
// What it costs: a Go runtime for each worker (some megabytes). A connection costs the same as in
// the model that the workers use. Requests can share state only outside of their process.
//
// When to use it: where one process does not scale over the cores, or must not be the only one:
// with event loops, because each uses one core, or with any model, so that a crash loses only some
// of the clients. It is *not* the process for each connection of a server that forks for each
// client (package process).
//
// The master has no connections. It is fasthttp's prefork, which starts the workers and replaces
// those that die. This package adds to it: the master stops the workers when it is stopped, delays
// a worker that keeps dying, ends with an error if the address cannot be bound, and has the kernel
// kill the workers if it is killed itself.
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

// The models with worker processes.
var (
	// Model is a worker process per core, with goroutines inside.
	Model = servers.Model{
		Name:      "prefork",
		Processes: servers.PerCore,
		Doc:       "a worker process per core, each with its own SO_REUSEPORT socket, memory and garbage collector; goroutines inside",
		// A worker uses one core.
		Serve: mix{serve: goroutine.Serve, processors: 1}.Serve,
	}
	// OverThread has a kernel thread for each connection. The kernel spreads the threads of a
	// worker over all cores.
	OverThread = servers.Model{
		Name:      "prefork-thread",
		Processes: servers.PerCore,
		Doc:       "a worker process per core, each with its own SO_REUSEPORT socket and memory; a kernel thread per connection inside",
		Serve:     mix{serve: thread.Serve}.Serve,
	}
	// OverEventLoop has an event loop in each worker: this is how such servers use all cores.
	OverEventLoop = servers.Model{
		Name:      "prefork-eventloop",
		Processes: servers.PerCore,
		Doc:       "a worker process per core, each with its own SO_REUSEPORT socket and memory; one event loop inside, by gnet",
		Offloads:  eventloop.Model.Offloads,
		Serve:     mix{serve: eventloop.Model.Serve}.Serve,
	}
	// OverSequential is the classic pool. Its workers share one listening socket: a free worker
	// takes the next connection. If a hash distributed the connections, some would wait for a busy
	// worker while another is idle.
	OverSequential = servers.Model{
		Name:       "prefork-sequential",
		Processes:  servers.PerCore,
		Doc:        "a worker process per core, which share a listening socket; each serves one connection at a time and closes it",
		ClosesEach: true,
		Serve:      mix{serve: sequential.Serve, sharedSocket: true}.Serve,
	}
)

// A mix is what the workers run.
type mix struct {
	serve        func(context.Context, servers.Config) error
	processors   int  // GOMAXPROCS; 0: as the model sets it
	sharedSocket bool // all workers share one listening socket
}

const (
	// childEnv marks a worker for IsChild of fasthttp.
	childEnv = "FASTHTTP_PREFORK_CHILD=1"
	delayEnv = "TIERBENCH_PREFORK_DELAY"

	// reportFD is the pipe on which a worker reports to its master why it cannot listen. Then it
	// would not help to start it again.
	reportFD = 3
	// listenerFD is the listening socket, if all workers share it.
	listenerFD = 4

	// A worker that has lived for healthy does not keep dying.
	healthy    = 10 * time.Second
	firstDelay = 50 * time.Millisecond
	maxDelay   = time.Second
)

// Serve is the master. In a process that a master has started it is the worker.
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
		// It counts over the whole lifetime, and no number of crashes should end this server.
		RecoverThreshold: math.MaxInt,
	}).run(ctx)
}

// work serves in a worker process. It does not use the library's listener, which accepts a
// connection only at its first byte (TCP_DEFER_ACCEPT), unlike all other models.
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
	failure  error               // why it stops; nil: it was asked to
	socket   *os.File            // that all workers share; nil: each opens one
	alive    map[int]*os.Process // by pid
	restarts backoff
}

var errStopping = errors.New("stopping")

func newMaster(cfg servers.Config, x mix, lib *fasthttp.Prefork) *master {
	m := &master{cfg: cfg, mix: x, lib: lib, workers: cfg.Workers, alive: make(map[int]*os.Process)}
	if m.workers == 0 {
		m.workers = runtime.GOMAXPROCS(0) // which respects a CPU quota
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

	// The library starts GOMAXPROCS workers. Nothing else in the master depends on it.
	runtime.GOMAXPROCS(m.workers)
	// The kernel sends the death signal when the *thread* ends that has started the worker: see
	// worker.Command.
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

// bind opens the socket that all workers share, or makes sure that no other process listens on the
// port.
func (m *master) bind() error {
	if !m.mix.sharedSocket {
		return listen.Exclusive(m.cfg.Addr)
	}
	ln, err := listen.TCP(m.cfg)
	if err != nil {
		return err
	}
	defer func() { _ = ln.Close() }() // the duplicate still listens
	m.socket, err = ln.File()
	return err
}

// stop asks all workers to drain, and starts no new ones. The library sees it when the first worker
// ends.
func (m *master) stop(failure error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return
	}
	m.stopping = true
	m.failure = failure
	if m.socket != nil {
		_ = m.socket.Close() // the port closes with the last worker, which first empties the queue
	}
	for _, p := range m.alive {
		_ = p.Signal(syscall.SIGTERM)
	}
	// The library kills late workers only after the first has ended. A stopped or stuck worker
	// never ends by itself.
	time.AfterFunc(m.cfg.DrainTimeout+worker.GraceBeforeKill, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, p := range m.alive {
			_ = p.Kill()
		}
	})
}

// start starts a worker. The library calls it at first and after each exit of a worker.
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

// watch reads whether a worker cannot listen, and waits for its end.
func (m *master) watch(r *os.File, p *os.Process) {
	defer func() { _ = r.Close() }()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m.stop(errors.New(lines.Text()))
	}
	// The other end of the pipe is closed when the worker ends.
	m.mu.Lock()
	if m.alive[p.Pid] == p { // else a newer worker has the pid
		delete(m.alive, p.Pid)
	}
	m.mu.Unlock()
}

// A backoff delays a new worker before it listens, so that a worker that dies at its start does not
// keep a core busy. The worker itself waits, because the library's loop must not sleep.
type backoff struct {
	workers int
	starts  int
	recent  []time.Time // of restarts, not older than healthy
}

// next returns the delay of a start that happens now. Each worker may die once without a delay.
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

// libraryLog logs the messages of the library. That a worker has ended is not an error of this
// process, and is expected while the server stops.
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
