package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tierbench/tierbench/loadtest/build"
	"github.com/tierbench/tierbench/loadtest/fleet"
	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/live"
	"github.com/tierbench/tierbench/loadtest/result"
)

// serverFlag finds the program that the built-in models are in. The harness
// knows of them only what it says: the two share no code.
type serverFlag struct {
	Server string `help:"The program with the built-in models. By default the one named server beside this one." placeholder:"FILE" type:"path"`
}

func (f serverFlag) path() (string, error) {
	if f.Server != "" {
		return f.Server, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the server program: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), "server")
	if _, err := os.Stat(beside); err != nil {
		return "", usageError(fmt.Errorf("find the server program: %w (make build and go install put it there; or name it with --server)", err))
	}
	return beside, nil
}

// builtin asks the server program for its models.
func (f serverFlag) builtin(ctx context.Context) (program string, models []result.Info, err error) {
	if program, err = f.path(); err == nil {
		models, err = harness.BuiltIn(ctx, program)
	}
	return program, models, err
}

// newHarness is one for runs in the folder results.
func newHarness(results string) (*harness.Harness, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, which is that of generator processes too: %w", err)
	}
	return &harness.Harness{Self: self, Results: results, Build: build.Describe(), Version: build.Version()}, nil
}

// generatorFlags divide the generator into processes.
type generatorFlags struct {
	GeneratorProcesses int    `help:"How many processes generate the load. 0: one, and more where a tier needs more descriptors than one has. Default: ${default}." default:"0" placeholder:"N"`
	NATS               string `name:"nats" help:"Meet the generator processes on this NATS server instead of one of our own. Several of a cluster are separated by commas." placeholder:"URL"`
	NATSToken          string `name:"nats-token" help:"Token for it." env:"TIERBENCH_NATS_TOKEN" placeholder:"TOKEN"`
	NATSCreds          string `name:"nats-creds" help:"File with the user credentials for it." placeholder:"FILE" type:"path"`
	NATSCA             string `name:"nats-ca" help:"File with the certificate of the authority that vouches for it (TLS)." placeholder:"FILE" type:"path"`
}

func (f *generatorFlags) link() fleet.Link {
	return fleet.Link{URL: f.NATS, Token: f.NATSToken, Creds: f.NATSCreds, CA: f.NATSCA}
}

// liveFlags say how a run is shown while it goes on.
type liveFlags struct {
	Plain   bool   `help:"Plain lines instead of a live view, as when the output is no terminal."`
	JSON    bool   `name:"json" help:"Write what happens as JSON, an object a line, instead of the table (tierbench schema --events)."`
	Metrics string `help:"Let Prometheus ask for http://ADDR/metrics while it runs; on loopback if the address has no host. An answer takes CPU time of the generator." placeholder:"ADDR"`
}

// watcher is what the flags ask for. Stop ends what it serves.
func (l *liveFlags) watcher(e *env) (w live.Watcher, stop func(), err error) {
	all, stop := live.All{}, func() {}
	if l.Metrics != "" {
		m := live.NewMetrics()
		at, end, err := m.Serve(l.Metrics)
		if err != nil {
			return nil, nil, usageError(fmt.Errorf("--metrics: %w", err))
		}
		fmt.Fprintf(e.errOut, "metrics: http://%s/metrics\n", at)
		all, stop = append(all, m), end
	}
	if l.JSON {
		return append(all, live.NewJSON(e.out)), stop, nil
	}
	return append(all, live.NewText(e.errOut, l.Plain)), stop, nil
}

// tables is where those for a person go.
func (l *liveFlags) tables(e *env) *env {
	if l.JSON {
		return &env{e.ctx, io.Discard, e.errOut} // the output is for a program
	}
	return e
}
