package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tierbench/tierbench/loadtest/result"
)

// serverFlag finds the program that the built-in models are in. The harness
// knows of them only what it says: the two share no code.
type serverFlag struct {
	Server string `help:"The program with the built-in models. By default the one named server beside this one." placeholder:"FILE" type:"path"`
}

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
		return "", mistake{fmt.Errorf("find the server program: %w (make build puts it there; or name it with --server)", err)}
	}
	return beside, nil
}

// builtin asks the server program for its models.
func (f serverFlag) builtin(ctx context.Context) (path string, models []result.Info, err error) {
	if path, err = f.path(); err != nil {
		return "", nil, err
	}
	out, err := exec.CommandContext(ctx, path, "--list", "--json").Output()
	if ctx.Err() != nil {
		return "", nil, errInterrupted
	}
	if err != nil {
		return "", nil, fmt.Errorf("ask %s for its models: %w", path, err)
	}
	if err := json.Unmarshal(out, &models); err != nil {
		return "", nil, fmt.Errorf("ask %s for its models: %w", path, err)
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
	for _, m := range models {
		fmt.Fprintf(e.out, "%-10s  %s\n", m.Name, m.Doc)
	}
	return nil
}
