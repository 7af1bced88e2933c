package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/fleet"
	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
)

// maxWorkers is the most generator processes.
const maxWorkers = 1000

// workersFlag divides the generator into processes.
type workersFlag struct {
	Workers   int    `help:"Generator processes. 0: one, and more where a tier needs more descriptors than one has. Default: ${default}." default:"0" placeholder:"N"`
	NATS      string `name:"nats" help:"Meet the workers on this NATS server instead of one of our own. Several of a cluster are separated by commas." placeholder:"URL"`
	NATSToken string `name:"nats-token" help:"Token for it." env:"TIERBENCH_NATS_TOKEN" placeholder:"TOKEN"`
	NATSCreds string `name:"nats-creds" help:"File with the user credentials for it." placeholder:"FILE" type:"path"`
	NATSCA    string `name:"nats-ca" help:"File with the certificate of the authority that vouches for it (TLS)." placeholder:"FILE" type:"path"`
}

// check finds mistakes, the server that cannot be reached included.
func (f *workersFlag) check(raw string) error {
	if f.Workers < 0 || f.Workers > maxWorkers {
		return mistake{fmt.Errorf("--workers %d: allowed: 1 to %d, or 0 for as many as it takes", f.Workers, maxWorkers)}
	}
	if f.NATS == "" {
		for flag, value := range map[string]string{"--nats-creds": f.NATSCreds, "--nats-ca": f.NATSCA} {
			if value != "" {
				return mistake{fmt.Errorf("%s is for the server that --nats names, and there is none", flag)}
			}
		}
	} else {
		conn, err := f.link().Dial("tierbench")
		if err != nil {
			return mistake{fmt.Errorf("--nats: %w", err)}
		}
		conn.Close()
	}
	if raw != "" && (f.Workers > 0 || f.NATS != "") {
		return mistake{errors.New("--raw keeps the requests of a generator of one process, so it cannot be had with --workers or --nats")}
	}
	return nil
}

func (f *workersFlag) link() fleet.Link {
	return fleet.Link{URL: f.NATS, Token: f.NATSToken, Creds: f.NATSCreds, CA: f.NATSCA}
}

// workers are the generator processes of a rig.
type workers struct {
	forced     int        // 0: as many as it takes
	link       fleet.Link // of a server that is there; else one is started
	hub        *fleet.Hub
	perProcess int64
}

// divide says how the rig's generator is divided. A plan that this does not
// suffice for is a mistake.
func (g *rig) divide(f workersFlag, p *plan.Plan) error {
	bound := host.ReadCapacity(procRoot).PerProcess()
	g.workers = workers{forced: f.Workers, perProcess: bound.Clients}
	if f.NATS != "" {
		g.workers.link = f.link()
	}
	for i := range p.Cells {
		c := &p.Cells[i]
		n := g.processes(plan.Step{Cell: c})
		if n > 0 && int64(c.Key.Clients) > int64(n)*bound.Clients {
			return mistake{fmt.Errorf("%s: %d clients are more than %d workers can hold; allowed: --workers %d or more, or 0 (%s)",
				p.Config.File, c.Key.Clients, n, g.workers.need(c.Key.Clients), bound.Why)}
		}
		if n > 0 && g.raw {
			return mistake{fmt.Errorf("%s: --raw keeps the requests of a generator of one process, and %d clients need %d of them", p.Config.File, c.Key.Clients, n)}
		}
	}
	return nil
}

// need is how many processes it takes to hold so many clients.
func (w *workers) need(clients int) int {
	return int((int64(clients) + w.perProcess - 1) / w.perProcess)
}

// processes is how many workers drive a step's clients; 0 is none: this process
// drives them itself.
func (g *rig) processes(step plan.Step) int {
	need := g.workers.need(step.Key.Clients)
	switch {
	case step.Generator != plan.Vegeta:
		return 0
	case g.workers.forced > 0:
		return min(g.workers.forced, step.Key.Clients)
	case g.workers.link.URL == "" && need <= 1:
		return 0
	}
	return need
}

