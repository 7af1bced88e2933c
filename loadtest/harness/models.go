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

// answerWithin is how long the server program may take to say what it has.
const answerWithin = 30 * time.Second

// BuiltIn asks the server program for its models. The harness knows of them only
// what it says: the two share no code.
func BuiltIn(ctx context.Context, program string) (models []result.Info, err error) {
	timed, stop := context.WithTimeout(ctx, answerWithin)
	defer stop()
	cmd := exec.CommandContext(timed, program, "--list", "--json")
	cmd.WaitDelay = time.Second // for what it has started in turn and leaves behind
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
		err = errors.New("it names none")
	}
	if err != nil {
		return nil, mistakef("ask %s --list --json for its models: %w; allowed: this project's server program, or one that answers alike", program, err)
	}
	return models, nil
}
