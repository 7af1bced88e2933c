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

// serverFlag finds the program with the built-in models.
type serverFlag struct {
	Server string `help:"The program with the built-in models. Default: the file server in the folder of this program." placeholder:"FILE" type:"path"`
}

func (f serverFlag) path() (string, error) {
	if f.Server != "" {
		return f.Server, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the server program: %w", err)
	}
	server := filepath.Join(filepath.Dir(self), "server")
	if _, err := os.Stat(server); err != nil {
		return "", usageError(fmt.Errorf("find the server program: %w; build it with make build or go install, or name it with --server", err))
	}
	return server, nil
}

// builtin asks the server program for its models.
func (f serverFlag) builtin(ctx context.Context) (program string, models []result.Info, err error) {
	if program, err = f.path(); err == nil {
		models, err = harness.BuiltIn(ctx, program)
	}
	return program, models, err
}

// newHarness returns a harness for runs in the folder results.
func newHarness(results string) (*harness.Harness, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, which also runs as generator processes: %w", err)
	}
	return &harness.Harness{Self: self, Results: results, Build: build.Describe(), Version: build.Version()}, nil
}

// boxFlag limits the process trees of servers.
type boxFlag struct {
	Box limits `help:"Limit each server's process tree to so much memory, so many CPUs, or both, by a control group." placeholder:"64MiB,1"`
}

// limits are result.Limits as a flag's value.
type limits struct{ result.Limits }

func (l *limits) UnmarshalText(text []byte) error {
	var ok bool
	if l.Limits, ok = result.ParseLimits(string(text)); !ok {
		return fmt.Errorf("%q is no box; allowed: %s", text, result.AllowedLimits)
	}
	return nil
}

// generatorFlags say how many processes the generator has, and how they communicate.
type generatorFlags struct {
	GeneratorProcesses int    `help:"Number of generator processes. 0: one, or as many as a tier needs to have enough descriptors. Default: ${default}." default:"0" placeholder:"N"`
	NATS               string `name:"nats" help:"Communicate with the generator processes through this NATS server, instead of starting one. Separate the servers of a cluster by commas." placeholder:"URL"`
	NATSToken          string `name:"nats-token" help:"Token for the NATS server." env:"TIERBENCH_NATS_TOKEN" placeholder:"TOKEN"`
	NATSCreds          string `name:"nats-creds" help:"File with the user credentials for the NATS server." placeholder:"FILE" type:"path"`
	NATSCA             string `name:"nats-ca" help:"File with the certificate of the authority that signed the certificate of the NATS server (TLS)." placeholder:"FILE" type:"path"`
}

func (f *generatorFlags) link() fleet.Link {
	return fleet.Link{URL: f.NATS, Token: f.NATSToken, Creds: f.NATSCreds, CA: f.NATSCA}
}

// liveFlags say how the progress of a run is shown.
type liveFlags struct {
	Plain   bool   `help:"Write plain lines instead of a live view. This is the default if the output is not a terminal."`
	JSON    bool   `name:"json" help:"Write events as JSON, one object per line, instead of the table (tierbench schema --events)."`
	Metrics string `help:"Serve http://ADDR/metrics for Prometheus during the run; on loopback if the address has no host. Answering takes CPU time from the generator." placeholder:"ADDR"`
}

// watcher returns the watcher that the flags ask for. The caller must call stop.
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

// tables returns an env whose output is for tables, which --json discards.
func (l *liveFlags) tables(e *env) *env {
	if l.JSON {
		return &env{e.ctx, io.Discard, e.errOut} // the output is for a program, not for a person
	}
	return e
}
