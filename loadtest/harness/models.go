package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/tierbench/tierbench/loadtest/result"
)

// answerWithin is how long the server program may take to list its models.
const answerWithin = 30 * time.Second

// BuiltIn asks the server program for its models. Harness and servers share no code, so
// the harness knows only what the program prints.
func BuiltIn(ctx context.Context, program string) (models []result.Info, err error) {
	timed, stop := context.WithTimeout(ctx, answerWithin)
	defer stop()
	cmd := exec.CommandContext(timed, program, "--list", "--json")
	cmd.WaitDelay = time.Second // in case it leaves a process behind that keeps its output open
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return nil, ErrInterrupted
	case timed.Err() != nil:
		err = fmt.Errorf("no answer within %v", answerWithin)
	case err == nil:
		err = json.Unmarshal(out, &models)
	}
	if err == nil && len(models) == 0 {
		err = errors.New("it lists no model")
	}
	if err != nil {
		return nil, usageErrorf("ask %s --list --json for its models: %w; allowed: this project's server program, or one that prints its models in the same format", program, err)
	}
	return models, nil
}
