package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/duel"
	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/quantity"
	"github.com/tierbench/tierbench/loadtest/result"
)

type duelCmd struct {
	serverFlag
	Sides []string `arg:"" optional:"" help:"The two servers, A and B: built-in models, commands of --config, or names for the servers of --a and --b. Or the folder of a duel, to print it again." placeholder:"A B"`

	A      string `name:"a" help:"The command line of A, a server of your own. Spaces separate its words; {addr}, {host}, {port}, {protocol} and {cpus} are replaced." placeholder:"COMMAND"`
	B      string `name:"b" help:"The command line of B." placeholder:"COMMAND"`
	AArgs  string `name:"a-args" help:"More arguments for A, if it is a built-in model." placeholder:"ARGS"`
	BArgs  string `name:"b-args" help:"More arguments for B, if it is a built-in model." placeholder:"ARGS"`
	Config string `help:"A config with the commands to choose from." placeholder:"FILE" type:"existingfile"`

	Clients  int           `help:"Number of connections to each server." default:"256" placeholder:"256"`
	Protocol string        `help:"http or echo." default:"http"`
	Workload string        `help:"The workload, as in a config. Default: plaintext, or echo over the protocol echo." placeholder:"NAME"`
	Time     time.Duration `help:"How long the server takes for an answer, for a workload that takes a time." placeholder:"50ms"`
	Payload  int           `help:"Bytes that are sent and come back, for the workload echo." placeholder:"64"`

	Pairs     int           `help:"Number of times that both servers are started afresh. The interval has a level of 95 % from 6 on; that of 12 does not depend on a single pair." default:"12" placeholder:"12"`
	Turn      time.Duration `help:"How long a server is measured before it is the other's turn." default:"50ms" placeholder:"50ms"`
	Warmup    time.Duration `help:"Unmeasured time at the start of each turn." default:"10ms" placeholder:"10ms"`
	Duration  time.Duration `help:"How long each server of a pair is measured in total. Latencies take half as long again." default:"2500ms" placeholder:"2500ms"`
	NoLatency bool          `help:"Do not compare latencies at a common rate."`
	Rate      float64       `help:"The common rate, in requests a second. Default: half of what the slower server can do." placeholder:"N"`
	Floor     string        `help:"Also compare each server with another process of itself: yes, no, or auto, which does so if the duel then takes at most two minutes." enum:"auto,yes,no" default:"auto"`
	Seed      uint64        `help:"Seed of the order in which the servers are started." default:"1" placeholder:"1"`

	Margin        string `help:"Largest difference that does not matter, such as 2%." default:"0" placeholder:"0"`
	MaxRegression string `help:"Exit with 3 if the whole interval says that B is worse than A by more than this, such as 5%." placeholder:"PERCENT"`
	JSON          bool   `name:"json" help:"Write the answer as JSON."`
	Results       string `help:"The folder in which the duel's folder is created." default:"results" type:"path"`
}

// Help is an example for --help.
func (c *duelCmd) Help() string {
	return "Both servers run at the same time, with all connections open, and get the load in turns: A B B A A B B A. Other work on the machine slows down both alike. " +
		"The answer is the ratio A ÷ B, with an interval over pairs of fresh servers.\n\n" +
		"Examples:\n\n" +
		"    tierbench duel thread eventloop\n\n" +
		"    tierbench duel --a './old --listen {addr}' --b './new --listen {addr}' --max-regression 5%\n\n" +
		"    tierbench duel prefork prefork --b-args='--workers 4' --clients 1000\n\n" +
		"    tierbench duel results/20261125T080501Z-duel"
}

// errRegressed says in which metrics B is worse than allowed.
type errRegressed []string

func (e errRegressed) Error() string { return "worse by more than allowed: " + strings.Join(e, "; ") }

func (c *duelCmd) Run(e *env) error {
	margin, ok := quantity.Fraction(c.Margin)
	if !ok || margin >= 1 {
		return usageError(fmt.Errorf("--margin: %q is not a fraction; allowed: 0 to below 100%%, such as 2%%", c.Margin))
	}
	most, err := regression(c.MaxRegression)
	if err != nil {
		return usageError(err)
	}
	if len(c.Sides) == 1 {
		if _, err := os.Stat(filepath.Join(c.Sides[0], result.DuelFile)); err == nil {
			d, err := result.LoadDuel(c.Sides[0])
			if err != nil {
				return usageError(err)
			}
			if err := c.enough(d.Asked); err != nil {
				return err
			}
			return c.judge(e, d, margin, most)
		}
	}
	d, err := c.duel(e)
	if err != nil {
		return err
	}
	if err := d.Prepare(); err != nil {
		return err
	}
	record, err := d.Measure(e.ctx)
	defer fmt.Fprintf(e.errOut, "record: %s\n", harness.Relative(filepath.Join(d.Dir(), result.DuelFile)))
	return errors.Join(err, c.judge(e, record, margin, most))
}

