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

// increment measures what shared state costs, and checks whether it is right.
var increment = Trial{
	Name: "increment",
	Doc:  "--workers threads (or processes, for a counter that processes share) each add 1 --increments times: what does one cost, and is the sum right?",
	run: func(ctx context.Context, o Options) (map[string]float64, error) {
		method, c, release, err := open(o)
		if err != nil {
			return nil, err
		}
		defer release()

		var busy, took time.Duration // the sum over all participants, and by the clock
		if method.Processes {
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
		got, err := cell.Value() // an owner answers after all increments that were sent before
		if err != nil {
			return nil, err
		}
		want := int64(o.Participants) * int64(o.Increments)
		exact := 0.0
		if got == want {
			exact = 1
		}
		return map[string]float64{
			"increment_sec":      busy.Seconds() / float64(want), // of the time of one participant
			"increments_per_sec": float64(want) / took.Seconds(), // of all participants
			"workers":            float64(o.Participants),
			"want":               float64(want),
			"got":                float64(got),
			"exact":              exact,
		}, nil
	},
	help:     addWhenTold,
	Variants: counter.Names(),
	// An increment takes nanoseconds to tens of microseconds; these take some tenths of a second.
	increments: map[string]int{"": 5_000_000, "mutex": 2_000_000, "owner": 500_000, "pipe": 100_000, "flock": 10_000},
}

// open opens the counter of o. The counter that loses increments does nothing in between here: its
// cost is measured, not its loss.
func open(o Options) (counter.Method, servers.Counter, func(), error) {
	method, err := counter.Find(o.Variant)
	if err != nil {
		return method, nil, nil, err
	}
	if method.Name == "none" {
		return method, counter.Bare(), func() {}, nil
	}
	c, release, err := method.Open(o.Dir)
	return method, c, release, err
}

// add is the work of one participant.
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
	took := make([]time.Duration, o.Participants)
	errs := make([]error, o.Participants)
	threads(o.Participants, func(i int) { took[i], errs[i] = add(c, o.Increments) })
	for _, d := range took {
		busy += d
	}
	return busy, errors.Join(errs...)
}

// addWhenTold is what a helper process does: it writes that it is ready, waits for a line, adds,
// and writes how many nanoseconds that took.
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
		return fmt.Errorf("wait for the start: %w", err)
	}
	took, err := add(c, o.Increments)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, took.Nanoseconds())
	return err
}

// processes starts o.Participants helper processes and lets them begin together. It returns the sum
// of the times for which they were busy, and how long it took until the last one was done. Neither
// includes the time in which they start and exit.
func processes(ctx context.Context, o Options) (busy, took time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx) // ends all helpers when one fails
	defer cancel()
	type helper struct {
		cmd *exec.Cmd
		in  io.WriteCloser
		out *bufio.Reader
	}
	var helpers []helper
	var stop sync.Once
	end := func() { // waits for all, once
		stop.Do(func() {
			for _, h := range helpers {
				_ = h.in.Close()
				if waitErr := h.cmd.Wait(); waitErr != nil {
					err = errors.Join(err, fmt.Errorf("helper process: %w", waitErr))
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
	for range o.Participants {
		cmd := exec.CommandContext(ctx, o.Command[0], o.Command[1:]...)
		cmd.Env = append(os.Environ(), helperEnv+"=1")
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err != nil {
			return fail(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return fail(err)
		}
		if err := cmd.Start(); err != nil {
			return fail(fmt.Errorf("start a helper process: %w", err))
		}
		helpers = append(helpers, helper{cmd, in, bufio.NewReader(out)})
	}
	for _, h := range helpers {
		if line, err := h.out.ReadString('\n'); err != nil || line != "ready\n" {
			return fail(fmt.Errorf("a helper process has written %q (%v) instead of ready", line, err))
		}
	}
	begin := time.Now()
	for _, h := range helpers {
		if _, err := io.WriteString(h.in, "go\n"); err != nil {
			return fail(err)
		}
	}
	for _, h := range helpers {
		line, err := h.out.ReadString('\n')
		ns, parseErr := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err := errors.Join(err, parseErr); err != nil {
			return fail(fmt.Errorf("read how long a helper process took: %w", err))
		}
		busy += time.Duration(ns)
	}
	took = time.Since(begin)
	end()
	return busy, took, err
}
