package main

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/result"
)

type schemaCmd struct{}

// Help is an example for --help.
func (c *schemaCmd) Help() string {
	return "A run.json is #/$defs/Run, a line of cells.jsonl #/$defs/Repeat, of series.jsonl #/$defs/Second.\n\n" +
		"Example:\n\n    tierbench schema >record.schema.json"
}

func (c *schemaCmd) Run(e *env) error {
	if _, err := e.out.Write(result.JSONSchema); err != nil {
		return fmt.Errorf("write schema: %w", err)
	}
	return nil
}
