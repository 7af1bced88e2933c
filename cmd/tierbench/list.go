package main

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/table"
)

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
