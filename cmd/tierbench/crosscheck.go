package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/tierbench/tierbench/loadtest/attack"
	"github.com/tierbench/tierbench/loadtest/claims"
	"github.com/tierbench/tierbench/loadtest/crosscheck"
	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// crosscheckFile is the name of the comparison in the folder of its run.
const crosscheckFile = "crosscheck.txt"

// runningModel is the model name of a server that is already running.
const runningModel = "running"

type crosscheckCmd struct {
	serverFlag
	liveFlags
	Config      string         `arg:"" optional:"" help:"A config file, whose models, clients and workloads are used; or the folder of a run, to judge it again." placeholder:"CONFIG"`
	Model       []string       `help:"Use these models instead." placeholder:"NAME"`
	Clients     []int          `help:"Use these numbers of clients instead." placeholder:"N"`
	Repeats     int            `help:"Number of repeats of each cell." placeholder:"N"`
	Duration    *time.Duration `help:"Length of each repeat." placeholder:"2s"`
	Rate        string         `help:"The rate of the open loop, for wrk2." default:"20/s per client" placeholder:"RATE"`
	Addr        string         `help:"Use the server that is already running at this address, with GET /plaintext over HTTP." placeholder:"HOST:PORT"`
	AllowRemote bool           `help:"Allow an address on another host."`
	Results     string         `help:"The folder in which the run's folder is created." default:"results" type:"path"`
}

// Help is an example for --help.
func (c *crosscheckCmd) Help() string {
	return "Measures the same cells alternately with this project's generator and with wrk and oha in the closed loop, and with wrk2 in the open loop. " +
		"Then it says whether their throughputs agree within 5 %, or why not. wrk has as many threads as the project's generator has shards. " +
		"The report names generators that are not installed. Only HTTP workloads of a single GET are checked.\n\n" +
		"It exits with status 1 if two generators disagree and no measurement explains why, or if nothing was checked.\n\n" +
		"With --addr, the CPU time and the memory of the server are unknown.\n\n" +
		"Examples:\n\n    tierbench crosscheck --model thread,goroutine --clients 16,256\n\n" +
		"    tierbench crosscheck --addr 127.0.0.1:8080 --clients 64\n\n" +
		"    tierbench crosscheck results/latest"
}

func (c *crosscheckCmd) Run(e *env) error {
	if st, err := os.Stat(c.Config); err == nil && st.IsDir() {
		set, err := result.Load(c.Config)
		if err != nil {
			return usageError(err)
		}
		_, err = verdict(e, set)
		return err
	}
	// Everything is checked before the first connection.
	var server netip.AddrPort
	if c.Addr != "" {
		var err error
		server, err = attack.Resolve(c.Addr, c.AllowRemote)
		if errors.Is(err, attack.ErrRemote) {
			err = fmt.Errorf("%w; allow it with --allow-remote if the host is yours to load", err)
		}
		if err != nil {
			return usageError(fmt.Errorf("--addr: %w", err))
		}
	}
	cfg, peers, err := c.config()
	if err != nil {
		return err
	}
	if err := harness.Prepare(); err != nil {
		return err
	}
	view, stop, err := c.watcher(e)
	if err != nil {
		return err
	}
	defer stop()
	h, err := newHarness(c.Results)
	if err != nil {
		return err
	}
	h.ClaimRules, h.Addr, h.AllowRemote = claims.RulesVersion, server, c.AllowRemote
	h.Models = []result.Info{{Name: runningModel, Doc: "The server that ran at " + c.Addr + "."}}
	if !server.IsValid() {
		if h.Server, h.Models, err = c.builtin(e.ctx); err != nil {
			return err
		}
	}
	p, absent, err := h.Plan(cfg)
	if err != nil {
		return err
	}
	maps.Copy(absent, peers)
	r, err := h.New(p, absent)
	if err != nil {
		return err
	}
	defer r.Close()
	err = r.Measure(e.ctx, view)
	e = c.tables(e)
	set, lerr := result.Load(r.Dir())
	if lerr != nil {
		return errors.Join(err, lerr)
	}
	if rerr := report.Write(set.Dir, set); rerr != nil {
		return errors.Join(err, rerr)
	}
	written, verr := verdict(e, set)
	fmt.Fprintf(e.out, "\nreport: %s, and %s in the same folder\n", harness.Relative(filepath.Join(set.Dir, report.HTMLFile)), crosscheckFile)
	return errors.Join(err, verr, result.WriteFile(filepath.Join(set.Dir, crosscheckFile), written))
}

// verdict prints the comparison. It fails if generators disagree without an explanation, or
// if nothing was checked.
func verdict(e *env, set *result.Set) ([]byte, error) {
	rows := crosscheck.Rows(stats.Cells(&set.Run, set.Repeats))
	var b bytes.Buffer
	if err := crosscheck.Write(&b, rows); err != nil {
		return nil, err
	}
	if _, err := e.out.Write(b.Bytes()); err != nil {
		return nil, fmt.Errorf("write comparison: %w", err)
	}
	failed := 0
	for i := range rows {
		if rows[i].Failed() {
			failed++
		}
	}
	switch {
	case failed > 0:
		err := fmt.Errorf("%d pairs disagree without an explanation, or lack the measurement of this project's generator", failed)
		return b.Bytes(), err
	case !crosscheck.Checked(rows):
		return b.Bytes(), errors.New("no pair has valid measurements of both generators")
	}
	return b.Bytes(), nil
}

// config returns the config that the command line describes. Absent are the generators that
// are not installed, each with that reason.
func (c *crosscheckCmd) config() (cfg *plan.Config, absent map[string]string, err error) {
	from := crosscheck.Usual()
	if c.Config != "" {
		if from, err = plan.Read(c.Config); err != nil {
			return nil, nil, usageError(err)
		}
	}
	rate, err := plan.ParseRate(c.Rate)
	if err != nil {
		return nil, nil, usageError(fmt.Errorf("--rate: %w", err))
	}
	absent = harness.AbsentGenerators(crosscheck.Peers())
	if len(absent) == len(crosscheck.Peers()) {
		return nil, nil, usageError(errors.New("there is nothing to check against: install wrk, wrk2 or oha"))
	}
	asked := crosscheck.Config(from, rate, absent, c.override)
	if len(asked.Experiments) == 0 {
		return nil, nil, usageError(fmt.Errorf("%s: there is no workload of a single GET over HTTP; only those are checked", c.Config))
	}
	if c.Addr != "" {
		asked.Commands = nil
	}
	cfg, err = plan.New(asked)
	return cfg, absent, err
}

// override applies the flags, which take precedence over the config.
func (c *crosscheckCmd) override(e *plan.Experiment) {
	if len(c.Model) > 0 {
		e.Models = c.Model
	}
	if c.Addr != "" {
		e.Models, e.ServerArgs, e.Setting = []string{runningModel}, nil, ""
		e.Workloads = []plan.Workload{plan.Least("http")}
	}
	if len(c.Clients) > 0 {
		e.Clients = c.Clients
	}
	if c.Repeats != 0 {
		e.Repeats = c.Repeats
	}
	if c.Duration != nil {
		e.Duration = *c.Duration
	}
}
