package harness

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
)

// Plan lists the cells of a config that can be measured here. Absent are the servers,
// generators and trials whose program is missing, each with the reason; the plan leaves
// them out. Plan returns a UsageError if no cell is left, or none that an objective
// applies to.
func (h *Harness) Plan(cfg *plan.Config) (p *plan.Plan, absent map[string]string, err error) {
	return h.planWithin(cfg, Limit())
}

func (h *Harness) planWithin(cfg *plan.Config, limit plan.Limit) (p *plan.Plan, absent map[string]string, err error) {
	if p, err = plan.Make(cfg, h.Models, limit); err != nil {
		return nil, nil, err
	}
	absent = AbsentGenerators(p.Generators())
	for _, m := range p.Models {
		maps.Copy(absent, absentProgram(m.Name, m.Command))
	}
	for _, t := range p.Config.Trials {
		maps.Copy(absent, absentProgram(result.AbsentTrial(t.Name), t.Run))
	}
	p.Without(absent)
	var all []string
	for _, name := range slices.Sorted(maps.Keys(absent)) {
		all = append(all, name+" ("+absent[name]+")")
	}
	if len(p.Cells) == 0 {
		return nil, nil, UsageError{cfg.Errorf("there is nothing to measure: %s", strings.Join(all, ", "))}
	}
	// An objective that applies to no cell could be neither met nor missed.
	for i := range cfg.SLOs {
		if !p.Has(&cfg.SLOs[i]) {
			return nil, nil, UsageError{cfg.Errorf("slo[%d]: none of its cells can be measured here: %s", i, strings.Join(all, ", "))}
		}
	}
	return p, absent, nil
}

// absentProgram maps a name to the reason why its command cannot be run. It returns nil if
// it can be run, or if there is no command, which means the server program.
func absentProgram(name string, command []string) map[string]string {
	if len(command) == 0 {
		return nil
	}
	_, err := exec.LookPath(command[0])
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission):
		return map[string]string{name: command[0] + ": not executable"}
	}
	return map[string]string{name: command[0] + ": not found (a path is looked up from the working directory)"}
}

// Limit returns the most clients that this host can carry. The generator can have as many
// processes as it needs, so only the machine and the server's processes limit them.
func Limit() plan.Limit { return limitOf(host.ReadCapacity(procRoot)) }

func limitOf(c host.Capacity) plan.Limit {
	machine := c.MaxClients()
	explain := func(b host.Bound) (int64, string) {
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
		return explain(b)
	}}
	limit.Clients, limit.Why = explain(machine)
	return limit
}

// processesOf returns how many processes share a server's connections in an experiment, 0
// if that is not known.
func processesOf(m result.Info, e *plan.Experiment, cores int) int {
	if m.Processes != result.PerCore {
		return m.Processes
	}
	cores = host.Cores(cores, e.Box.CPUs)
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
		return min(len(set), cores)
	}
	return cores
}
