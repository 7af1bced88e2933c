package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tierbench/tierbench/servers/trial"
)

// try runs the trial that f asks for. args are those of this process: its helper processes get them
// too.
func try(ctx context.Context, f flags, args []string, stdout io.Writer) error {
	if f.Trial == "list" {
		for _, t := range trial.Trials {
			if _, err := fmt.Fprintf(stdout, "%-12s %s\n%-12s variants: %s\n", t.Name, t.Doc, "", strings.Join(t.Variants, ", ")); err != nil {
				return err
			}
		}
		return nil
	}
	o := trial.Options{Variant: f.Variant, Increments: f.Increments, Participants: f.Workers, Dir: f.CounterDir}
	t, o, err := trial.Find(f.Trial, o)
	if err != nil {
		return usageError{errors.New("--" + strings.ReplaceAll(err.Error(), "\n", "\n--"))}
	}
	if trial.IsHelper() {
		return t.Help(o, os.Stdin, stdout)
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	o.Command = append([]string{exe}, args...)
	r, err := t.Run(ctx, o)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(r)
}
