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

// try runs the trials of the plan.
func (r *Run) try(ctx context.Context, watch func(trial.Event)) error {
	t := &trial.Runner{
		RunID: r.Record.ID, Plan: r.plan, Save: r.writer.AppendTrial, Earlier: r.trials, Watch: watch,
		Try: func(ctx context.Context, step plan.TrialStep) (map[string]float64, error) {
			return try(ctx, r.harness.Server, step)
		},
	}
	return t.Run(ctx)
}

// try runs the program of a trial and reads its result, one JSON object. It leaves no
// process behind.
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
		_ = kill() // processes that it has left behind
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if text := strings.TrimSpace(errOut.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return parseTrial(out.Bytes(), step)
}

// parseTrial parses the output of a trial's program.
func parseTrial(out []byte, step plan.TrialStep) (map[string]float64, error) {
	var output struct {
		Name    string             `json:"name"`
		Variant string             `json:"variant"`
		Values  map[string]float64 `json:"values"`
	}
	if err := json.Unmarshal(out, &output); err != nil {
		return nil, fmt.Errorf("read the output: %w: %.200q", err, out)
	}
	if output.Name != step.Name || output.Variant != step.Variant {
		return nil, fmt.Errorf("asked for the trial %s %s, but the output is of %s %s", step.Name, step.Variant, output.Name, output.Variant)
	}
	if len(output.Values) == 0 {
		return nil, fmt.Errorf("the output has no values: %.200q", out)
	}
	return output.Values, nil
}
