package main

import (
	"fmt"

	"github.com/tierbench/tierbench/loadtest/live"
	"github.com/tierbench/tierbench/loadtest/result"
)

type schemaCmd struct {
	Events bool `help:"Print the schema of the lines of tierbench run --json instead."`
}

// Help is an example for --help.
func (c *schemaCmd) Help() string {
	return "A run.json is #/$defs/Run, a line of cells.jsonl #/$defs/Repeat, of series.jsonl #/$defs/Second.\n\n" +
		"Example:\n\n    tierbench schema >record.schema.json"
}

func (c *schemaCmd) Run(e *env) error {
	schema := result.JSONSchema
	if c.Events {
		schema = live.EventSchema
	}
	if _, err := e.out.Write(schema); err != nil {
		return fmt.Errorf("write schema: %w", err)
	}
	return nil
}
