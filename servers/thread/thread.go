// Package thread is the model of a kernel thread for each connection, as pthread_create would give
// it.
//
// How a connection is waited for: its thread is blocked in read(2) on a blocking descriptor. There
// is no epoll, no non-blocking mode, no netpoller: the kernel wakes the thread when bytes arrive. A
// handler that waits blocks its thread too, in clock_nanosleep(2), so that waiting and blocking are
// the same here.
//
// Who schedules: the kernel. In Go, a goroutine gets a thread of its own with runtime.LockOSThread.
// It never unlocks it, so that the thread ends with the goroutine. A goroutine in net.Conn.Read
// would have no thread: it is parked on the netpoller, which is the model of package goroutine.
//
// What is shared: the process, its memory and Go's processors. The processors are the difficulty. A
// Go thread runs only while it has a processor (a P; there are GOMAXPROCS of them). It gives the
// processor up in a long system call, and needs one again afterwards. With one processor per core,
// threads that the kernel has woken queue in Go's scheduler, which was not made for that, and some
// starve: on two cores 256 clients got 47,000 answers a second with a p99 of 1.3 s. So GOMAXPROCS
// is raised (see processors) until a thread that wakes finds a free processor, and the kernel alone
// decides which thread runs.
//
// What it costs: a kernel stack of 16 KB and the kernel's data for a thread, Go's own two stacks
// for a thread, and a goroutine with its stack and a read buffer: 21 to 24 KB of the process for an
// idle connection, without the kernel's part. A request costs two system calls, read and write, and
// one switch between threads: fewer calls than any other model. The kernel limits the number of
// threads (kernel.pid_max is 32,768 on most machines).
//
// When to use it: for up to some thousand connections whose handlers block in ways that only a
// thread can (C libraries, disk), where the kernel's fair scheduling between clients is worth its
// memory.
//
// Go ends the process if it cannot start a thread. So the model keeps to a limit well below the
// kernel's (see admit.Tasks). At that limit it refuses new connections, and the existing ones
// continue.
package thread

import (
	"context"
	"runtime"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
	"github.com/tierbench/tierbench/servers/blocking"
)

// Model is a kernel thread for each connection.
var Model = servers.Model{
	Name:      "thread",
	Doc:       "one process, a kernel thread per connection, blocked in read(2): the kernel schedules",
	Processes: 1,
	Serve:     Serve,
}

const (
	// processors is GOMAXPROCS while this model serves: about as many threads as can run at a time,
	// which is far fewer than there are connections. Measured with 16, 256 and 2,000 clients on two
	// cores, the rate and the p99 stay the same from 32 on. Above 128 they get worse: Go's monitor
	// checks every processor each 20 µs, which with 512 of them took an eighth of the time at 2,000
	// clients.
	processors = 64
)

// Serve listens on cfg.Addr and serves until ctx is done.
func Serve(ctx context.Context, cfg servers.Config) error {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return err
	}
	limit, err := admit.Connections(cfg.MaxConns, 0)
	if err != nil {
		return err
	}
	if n, by := admit.Tasks(processors); n < limit {
		cfg.Log.Info().Int("threads", n).Str("limited_by", by).Msg("fewer threads than descriptors")
		limit = n
	}
	ln, err := blocking.NewListener(cfg)
	if err != nil {
		return err
	}
	defer ln.Close()

	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	// One thread for each connection, and Go's own: at most one for each processor and a few.
	admit.AllowThreads(limit + 2*processors + 256)

	limiter := admit.Limiter{Max: limit, Log: cfg.Log}
	conns := blocking.NewConns(cfg)
	cfg.Listening(limit)

	stop := context.AfterFunc(ctx, ln.Wake)
	defer stop()
	accepted := make(chan error, 1)
	go func() {
		// Accepting has a thread of its own too, as in the C server with which this is compared.
		runtime.LockOSThread()
		accepted <- ln.Each(ctx, cfg.Log, func(fd int) {
			if !limiter.TryAcquire() {
				blocking.Reset(fd)
				return
			}
			c := conns.Add(fd)
			go func() {
				runtime.LockOSThread() // never unlocked: the thread ends with the connection
				conns.Serve(c)
				limiter.Release()
			}()
		}, nil)
	}()
	err = <-accepted
	ln.Close()
	conns.Drain()
	return err
}
