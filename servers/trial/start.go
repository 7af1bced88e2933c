package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"github.com/tierbench/tierbench/servers/handover"
	"golang.org/x/sys/unix"
)

// start is what a client more costs at first, before anything is served.
var start = Trial{
	Name:     "start",
	Doc:      "what does it take until something runs that serves a client: a new process, an idle one that is handed a descriptor, a thread, a goroutine? --increments of each",
	Variants: []string{"process", "reuse", "thread", "goroutine"},
	// Each some tenths of a second in all.
	increments: map[string]int{"": 1000, "process": 20, "goroutine": 20_000},
	run: func(ctx context.Context, o Options) (map[string]float64, error) {
		var took []time.Duration
		var err error
		switch o.Variant {
		case "thread":
			if o.Increments > mostThreads {
				return nil, fmt.Errorf("--increments %d: must be 1 to %d for threads, which are all there at the end", o.Increments, mostThreads)
			}
			took = startThreads(o.Increments)
		case "process":
			took, err = startProcesses(ctx, o)
		case "reuse":
			took, err = handOver(ctx, o)
		default:
			took = startGoroutines(o.Increments)
		}
		if err != nil {
			return nil, err
		}
		slices.Sort(took)
		return map[string]float64{
			"start_sec": took[len(took)/2].Seconds(), // the median
			"max_sec":   took[len(took)-1].Seconds(),
			"started":   float64(len(took)),
		}, nil
	},
	work: serveDescriptors,
}

// mostThreads is half of what Go lets a program have.
const mostThreads = 5000

// A starter is the master's end of a worker process.
type starter struct {
	cmd     *exec.Cmd
	control *net.UnixConn
}

// startWorker returns when the worker process has said that it is ready.
func startWorker(ctx context.Context, o Options) (w starter, err error) {
	control, theirs, err := handover.Pair()
	if err != nil {
		return w, err
	}
	w.control = control
	w.cmd = exec.CommandContext(ctx, o.Command[0], o.Command[1:]...)
	w.cmd.Env = append(os.Environ(), workerEnv+"=1", "GOMAXPROCS=1") // as the model process has it
	w.cmd.Stdin, w.cmd.Stderr = theirs, os.Stderr
	err = w.cmd.Start()
	_ = theirs.Close() // so that the worker's end is seen
	if err != nil {
		_ = w.control.Close()
		return w, fmt.Errorf("start a worker process: %w", err)
	}
	if err := w.hear(); err != nil {
		return w, errors.Join(err, w.end())
	}
	return w, nil
}

// hear waits for the worker's word.
func (w starter) hear() error {
	if _, err := w.control.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("hear from a worker process: %w", err)
	}
	return nil
}

// end has the worker end, and waits for it.
func (w starter) end() error {
	_ = w.control.Close()
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("worker process: %w", err)
	}
	return nil
}

func startProcesses(ctx context.Context, o Options) (took []time.Duration, err error) {
	for range o.Increments {
		begin := time.Now()
		w, err := startWorker(ctx, o)
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
		if err := w.end(); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// handOver gives a descriptor to a worker process that is idle, until it says that it has it.
func handOver(ctx context.Context, o Options) (took []time.Duration, err error) {
	w, err := startWorker(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	given, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer given.Close()
	for range o.Increments {
		begin := time.Now()
		if err := handover.Give(w.control, int(given.Fd())); err != nil {
			return nil, fmt.Errorf("hand over a descriptor: %w", err)
		}
		if err := w.hear(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// serveDescriptors is the worker process: it says that it is ready, and then of each descriptor that it has it.
func serveDescriptors(_ Options, in io.Reader, _ io.Writer) error {
	f, ok := in.(*os.File)
	if !ok {
		return errors.New("a worker process needs a socket for its standard input")
	}
	control, err := handover.Conn(f)
	if err != nil {
		return err
	}
	defer control.Close()
	if _, err := control.Write([]byte{'r'}); err != nil {
		return fmt.Errorf("say that it is ready: %w", err)
	}
	for {
		fd, err := handover.Take(control)
		if errors.Is(err, io.EOF) {
			return nil // the master has what it wanted to know
		}
		if err != nil {
			return fmt.Errorf("take a descriptor: %w", err)
		}
		_ = unix.Close(fd)
		if _, err := control.Write([]byte{'i'}); err != nil {
			return fmt.Errorf("say that it has the descriptor: %w", err)
		}
	}
}

// startThreads has each goroutine keep its kernel thread to the end, so that the next one needs a new thread.
func startThreads(n int) []time.Duration {
	took := make([]time.Duration, n)
	ran, end := make(chan struct{}), make(chan struct{})
	for i := range took {
		begin := time.Now()
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			ran <- struct{}{}
			<-end
		}()
		<-ran
		took[i] = time.Since(begin)
	}
	close(end)
	return took
}

func startGoroutines(n int) []time.Duration {
	took := make([]time.Duration, n)
	ran, end := make(chan struct{}), make(chan struct{})
	for i := range took {
		begin := time.Now()
		go func() {
			ran <- struct{}{}
			<-end
		}()
		<-ran
		took[i] = time.Since(begin)
	}
	close(end)
	return took
}
