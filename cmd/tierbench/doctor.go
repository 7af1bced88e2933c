package main

import (
	"github.com/tierbench/tierbench/loadtest/doctor"
	"github.com/tierbench/tierbench/loadtest/host"
)

type doctorCmd struct{}

// Help is an example for --help.
func (c *doctorCmd) Help() string { return "Example:\n\n    tierbench doctor" }

func (c *doctorCmd) Run(e *env) error {
	doctor.Write(e.out, host.ReadCapacity("/proc"))
	return nil
}
