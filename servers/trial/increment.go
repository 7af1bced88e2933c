package trial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/counter"
)

// increment is the price of shared state, and whether it is right.
var increment = Trial{
	Name: "increment",
	Doc:  "--workers threads, or processes where the counter is theirs, each add 1 --increments times: what does one cost, and is the sum right?",
	run: func(ctx context.Context, o Options) (map[string]float64, error) {
		kind, c, release, err := open(o)
		if err != nil {
			return nil, err
		}
		defer release()

		var busy, took time.Duration // of all workers, and of the clock
		if kind.Processes {
			busy, took, err = processes(ctx, o)
		} else {
			begin := time.Now()
			busy, err = inThreads(o, c)
			took = time.Since(begin)
		}
		if err != nil {
			return nil, err
		}
		cell := c.Cell()
		defer cell.Release()
		got, err := cell.Value() // it comes after all that is still on its way to an owner
		if err != nil {
			return nil, err
		}
		want := int64(o.Workers) * int64(o.Increments)
		exact := 0.0
		if got == want {
			exact = 1
		}
		return map[string]float64{
			"increment_sec":      busy.Seconds() / float64(want), // of its worker's time
			"increments_per_sec": float64(want) / took.Seconds(), // of all workers
			"workers":            float64(o.Workers),
			"want":               float64(want),
			"got":                float64(got),
			"exact":              exact,
		}, nil
	},
	work:     addWhenTold,
	Variants: counter.Names(),
	// From nanoseconds to tens of microseconds each: some tenths of a second in all.
	increments: map[string]int{"": 5_000_000, "mutex": 2_000_000, "owner": 500_000, "pipe": 100_000, "flock": 10_000},
}

// open opens the counter of o. The one that loses increments is bare here: what is measured is its price.
func open(o Options) (counter.Kind, servers.Counter, func(), error) {
	kind, err := counter.Find(o.Variant)
	if err != nil {
		return kind, nil, nil, err
	}
	if kind.Name == "none" {
		return kind, counter.Bare(), func() {}, nil
	}
	c, release, err := kind.Open(o.Dir)
	return kind, c, release, err
}

// add is one worker's work.
func add(c servers.Counter, times int) (time.Duration, error) {
	cell := c.Cell()
	defer cell.Release()
	begin := time.Now()
	for range times {
		if err := cell.Add(); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

func inThreads(o Options, c servers.Counter) (busy time.Duration, err error) {
	took := make([]time.Duration, o.Workers)
	errs := make([]error, o.Workers)
	threads(o.Workers, func(i int) { took[i], errs[i] = add(c, o.Increments) })
	for _, d := range took {
		busy += d
	}
	return busy, errors.Join(errs...)
}

// addWhenTold is what a worker process does: it says that it is ready, waits for the word, adds, and says how long that took.
func addWhenTold(o Options, in io.Reader, out io.Writer) error {
	_, c, release, err := open(o)
	if err != nil {
		return err
	}
	defer release()
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return fmt.Errorf("wait for the word to begin: %w", err)
	}
	took, err := add(c, o.Increments)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, took.Nanoseconds())
	return err
}

// processes starts o.Workers processes, lets them begin together, and returns how long they were busy in all, and how long it
// took until the last was done. That they end, too, is no part of it.
func processes(ctx context.Context, o Options) (busy, took time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx) // ends all when one fails
	defer cancel()
	type worker struct {
		cmd  *exec.Cmd
		word io.WriteCloser
		says *bufio.Reader
	}
	var workers []worker
	var stop sync.Once
	end := func() { // waits for all, once
		stop.Do(func() {
			for _, w := range workers {
				_ = w.word.Close()
				if waitErr := w.cmd.Wait(); waitErr != nil {
					err = errors.Join(err, fmt.Errorf("worker process: %w", waitErr))
				}
			}
		})
	}
	defer end()
	fail := func(why error) (time.Duration, time.Duration, error) {
		cancel()
		err = why
		end()
		return 0, 0, err
	}
	for range o.Workers {
		cmd := exec.CommandContext(ctx, o.Command[0], o.Command[1:]...)
		cmd.Env = append(os.Environ(), workerEnv+"=1")
		cmd.Stderr = os.Stderr
		word, err := cmd.StdinPipe()
		if err != nil {
			return fail(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return fail(err)
		}
		if err := cmd.Start(); err != nil {
			return fail(fmt.Errorf("start a worker process: %w", err))
		}
		workers = append(workers, worker{cmd, word, bufio.NewReader(out)})
	}
	for _, w := range workers {
		if line, err := w.says.ReadString('\n'); err != nil || line != "ready\n" {
			return fail(fmt.Errorf("a worker process says %q (%v), not that it is ready", line, err))
		}
	}
	begin := time.Now()
	for _, w := range workers {
		if _, err := io.WriteString(w.word, "go\n"); err != nil {
			return fail(err)
		}
	}
	for _, w := range workers {
		line, err := w.says.ReadString('\n')
		ns, parseErr := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err := errors.Join(err, parseErr); err != nil {
			return fail(fmt.Errorf("read how long a worker process took: %w", err))
		}
		busy += time.Duration(ns)
	}
	took = time.Since(begin)
	end()
	return busy, took, err
}
