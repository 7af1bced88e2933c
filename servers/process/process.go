// Package process is the model of a process for each connection, as the servers had that forked for each client (inetd, the
// CGI of old): the kernel keeps clients apart as it keeps programs apart.
//
// How a connection is waited for: the master accepts it, and hands the descriptor to a worker process over a Unix socket
// (SCM_RIGHTS). The worker blocks in read(2) on it, and has no other connection. When the connection has ended, the worker
// is there for another one (spawn reuse), or ends with it (spawn fresh). The master itself reads nothing from clients.
//
// Who schedules: the kernel, among processes. Each has one processor of Go's (GOMAXPROCS 1), one connection to serve, and
// collects garbage early (GOGC 20) to be small, which no other model does.
//
// What is shared: nothing but the code, which the kernel maps into all of them. Each worker has its own memory, garbage
// collector and interpreter lock, if there is one: nobody else wants it. What one counts in a variable, no other one sees. A
// worker that crashes, or leaks, or is stopped, takes one connection with it.
//
// What it costs: a Go program for each connection. 1.7 MB of memory (PSS) for an idle one, some seventy times what a
// connection costs in package thread, and four or five threads of the kernel's. Starting one takes tens of milliseconds
// on a virtual machine, much of that in the kernel, and they are started one after the other: of a hundred clients that come
// at once the last waits for a hundred starts. The trial start measures one; the server logs its own as it ends. With reuse
// that is paid once for each connection of the largest crowd so far, because idle workers stay; with fresh, each time.
// Go cannot fork: a C or Python program would copy itself and share the pages that neither writes. CPython's own processes
// are measured beside this model.
//
// When to use it: for tens of clients that must not harm each other, or whose code cannot be trusted or leaks. One process
// for each core, which carries as many clients as one pleases, is package prefork.
//
// The limit of connections is what the system lets a user start, and what its memory holds (see limit): at the limit
// new connections are refused. Workers leave stopping to their master: they end when it says so or ends itself, so that
// SIGTERM for the whole group does not end a worker to which a connection is on its way.
package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
	"github.com/tierbench/tierbench/servers/blocking"
	"github.com/tierbench/tierbench/servers/handover"
	"github.com/tierbench/tierbench/servers/worker"
)

// Model is a process for each connection.
var Model = servers.Model{
	Name:  "process",
	Doc:   "a worker process per connection, which a master hands it over a Unix socket: the kernel keeps clients apart",
	Serve: Serve,
}

const (
	// descriptors that a worker takes in the master: its socket, what Go waits for its end with, and the connection that is
	// handed to it.
	descriptors = 3
)

// What a worker says to its master, a byte each.
const (
	isReady = 'r' // it has started
	isIdle  = 'i' // its connection has ended
)

// Serve is the master, and in a process that a master has started it is the worker.
func Serve(ctx context.Context, cfg servers.Config) error {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return err
	}
	if servers.Ordered() {
		return work(cfg)
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program to start workers with: %w", err)
	}
	most, by, err := limit(cfg.MaxConns)
	if err != nil {
		return err
	}
	order, err := servers.Order{Model: "process", LogLevel: cfg.Log.GetLevel().String(), Config: cfg}.Env()
	if err != nil {
		return fmt.Errorf("write the order for workers: %w", err)
	}
	ln, err := blocking.NewListener(cfg)
	if err != nil {
		return err
	}
	defer ln.Close()
	m := &master{
		cfg:     cfg,
		exe:     exe,
		order:   order,
		limiter: admit.Limiter{Max: most, Log: cfg.Log},
		alive:   make(map[*process]struct{}),
		// So that accepting does not wait for starting: what is here has been let in.
		queue: make(chan int, most),
	}
	cfg.Log.Info().Int("processes", most).Str("limited_by", by).Str("spawn", m.spawn()).Msg("a process for each connection")
	cfg.Listening(most)

	stopped := make(chan time.Time, 1)
	stop := context.AfterFunc(ctx, func() {
		now := time.Now()
		by := now.Add(cfg.DrainTimeout / 2) // the rest is for what they have to answer
		m.startBy.Store(&by)
		stopped <- now
		ln.Wake()
	})
	spawned := make(chan struct{})
	go func() {
		// The kernel's death signal comes when the *thread* ends that started the worker, so this one must not end before
		// the process does: it is never unlocked, and the goroutine waits below.
		runtime.LockOSThread()
		m.serveQueue()
		close(spawned)
		select {}
	}()
	err = ln.Each(ctx, cfg.Log, m.accepted, nil)
	ln.Close()
	close(m.queue)
	<-spawned
	begin := time.Now()
	if !stop() {
		begin = <-stopped
	} // else accepting has failed
	m.drain(begin.Add(cfg.DrainTimeout + worker.GraceBeforeKill))
	return err
}

