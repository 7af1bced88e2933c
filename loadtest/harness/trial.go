package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/trial"
)

// trialTimeout is how long a trial may take.
const trialTimeout = 2 * time.Minute

// try tries what the config asks for, after the cells.
func (r *Run) try(ctx context.Context, watch func(trial.Event)) error {
	t := &trial.Runner{
		RunID: r.Record.ID, Plan: r.plan, Save: r.writer.AppendTrial, Earlier: r.trials, Watch: watch,
		Try: func(ctx context.Context, step plan.TrialStep) (map[string]float64, error) {
			return try(ctx, r.harness.Server, step)
		},
	}
	return t.Run(ctx)
}

// try has a program try a step in processes of its own, and reads what it says
// came of it: one JSON object. Nothing of it is left behind.
func try(ctx context.Context, server string, step plan.TrialStep) (map[string]float64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, trialTimeout, fmt.Errorf("not done after %v", trialTimeout))
	defer cancel()
	argv := step.Run
	if len(argv) == 0 {
		argv = []string{server}
	}
	argv = append(slices.Clone(argv), "--trial", step.Name, "--variant", step.Variant)
	if step.Increments > 0 {
		argv = append(argv, "--increments", strconv.Itoa(step.Increments))
	}
	argv = append(argv, "--workers", strconv.Itoa(step.Workers))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel, cmd.WaitDelay = kill, time.Second
	err := cmd.Run()
	if cmd.Process != nil {
		_ = kill() // what it has left behind; usually nothing
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if said := strings.TrimSpace(errOut.String()); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return parseTrial(out.Bytes(), step)
}

// parseTrial reads what the server program printed.
func parseTrial(out []byte, step plan.TrialStep) (map[string]float64, error) {
	var said struct {
		Name    string             `json:"name"`
		Variant string             `json:"variant"`
		Values  map[string]float64 `json:"values"`
	}
	if err := json.Unmarshal(out, &said); err != nil {
		return nil, fmt.Errorf("read what came of it: %w: %.200q", err, out)
	}
	if said.Name != step.Name || said.Variant != step.Variant {
		return nil, fmt.Errorf("asked for %s %s, got %s %s", step.Name, step.Variant, said.Name, said.Variant)
	}
	if len(said.Values) == 0 {
		return nil, fmt.Errorf("nothing came of it: %.200q", out)
	}
	return said.Values, nil
}