// judge prints what a duel found, and fails if B is worse than allowed.
func (c *duelCmd) judge(e *env, d *result.Duel, margin, most float64) error {
	a := duel.Judge(d, margin)
	if c.JSON {
		enc := json.NewEncoder(e.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(a); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	} else {
		fmt.Fprint(e.out, a.Text(0))
	}
	if !math.IsNaN(most) {
		if worse := a.Regressions(most); len(worse) > 0 {
			return errRegressed(worse)
		}
	}
	return nil
}

// enough is a usage error if a regression is asked about that so few pairs cannot show.
func (c *duelCmd) enough(pairs int) error {
	if c.MaxRegression != "" && pairs < duel.MinPairs {
		return usageError(fmt.Errorf("--max-regression: %d pairs decide nothing; allowed: --pairs %d or more", pairs, duel.MinPairs))
	}
	return nil
}

// autoFloor is the longest that a duel with its floor may take, if nobody asks for it.
const autoFloor = 2 * time.Minute

// duel is what the flags ask for.
func (c *duelCmd) duel(e *env) (*harness.Duel, error) {
	d := &harness.Duel{
		Clients: c.Clients, Protocol: c.Protocol, Request: load.Request{Workload: c.Workload, Time: c.Time, PayloadBytes: c.Payload},
		Pairs: c.Pairs, Turn: c.Turn, Warmup: c.Warmup, Closed: c.Duration, Open: c.Duration / 2, Rate: c.Rate, Seed: c.Seed, Log: e.errOut,
	}
	if c.NoLatency {
		d.Open = 0
	}
	var err error
	if d.A, d.B, err = c.sides(); err != nil {
		return nil, usageError(err)
	}
	if c.Workload == result.Idle {
		return nil, usageError(errors.New("--workload: idle clients ask for nothing, so there is nothing to compare"))
	}
	if err := c.enough(c.Pairs); err != nil {
		return nil, err
	}
	both := 2 * time.Duration(c.Pairs) * (d.Closed + d.Open)
	if c.Turn > 0 {
		both = time.Duration(float64(both) * float64(c.Turn+c.Warmup) / float64(c.Turn))
	}
	d.Floor = c.Floor == "yes" || c.Floor == "auto" && 2*both <= autoFloor
	if err := harness.Prepare(); err != nil {
		return nil, err
	}
	if d.Harness, err = newHarness(c.Results); err != nil {
		return nil, err
	}
	if len(d.A.Command) == 0 || len(d.B.Command) == 0 {
		d.Harness.Server, d.Harness.Models, err = c.builtin(e.ctx)
	}
	return d, err
}

// sides are the two servers.
func (c *duelCmd) sides() (a, b harness.DuelSide, err error) {
	a.Command, b.Command = strings.Fields(c.A), strings.Fields(c.B)
	switch {
	case len(c.Sides) == 2:
		a.Model, b.Model = c.Sides[0], c.Sides[1]
	case len(c.Sides) == 0 && len(a.Command) > 0 && len(b.Command) > 0:
		a.Model, b.Model = program(a.Command), program(b.Command)
		if a.Model == b.Model {
			a.Model, b.Model = "a", "b"
		}
	case len(c.Sides) == 1:
		return a, b, fmt.Errorf("%s is one server, and not the folder of a duel; name two models, or give the commands --a and --b", c.Sides[0])
	default:
		return a, b, errors.New("name two servers: two models, or the commands --a and --b")
	}
	commands := map[string]plan.Command{}
	if c.Config != "" {
		cfg, err := plan.Read(c.Config)
		if err != nil {
			return a, b, err
		}
		commands = cfg.Commands
	}
	for _, side := range []struct {
		of   *harness.DuelSide
		flag string
		args string
	}{{&a, "--a-args", c.AArgs}, {&b, "--b-args", c.BArgs}} {
		if len(side.of.Command) == 0 {
			side.of.Command = commands[side.of.Model].Run
		}
		side.of.Args = strings.Fields(side.args)
		if len(side.of.Args) > 0 && len(side.of.Command) > 0 {
			return a, b, fmt.Errorf("%s is for a model that is built in, and %s is a command; write its arguments into that", side.flag, side.of.Model)
		}
	}
	return a, b, nil
}

// program is the name of a command line's program.
func program(argv []string) string {
	return strings.TrimSuffix(filepath.Base(argv[0]), filepath.Ext(argv[0]))
}