// meet is where workers and coordinator meet.
func (w *workers) meet() (fleet.Link, error) {
	if w.link.URL != "" {
		return w.link, nil
	}
	if w.hub == nil {
		hub, err := fleet.StartHub()
		if err != nil {
			return fleet.Link{}, err
		}
		w.hub = hub
	}
	return w.hub.Link, nil
}

func (w *workers) close() {
	if w.hub != nil {
		w.hub.Close()
	}
}

// drive opens the clients of a step with the project's own generator.
func (g *rig) drive(ctx context.Context, step plan.Step, t load.Target, raw bool) (loadtest.Clients, *load.Connected, error) {
	p, n := step.Population(), g.processes(step)
	if n == 0 {
		c, connected, err := attack.Connect(ctx, t, p, attack.Options{Raw: raw, Shards: g.attackers(step), AllowRemote: g.allowRemote})
		if err != nil {
			return nil, connected, err // not a nil *Clients in the interface
		}
		return c, connected, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find the program of the workers: %w", err)
	}
	link, err := g.workers.meet()
	if err != nil {
		return nil, nil, err
	}
	// They inherit the CPUs of this process.
	c, connected, err := fleet.Connect(ctx, fleet.Spec{
		Link: link, Argv: []string{self, "worker"}, Workers: n, Shards: g.attackers(step), Version: version(), AllowRemote: g.allowRemote,
	}, t, p)
	if err != nil {
		return nil, connected, err
	}
	return c, connected, nil
}

// version is of this program: what a worker and its coordinator must have in
// common.
func version() string {
	b := describeModules()
	return fmt.Sprintf("%s %s dirty=%v", b.Go, b.Commit, b.Dirty)
}

// workerCmd is a generator process. Its coordinator starts it, and tells it by
// its environment where it belongs.
type workerCmd struct {
	NATS   string `name:"nats" required:"" help:"The NATS server." env:"TIERBENCH_NATS" placeholder:"URL"`
	Token  string `help:"Token for it." env:"TIERBENCH_NATS_TOKEN" placeholder:"TOKEN"`
	Creds  string `help:"File with the user credentials for it." env:"TIERBENCH_NATS_CREDS" placeholder:"FILE"`
	CA     string `name:"tls-ca" help:"File with the certificate of the authority that vouches for it." env:"TIERBENCH_NATS_CA" placeholder:"FILE"`
	Job    string `required:"" help:"Its coordinator's." env:"TIERBENCH_JOB" placeholder:"ID"`
	Number int    `required:"" help:"Of this worker, from 1." env:"TIERBENCH_WORKER" placeholder:"N"`
}

// Help is an example for --help.
func (c *workerCmd) Help() string {
	return "tierbench run starts its workers itself, and gives them what they need in their environment.\n\n" +
		"Examples:\n\n    tierbench worker --nats nats://127.0.0.1:4222 --job ID --number 1"
}

func (c *workerCmd) Run(e *env) error {
	if _, err := host.RaiseNoFile(); err != nil {
		return fmt.Errorf("raise the limit on descriptors: %w", err)
	}
	debug.SetGCPercent(generatorGC)
	link := fleet.Link{URL: c.NATS, Token: c.Token, Creds: c.Creds, CA: c.CA}
	conn, err := link.Dial(fmt.Sprintf("tierbench worker %d", c.Number))
	if err != nil {
		return mistake{err}
	}
	defer conn.Close()
	options := fleet.ServeOptions{Job: c.Job, Worker: c.Number, Version: version()}
	return fleet.Serve(e.ctx, conn, options, func(ctx context.Context, p fleet.Part) (fleet.Clients, *load.Connected, error) {
		clients, connected, err := attack.Connect(ctx, p.Target, p.Population, attack.Options{Shards: p.Shards, AllowRemote: p.AllowRemote})
		if err != nil {
			return nil, connected, err
		}
		return clients, connected, nil
	})
}
