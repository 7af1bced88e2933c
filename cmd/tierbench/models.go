package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/table"
)

// serverFlag finds the program that the built-in models are in. The harness
// knows of them only what it says: the two share no code.
type serverFlag struct {
	Server string `help:"The program with the built-in models. By default the one named server beside this one." placeholder:"FILE" type:"path"`
}

// answerWithin is how long the program may take to say what it has.
const answerWithin = 30 * time.Second

func (f serverFlag) path() (string, error) {
	if f.Server != "" {
		return f.Server, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the server program: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), "server")
	if _, err := os.Stat(beside); err != nil {
		return "", mistake{fmt.Errorf("find the server program: %w (make build and go install put it there; or name it with --server)", err)}
	}
	return beside, nil
}

// builtin asks the server program for its models.
func (f serverFlag) builtin(ctx context.Context) (path string, models []result.Info, err error) {
	if path, err = f.path(); err != nil {
		return "", nil, err
	}
	timed, stop := context.WithTimeout(ctx, answerWithin)
	defer stop()
	cmd := exec.CommandContext(timed, path, "--list", "--json")
	cmd.WaitDelay = time.Second // for what it has started in turn and leaves behind
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return "", nil, errInterrupted
	case timed.Err() != nil:
		err = fmt.Errorf("no answer within %v", answerWithin)
	case err == nil:
		err = json.Unmarshal(out, &models)
	}
	if err == nil && len(models) == 0 {
		err = errors.New("it names none")
	}
	if err != nil {
		return "", nil, mistake{fmt.Errorf("ask %s --list --json for its models: %w; allowed: this project's server program, or one that answers alike", path, err)}
	}
	return path, models, nil
}

type listCmd struct {
	serverFlag
}

// Help is an example for --help.
func (c *listCmd) Help() string { return "Example:\n\n    tierbench list" }

func (c *listCmd) Run(e *env) error {
	_, models, err := c.builtin(e.ctx)
	if err != nil {
		return err
	}
	t := table.New(table.Left("", ""))
	for _, m := range models {
		t.Row(m.Name, m.Doc)
	}
	fmt.Fprint(e.out, t.Text(0))
	return nil
}
