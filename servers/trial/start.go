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

// start measures what one more client costs before anything is served.
var start = Trial{
	Name:     "start",
	Doc:      "how long does it take until something is ready to serve a client: a new process, an idle one that is given a descriptor, a thread, a goroutine? --increments of each",
	Variants: []string{"process", "reuse", "thread", "goroutine"},
	// Each of these takes some tenths of a second.
	increments: map[string]int{"": 1000, "process": 20, "goroutine": 20_000},
	run: func(ctx context.Context, o Options) (map[string]float64, error) {
		var took []time.Duration
		var err error
		switch o.Variant {
		case "thread":
			if o.Increments > maxThreads {
				return nil, fmt.Errorf("--increments %d: must be 1 to %d for threads, because all of them exist at the end", o.Increments, maxThreads)
			}
			took = startGoroutines(o.Increments, true)
		case "process":
			took, err = startProcesses(ctx, o)
		case "reuse":
			took, err = giveDescriptors(ctx, o)
		default:
			took = startGoroutines(o.Increments, false)
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
	help: takeDescriptors,
}

// maxThreads is half of what Go lets a program have.
const maxThreads = 5000

// A helper is a helper process that has been started, and the socket to it.
type helper struct {
	cmd     *exec.Cmd
	control *net.UnixConn
}

// startHelper returns when the helper process has written that it is ready.
func startHelper(ctx context.Context, o Options) (h helper, err error) {
	control, theirs, err := handover.Pair()
	if err != nil {
		return h, err
	}
	h.control = control
	h.cmd = exec.CommandContext(ctx, o.Command[0], o.Command[1:]...)
	h.cmd.Env = append(os.Environ(), helperEnv+"=1", "GOMAXPROCS=1") // as the model process does
	h.cmd.Stdin, h.cmd.Stderr = theirs, os.Stderr
	err = h.cmd.Start()
	_ = theirs.Close() // so that the end of the helper shows
	if err != nil {
		_ = h.control.Close()
		return h, fmt.Errorf("start a helper process: %w", err)
	}
	if err := h.hear(); err != nil {
		return h, errors.Join(err, h.end())
	}
	return h, nil
}

// hear waits for a byte from the helper.
func (h helper) hear() error {
	if _, err := h.control.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("read from a helper process: %w", err)
	}
	return nil
}

// end makes the helper exit, and waits for it.
func (h helper) end() error {
	_ = h.control.Close()
	if err := h.cmd.Wait(); err != nil {
		return fmt.Errorf("helper process: %w", err)
	}
	return nil
}

func startProcesses(ctx context.Context, o Options) (took []time.Duration, err error) {
	for range o.Increments {
		begin := time.Now()
		h, err := startHelper(ctx, o)
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
		if err := h.end(); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// giveDescriptors measures how long it takes from giving a descriptor to an idle helper process
// until the helper confirms it.
func giveDescriptors(ctx context.Context, o Options) (took []time.Duration, err error) {
	h, err := startHelper(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.end()) }()
	given, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer given.Close()
	for range o.Increments {
		begin := time.Now()
		if err := handover.Give(h.control, int(given.Fd())); err != nil {
			return nil, fmt.Errorf("hand over a descriptor: %w", err)
		}
		if err := h.hear(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// takeDescriptors is the helper process. It writes a byte when it is ready, and one for each
// descriptor.
func takeDescriptors(_ Options, in io.Reader, _ io.Writer) error {
	f, ok := in.(*os.File)
	if !ok {
		return errors.New("a helper process needs a socket for its standard input")
	}
	control, err := handover.Conn(f)
	if err != nil {
		return err
	}
	defer control.Close()
	if _, err := control.Write([]byte{'r'}); err != nil {
		return fmt.Errorf("write that it is ready: %w", err)
	}
	for {
		fd, err := handover.Take(control)
		if errors.Is(err, io.EOF) {
			return nil // the trial is over
		}
		if err != nil {
			return fmt.Errorf("take a descriptor: %w", err)
		}
		_ = unix.Close(fd)
		if _, err := control.Write([]byte{'i'}); err != nil {
			return fmt.Errorf("confirm the descriptor: %w", err)
		}
	}
}

// startGoroutines measures how long it takes until each of n goroutines runs. On kernel threads
// each keeps its thread to the end, so that the next one needs a new thread.
func startGoroutines(n int, kernelThreads bool) []time.Duration {
	took := make([]time.Duration, n)
	ran, end := make(chan struct{}), make(chan struct{})
	for i := range took {
		begin := time.Now()
		go func() {
			if kernelThreads {
				runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			}
			ran <- struct{}{}
			<-end
		}()
		<-ran
		took[i] = time.Since(begin)
	}
	close(end)
	return took
}
