// Command tierbench measures servers at controlled client counts and reports
// what it measured. See the README, or tierbench --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/tierbench/tierbench/loadtest/build"
	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/plan"
)

// Exit codes.
const (
	exitFailed  = 1 // the command failed
	exitUsage   = 2 // nothing was started: the command line or the config is wrong
	exitMissed  = 3 // the run is complete, but misses an objective or regresses
	exitStopped = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if msg := err.Error(); msg != "" {
			fmt.Fprintln(os.Stderr, "tierbench:", msg)
		}
		os.Exit(exitCode(err))
	}
}

// usageError marks an error of the command line or of a file that it names.
func usageError(err error) error { return harness.UsageError{Err: err} }

func exitCode(err error) int {
	var usage harness.UsageError
	var p plan.Errors
	var missed errSLO
	var regressed errRegressed
	switch {
	case errors.As(err, &usage), errors.As(err, &p):
		return exitUsage
	case errors.Is(err, harness.ErrInterrupted):
		return exitStopped
	case errors.As(err, &missed), errors.As(err, &regressed):
		return exitMissed
	}
	return exitFailed
}

type cli struct {
	Run        runCmd        `cmd:"" help:"Measure the cells of a config file, into a new folder under results/."`
	Report     reportCmd     `cmd:"" help:"Draw the charts and the report of a run again, from its records."`
	Compare    compareCmd    `cmd:"" help:"Compare two runs, or two models of one, and say what differs."`
	Duel       duelCmd       `cmd:"" help:"Compare two servers that live at the same time, in turns of 50 ms: small differences, on a busy machine."`
	Claims     claimsCmd     `cmd:"" help:"Judge the claims of the comparison of processes, threads and async by the results of a run."`
	HDR        hdrCmd        `cmd:"" name:"hdr" help:"Print the latency distribution of a repeat, or list the repeats that have one."`
	Site       siteCmd       `cmd:"" help:"Build a static site of all runs: an index, their reports, models and method."`
	Search     searchCmd     `cmd:"" help:"Find the most clients, or the highest rate, that a server carries within bounds."`
	Advise     adviseCmd     `cmd:"" help:"Predict from a run which models can carry a load, and with what headroom."`
	Crosscheck crosscheckCmd `cmd:"" help:"Check the load generator against wrk, wrk2 and oha, on the same servers in one run."`
	Schema     schemaCmd     `cmd:"" help:"Print the JSON schema of a run's records."`
	Doctor     doctorCmd     `cmd:"" help:"Print how many clients this host can carry, and which limits decide it."`
	Audit      auditCmd      `cmd:"" help:"Check whether the numbers of a published table are consistent."`
	Conform    conformCmd    `cmd:"" help:"Test whether a server of your own keeps the contract of the README."`
	Generator  generatorCmd  `cmd:"" help:"Run a generator process; tierbench run starts them itself."`
	Null       nullCmd       `cmd:"" hidden:""`
	List       listCmd       `cmd:"" help:"List the built-in models."`

	Version kong.VersionFlag `help:"Print the version and exit."`

	Completion completionCmd `cmd:"" help:"Print a script that completes the command line in a shell."`
	Man        manCmd        `cmd:"" hidden:"" help:"Print the manual page."`
}

// env is passed to every subcommand.
type env struct {
	ctx         context.Context
	out, errOut io.Writer
}

func run(ctx context.Context, args []string, out, errOut io.Writer) error {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("tierbench"),
		kong.Description("Which way of handling many clients at once carries how many clients, at what cost, and why?"),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
		kong.Vars(compareVars()),
		kong.Vars{"version": build.About()},
	)
	if err != nil {
		return err
	}
	k, err := parser.Parse(args)
	if exited == 0 { // --help or --version has printed its text
		return nil
	}
	if err != nil {
		return usageError(fmt.Errorf("%w (see tierbench --help)", err))
	}
	o := &errWriter{Writer: out}
	if err := k.Run(&env{ctx, o, errOut}); err != nil {
		return err
	}
	if o.err != nil {
		return fmt.Errorf("write output: %w", o.err)
	}
	return nil
}

// An errWriter keeps the first error of its writer. So a command need not check every
// line that it prints, and still fails if its output is incomplete.
type errWriter struct {
	io.Writer
	err error
}

func (w *errWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}
