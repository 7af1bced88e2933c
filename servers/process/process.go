// Package process is the model of a process for each connection, like old servers that forked for
// each client (inetd, CGI): the kernel isolates clients as it isolates programs.
//
// How a connection is waited for: the master accepts it, and passes the descriptor to a worker
// process over a Unix socket (SCM_RIGHTS). The worker blocks in read(2) and has no other
// connection. After the connection the worker is ready for another one (spawn reuse), or ends
// (spawn fresh). The master reads nothing from clients.
//
// Who schedules: the kernel, among processes. Each has one of Go's processors (GOMAXPROCS 1),
// serves one connection, and collects garbage early (GOGC 20) to stay small. No other model does
// that.
//
// What is shared: only the code, which the kernel maps into all of them. Each worker has its own
// memory, garbage collector and, if there is one, interpreter lock, for which no other thread
// competes. A variable of one worker is invisible to the others. A worker that crashes, leaks or is
// stopped affects one connection.
//
// What it costs: a Go program for each connection: 1.7 MB of memory (PSS) for an idle one, about
// seventy times the cost of a connection in package thread, and four or five kernel threads.
// Starting a worker takes tens of milliseconds on a virtual machine, much of it in the kernel.
// Workers are started one after the other: if a hundred clients connect at once, the last one waits
// for a hundred starts. The trial start measures one start, and the server logs its starts when it
// ends. With spawn reuse idle workers stay, so that there are as many starts as there were
// connections at a time; with spawn fresh each connection needs one. Go cannot fork: a C or Python
// program would copy itself and share the pages that neither copy writes. Compare this model with
// CPython's own processes, which are measured too.
//
// When to use it: for tens of clients that must not harm each other, or for code that cannot be
// trusted or leaks. A process for each core, which serves any number of clients, is package
// prefork.
//
// The number of connections is limited by the processes that the system lets a user start, and by
// its memory (see limit). At the limit new connections are refused. Workers ignore signals: they
// end when their master tells them to, or ends itself. So SIGTERM for the whole group does not end
// a worker to which a connection is on its way.
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
	Doc:   "a worker process per connection, which gets it from a master over a Unix socket: the kernel isolates clients",
	Serve: Serve,
}

const (
	// descriptors is how many a worker needs in the master: for its socket, for waiting until it
	// ends, and for the connection that is passed to it.
	descriptors = 3
)

// The messages of a worker to its master, a byte each.
const (
	isReady = 'r' // it has started
	isIdle  = 'i' // its connection has ended
)

// Serve is the master. In a process that a master has started it is the worker.
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
		// With room for all that the limiter allows, so that accepting does not wait for starting.
		queue: make(chan int, most),
	}
	cfg.Log.Info().Int("processes", most).Str("limited_by", by).Str("spawn", m.spawn()).Msg("a process for each connection")
	cfg.Listening(most)

	stopped := make(chan time.Time, 1)
	stop := context.AfterFunc(ctx, func() {
		now := time.Now()
		by := now.Add(cfg.DrainTimeout / 2) // the rest is for the answers
		m.startBy.Store(&by)
		stopped <- now
		ln.Wake()
	})
	spawned := make(chan struct{})
	go func() {
		// The kernel sends the death signal when the *thread* ends that has started the worker: see
		// worker.Command. So this thread is never unlocked, and the goroutine waits below.
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

// limit returns how many connections there may be, each with a process, and the name of the limit
// that decides.
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
	// startBy is when workers are no longer started; nil: the server is not stopping.
	startBy atomic.Pointer[time.Time]

	mu     sync.Mutex
	alive  map[*process]struct{}
	idle   []*process // the last one became idle last
	starts starts
	ended  sync.WaitGroup // of the workers
	short  bool           // the last worker could not be started

	stopping bool // workers get no more connections
}

// starts sums up how long workers took until they were ready.
type starts struct {
	n        int
	sum, max time.Duration
}

// A process is a worker. master.mu guards busy; the other fields do not change.
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

// accepted serves a new connection, or queues it.
func (m *master) accepted(fd int) {
	if !m.limiter.TryAcquire() {
		blocking.Reset(fd)
		return
	}
	if !m.reuse(fd) {
		m.queue <- fd
	}
}

// serveQueue serves the connections in the queue until it is closed and empty. After startBy it
// resets them.
func (m *master) serveQueue() {
	for fd := range m.queue {
		if by := m.startBy.Load(); by != nil && time.Now().After(*by) {
			blocking.Reset(fd) // as in all models
			m.limiter.Release()
			continue
		}
		m.serve(fd)
	}
}

// serve gives a connection to an idle worker, if there is one by now, or to a new one.
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

// reuse gives a connection to an idle worker. It returns false if there is none.
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
		// With the lock held: otherwise watch could take a worker that has died idle for one that
		// had this connection. It does not block, because the worker has read everything that was
		// sent before.
		err := handover.Give(w.control, fd)
		w.busy = err == nil
		m.mu.Unlock()
		if err == nil {
			_ = unix.Close(fd)
			return true
		}
	}
}

// start starts a worker, which is busy.
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

// watch reads the messages of a worker, and waits for its end.
func (m *master) watch(w *process) {
	message := make([]byte, 1)
	for {
		if n, err := w.control.Read(message); n == 0 || err != nil {
			break
		}
		switch message[0] {
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
	// The other end of the socket is closed when the worker ends.
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

// ready counts the start of a worker.
func (m *master) ready(took time.Duration) {
	m.mu.Lock()
	m.starts.n++
	m.starts.sum += took
	m.starts.max = max(m.starts.max, took)
	m.mu.Unlock()
	m.cfg.Log.Debug().Dur("took_ms", took).Msg("a worker is ready")
}

// drain ends all workers, the busy ones with their next answer. It returns when they have ended. At
// cut it kills the rest.
func (m *master) drain(cut time.Time) {
	m.mu.Lock()
	for w := range m.alive {
		if w.busy {
			_ = w.control.CloseWrite()
		} else {
			_ = w.cmd.Process.Kill() // ten times as fast as an end of its own
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
