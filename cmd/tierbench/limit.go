package main

import (
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// hostLimit is the most clients that this host can hold. The generator may have
// as many processes as it takes, so that the server's processes bound them, and
// the machine.
func hostLimit() plan.Limit { return limitOf(host.ReadCapacity(procRoot)) }

func limitOf(c host.Capacity) plan.Limit {
	machine := c.MaxClients()
	say := func(b host.Bound) (int64, string) {
		return b.Clients, b.What + ": " + b.Why + "; see tierbench doctor"
	}
	limit := plan.Limit{Of: func(m result.Info, e *plan.Experiment) (int64, string) {
		b := machine
		if n := processesOf(m, e, c.Cores); n > 0 {
			b = host.Least(b, c.Server(n))
		}
		for _, g := range e.Generators {
			if g != plan.Vegeta { // a peer is one process
				b = host.Least(b, c.PerProcess())
			}
		}
		return say(b)
	}}
	limit.Clients, limit.Why = say(machine)
	return limit
}

// processesOf is how many processes share a server's connections in an
// experiment; 0 is not known.
func processesOf(m result.Info, e *plan.Experiment, cores int) int {
	if m.Processes != result.PerCore {
		return m.Processes
	}
	for i, arg := range e.ServerArgs {
		name, value, joined := strings.Cut(arg, "=")
		if !joined && i+1 < len(e.ServerArgs) {
			value = e.ServerArgs[i+1]
		}
		if n, err := strconv.Atoi(value); name == "--workers" && err == nil && n > 0 {
			return n
		}
	}
	if set, err := host.ParseCPUs(e.CPUs.Server); err == nil {
		return len(set)
	}
	return cores
}