// limit is the number of connections, each of which needs a process, and what says so.
func limit(asked int) (n int, by string, err error) {
	if n, err = admit.Connections(0, 0); err != nil {
		return 0, "", err
	}
	n, by = max(n/descriptors, 1), "RLIMIT_NOFILE of the master"
	if tasks, what := admit.Tasks(workerTasks); tasks/workerTasks < n {
		n, by = max(tasks/workerTasks, 1), what
	}
	if bytes, ok := admit.Memory(); ok && bytes/workerBytes < n {
		n, by = max(bytes/workerBytes, 1), "memory"
	}
	if asked > 0 && asked <= n {
		n, by = asked, "max-conns"
	}
	return n, by, nil
}

// A master accepts connections and has workers serve them.
type master struct {
	cfg     servers.Config
	exe     string
	order   string // for a worker's environment
	limiter admit.Limiter
	queue   chan int // descriptors of connections for which there was no idle worker
	// startBy is until when a worker is started for one of those; nil: the server is not to end yet.
	startBy atomic.Pointer[time.Time]

	mu     sync.Mutex
	alive  map[*process]struct{}
	idle   []*process // the last one is the one that has been idle for the shortest time
	starts starts
	ended  sync.WaitGroup // of the workers
	short  bool           // a worker could not be started

	stopping bool // no connection is given to a worker any more
}

// starts sums up what it took until workers were ready.
type starts struct {
	n        int
	sum, max time.Duration
}

// A process is a worker. Its fields are guarded by master.mu, except for those that do not change.
type process struct {
	cmd     *exec.Cmd
	control *net.UnixConn
	since   time.Time
	busy    bool
}

func (m *master) spawn() string {
	if m.cfg.Spawn == "" {
		return servers.SpawnReuse
	}
	return m.cfg.Spawn
}

// accepted takes in a connection that has just come.
func (m *master) accepted(fd int) {
	if !m.limiter.TryAcquire() {
		blocking.Reset(fd)
		return
	}
	if !m.reuse(fd) {
		m.queue <- fd
	}
}

// serveQueue serves what is in the queue until that is closed and empty, or there is no time left to.
func (m *master) serveQueue() {
	for fd := range m.queue {
		if by := m.startBy.Load(); by != nil && time.Now().After(*by) {
			blocking.Reset(fd) // as any model does with what it cannot serve any more
			m.limiter.Release()
			continue
		}
		m.serve(fd)
	}
}

// serve has a connection served by an idle worker, if there is one by now, or by a new one.
func (m *master) serve(fd int) {
	if m.reuse(fd) {
		return
	}
	w, err := m.start()
	if err == nil {
		if err = handover.Give(w.control, fd); err == nil {
			_ = unix.Close(fd)
		}
		go m.watch(w)
	}
	m.mu.Lock()
	first := err != nil && !m.short
	m.short = err != nil
	m.mu.Unlock()
	if err == nil {
		return
	}
	if first {
		m.cfg.Log.Warn().Err(err).Int("open", m.limiter.Open()).Msg("cannot start a worker: refusing connections for now")
	}
	blocking.Reset(fd)
	if w == nil {
		m.limiter.Release() // else watch does it
	}
}

