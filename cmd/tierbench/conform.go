package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/conform"
	"github.com/tierbench/tierbench/loadtest/harness"
)

type conformCmd struct {
	Protocol string        `default:"http" enum:"http,echo,both" placeholder:"NAME" help:"The protocol to test: http, echo or both. Default: ${default}."`
	Clients  int           `default:"100" placeholder:"N" help:"Number of connections at a time. Default: ${default}."`
	Ready    time.Duration `default:"15s" placeholder:"TIME" help:"Longest wait for the first answer. Default: ${default}."`
	JSON     bool          `name:"json" help:"Print the findings as JSON."`
	Command  []string      `arg:"" optional:"" passthrough:"" name:"command" help:"The command of the server, after --. The placeholders {addr}, {host}, {port}, {protocol} and {cpus} are replaced."`
}

func (c *conformCmd) Help() string {
	return `For example:

    tierbench conform -- ./my-server --listen={addr}

Exit code 0: it keeps the contract; 1: it does not; 2: the command line is wrong.`
}

func (c *conformCmd) Run(e *env) error {
	if len(c.Command) > 0 && c.Command[0] == "--" {
		c.Command = c.Command[1:]
	}
	protocols := []string{c.Protocol}
	if c.Protocol == "both" {
		protocols = []string{"http", "echo"}
	}
	switch err := conform.Testable(c.Command, protocols); {
	case err != nil:
		return usageError(err)
	case c.Clients < 1 || c.Clients > 100_000:
		return usageError(fmt.Errorf("--clients %d: must be 1 to 100000", c.Clients))
	case c.Ready < 100*time.Millisecond || c.Ready > 10*time.Minute:
		return usageError(fmt.Errorf("--ready %v: must be 100ms to 10m", c.Ready))
	}
	var all []conform.Finding
	for _, protocol := range protocols {
		findings, err := conform.Check(e.ctx, protocol, conform.Command(c.Command, c.Ready), conform.Options{Clients: c.Clients})
		if err != nil {
			return harness.ErrInterrupted
		}
		all = append(all, findings...)
		if !c.JSON {
			if err := conform.Write(e.out, findings); err != nil {
				return err
			}
		}
	}
	server := strings.Join(c.Command, " ")
	count := map[string]int{}
	for _, f := range all {
		count[f.Outcome]++
	}
	if c.JSON {
		enc := json.NewEncoder(e.out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(all); err != nil {
			return err
		}
	}
	if n := count[conform.Fail]; n > 0 {
		return fmt.Errorf("%s breaks the contract: %d of %d rules fail", server, n, len(all))
	}
	if !c.JSON {
		fmt.Fprintf(e.out, "%s keeps the contract: %d rules pass, %d are absent\n", server, count[conform.Pass], count[conform.Absent])
	}
	return nil
}
