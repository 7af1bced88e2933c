package harness

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/fleet"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
)

// AbsentGenerators returns the generators whose program is not installed, each with that
// reason.
func AbsentGenerators(generators []string) map[string]string {
	absent := map[string]string{}
	for _, g := range generators {
		if program := plan.Program(g); program != "" {
			if _, err := exec.LookPath(program); err != nil {
				absent[g] = program + " is not installed"
			}
		}
	}
	return absent
}

// maxProcesses is the most generator processes that a run may have.
const maxProcesses = 1000

// Check checks the options of the load generator, and whether the NATS server can be
// reached. Its errors are UsageErrors.
func (h *Harness) Check() error {
	if h.GeneratorProcesses < 0 || h.GeneratorProcesses > maxProcesses {
		return usageErrorf("--generator-processes %d: allowed: 1 to %d, or 0 for as many as needed", h.GeneratorProcesses, maxProcesses)
	}
	switch {
	case h.Link.URL != "":
		conn, err := h.Link.Dial("tierbench")
		if err != nil {
			return usageErrorf("--nats: %w", err)
		}
		conn.Close()
	case h.Link.Creds != "":
		return usageErrorf("--nats-creds needs --nats, the address of the server that the credentials are for")
	case h.Link.CA != "":
		return usageErrorf("--nats-ca needs --nats, the address of the server that the certificate is for")
	}
	if h.Raw != "" && (h.GeneratorProcesses > 0 || h.Link.URL != "") {
		return usageErrorf("--raw cannot be combined with --generator-processes or --nats; it keeps the requests of a single generator process")
	}
	return nil
}

// divide checks that there are enough generator processes for a plan.
func (h *Harness) divide(p *plan.Plan) error {
	bound := host.ReadCapacity(procRoot).PerProcess()
	h.perProcess = bound.Clients
	for i := range p.Cells {
		c := &p.Cells[i]
		n := h.processes(plan.Step{Cell: c})
		if n > 0 && int64(c.Key.Clients) > int64(n)*bound.Clients {
			return UsageError{p.Config.Errorf("%d clients are more than %d generator processes can have; allowed: --generator-processes %d or more, or 0 (%s)",
				c.Key.Clients, n, h.need(c.Key.Clients), bound.Why)}
		}
		if n > 0 && h.Raw != "" {
			return UsageError{p.Config.Errorf("--raw keeps the requests of a single generator process, but %d clients need %d processes", c.Key.Clients, n)}
		}
	}
	return nil
}

// need returns how many generator processes so many clients need.
func (h *Harness) need(clients int) int {
	return int((int64(clients) + h.perProcess - 1) / h.perProcess)
}

// processes returns how many generator processes drive a step's clients, 0 if this process
// drives them itself.
func (h *Harness) processes(step plan.Step) int {
	need := h.need(step.Key.Clients)
	switch {
	case step.Generator != plan.Vegeta:
		return 0
	case h.GeneratorProcesses > 0:
		return min(h.GeneratorProcesses, step.Key.Clients)
	case h.Link.URL == "" && need <= 1:
		return 0
	}
	return need
}

// link returns the link to the NATS server of the run. It starts a server, if none was
// given.
func (h *Harness) link() (fleet.Link, error) {
	if h.Link.URL != "" {
		return h.Link, nil
	}
	if h.hub == nil {
		hub, err := fleet.StartHub()
		if err != nil {
			return fleet.Link{}, err
		}
		h.hub = hub
	}
	return h.hub.Link, nil
}

// drive opens the clients of a step with the project's own generator.
func (h *Harness) drive(ctx context.Context, step plan.Step, t load.Target, raw bool) (loadtest.Clients, *load.Connected, error) {
	p, n := step.Population(), h.processes(step)
	if n == 0 {
		c, connected, err := attack.Connect(ctx, t, p, attack.Options{Raw: raw, Shards: h.shards(step), AllowRemote: h.AllowRemote})
		if err != nil {
			return nil, connected, err // not a nil *Clients in the interface
		}
		return c, connected, nil
	}
	link, err := h.link()
	if err != nil {
		return nil, nil, err
	}
	// The generator processes inherit the CPUs of this process.
	c, connected, err := fleet.Connect(ctx, fleet.Spec{
		Link: link, Argv: []string{h.Self, "generator"}, Processes: n, Shards: h.shards(step), Version: h.Version, AllowRemote: h.AllowRemote,
	}, t, p)
	if err != nil {
		return nil, connected, err
	}
	return c, connected, nil
}

// ServeGenerator runs a generator process: it carries out the orders of the coordinator
// until ctx is done or the coordinator ends it.
func ServeGenerator(ctx context.Context, link fleet.Link, o fleet.ServeOptions) error {
	if err := tune(); err != nil {
		return err
	}
	conn, err := link.Dial(fmt.Sprintf("tierbench generator %d", o.Number))
	if err != nil {
		return UsageError{err}
	}
	defer conn.Close()
	return fleet.Serve(ctx, conn, o, func(ctx context.Context, p fleet.Part) (fleet.Clients, *load.Connected, error) {
		clients, connected, err := attack.Connect(ctx, p.Target, p.Population, attack.Options{Shards: p.Shards, AllowRemote: p.AllowRemote})
		if err != nil {
			return nil, connected, err
		}
		return clients, connected, nil
	})
}