// reuse gives a connection to an idle worker.
func (m *master) reuse(fd int) bool {
	for {
		m.mu.Lock()
		last := len(m.idle) - 1
		if last < 0 {
			m.mu.Unlock()
			return false
		}
		w := m.idle[last]
		m.idle[last] = nil
		m.idle = m.idle[:last]
		// Under the lock, so that watch never takes a worker that has died while it was idle for one that had this connection.
		// It does not block: the worker has read all that was sent before.
		err := handover.Give(w.control, fd)
		w.busy = err == nil
		m.mu.Unlock()
		if err == nil {
			_ = unix.Close(fd)
			return true
		}
	}
}

// start starts a worker, which counts as busy.
func (m *master) start() (*process, error) {
	since := time.Now()
	ours, theirs, err := handover.Pair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }()
	cmd := worker.Command(m.exe)
	cmd.Env = append(os.Environ(), m.order, "GOMAXPROCS=1", "GOGC="+workerGOGC)
	cmd.ExtraFiles = []*os.File{theirs} // becomes controlFD
	if err := cmd.Start(); err != nil {
		_ = ours.Close()
		return nil, err
	}
	w := &process{cmd: cmd, control: ours, since: since, busy: true}
	m.mu.Lock()
	m.alive[w] = struct{}{}
	m.ended.Add(1)
	m.mu.Unlock()
	return w, nil
}

// watch hears what a worker says, and waits for its end.
func (m *master) watch(w *process) {
	said := make([]byte, 1)
	for {
		if n, err := w.control.Read(said); n == 0 || err != nil {
			break
		}
		switch said[0] {
		case isReady:
			m.ready(time.Since(w.since))
		case isIdle:
			m.mu.Lock()
			w.busy = false
			m.idle = append(m.idle, w)
			m.mu.Unlock()
			m.limiter.Release()
		}
	}
	// The socket's other end is closed only by the worker's end.
	err := w.cmd.Wait()
	m.mu.Lock()
	busy, expected := w.busy, m.stopping && !w.busy
	w.busy = false
	delete(m.alive, w)
	for i, other := range m.idle {
		if other == w {
			m.idle = append(m.idle[:i], m.idle[i+1:]...)
			break
		}
	}
	m.mu.Unlock()
	_ = w.control.Close()
	if err != nil && !expected {
		m.cfg.Log.Info().Int("worker", w.cmd.Process.Pid).Bool("had_connection", busy).Msgf("a worker has ended: %v", err)
	}
	if busy {
		m.limiter.Release()
	}
	m.ended.Done()
}

// ready notes what it took to start a worker.
func (m *master) ready(took time.Duration) {
	m.mu.Lock()
	m.starts.n++
	m.starts.sum += took
	m.starts.max = max(m.starts.max, took)
	m.mu.Unlock()
	m.cfg.Log.Debug().Dur("took_ms", took).Msg("a worker is ready")
}

// drain has all workers end: those that are busy, with what they are at. It returns when they have ended. Those that are
// still there at cut are killed.
func (m *master) drain(cut time.Time) {
	m.mu.Lock()
	for w := range m.alive {
		if w.busy {
			_ = w.control.CloseWrite()
		} else {
			_ = w.cmd.Process.Kill() // which takes a tenth of what it takes to end by itself
		}
	}
	m.stopping = true
	m.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		m.ended.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Until(cut)):
		m.mu.Lock()
		m.cfg.Log.Warn().Int("workers", len(m.alive)).Msg("drain timeout: killing workers")
		for w := range m.alive {
			_ = w.cmd.Process.Kill()
		}
		m.mu.Unlock()
		<-ended
	}
	if s := m.starts; s.n > 0 {
		m.cfg.Log.Info().Int("workers", s.n).Dur("mean_ms", s.sum/time.Duration(s.n)).Dur("max_ms", s.max).Msg("workers were started")
	}
}
