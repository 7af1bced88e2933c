package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
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

// crosscheckFile is what the comparison is called in the folder of its run.
const crosscheckFile = "crosscheck.txt"

// runningModel is what a server is called that runs already.
const runningModel = "running"

type crosscheckCmd struct {
	serverFlag
	liveFlags
	Config      string         `arg:"" optional:"" help:"A config file whose models, clients and workloads are taken; or the folder of a run, which is judged again." placeholder:"CONFIG"`
	Model       []string       `help:"Check on these models instead." placeholder:"NAME"`
	Clients     []int          `help:"Check at these numbers of clients instead." placeholder:"N"`
	Repeats     int            `help:"Measure each cell so often." placeholder:"N"`
	Duration    *time.Duration `help:"Measure for so long." placeholder:"2s"`
	Rate        string         `help:"The rate of the open loop, which wrk2 is checked in." default:"20/s per client" placeholder:"RATE"`
	Addr        string         `help:"Check on the server that runs at this address already, by GET /plaintext over HTTP." placeholder:"HOST:PORT"`
	AllowRemote bool           `help:"Let that address be another host's."`
	Results     string         `help:"The folder in which the run's own is made." default:"results" type:"path"`
}

// Help is an example for --help.
func (c *crosscheckCmd) Help() string {
	return "Measures the same cells with this project's generator and with wrk and oha in the closed loop, and with wrk2 in the open one, by turns, " +
		"and says whether their throughputs agree within 5 %, or why not. wrk has as many threads as the project's generator has shards. " +
		"Generators that are not installed are named. Only HTTP workloads of one GET are checked.\n\n" +
		"It exits with 1 if two generators disagree and nothing that was measured says why, or if nothing was checked.\n\n" +
		"Of a server that runs already neither CPU nor memory is known.\n\n" +
		"Examples:\n\n    tierbench crosscheck --model thread,goroutine --clients 16,256\n\n" +
		"    tierbench crosscheck --addr 127.0.0.1:8080 --clients 64\n\n" +
		"    tierbench crosscheck results/latest"
}

// connectWithin is how long a server that runs already may take to be reached.
const connectWithin = 10 * time.Second

// errCrosscheck says that generators disagree. The table says the rest.
type errCrosscheck int

func (e errCrosscheck) Error() string {
	if e == 0 {
		return "no pair was measured by both sides"
	}
	return fmt.Sprintf("%d pairs disagree without a reason, or were not measured by this project's generator", int(e))
}

func (c *crosscheckCmd) Run(e *env) error {
	if st, err := os.Stat(c.Config); err == nil && st.IsDir() {
		set, err := result.Load(c.Config)
		if err != nil {
			return mistake{err}
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
			return mistake{fmt.Errorf("--addr: %w", err)}
		}
	}
	cfg, err := c.config()
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
	if server.IsValid() {
		// Else every single measurement would wait for it.
		conn, err := net.DialTimeout("tcp", server.String(), connectWithin)
		if err != nil {
			return mistake{fmt.Errorf("--addr: no server is there: %w", err)}
		}
		conn.Close()
	}
	maps.Copy(absent, missing())
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
	fmt.Fprintf(e.out, "\nreport: %s, and %s beside it\n", harness.Relative(filepath.Join(set.Dir, report.HTMLFile)), crosscheckFile)
	return errors.Join(err, verr, result.WriteFile(filepath.Join(set.Dir, crosscheckFile), written))
}

// verdict prints the comparison, and fails if there is something that disagrees.
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
	if failed > 0 || !crosscheck.Checked(rows) {
		return b.Bytes(), errCrosscheck(failed)
	}
	return b.Bytes(), nil
}

// peers are the generators that this project's is checked against, by the loop
// that they are checked in.
var peers = map[string][]string{
	result.Closed: {plan.WrkSame, plan.Oha},
	result.Open:   {plan.Wrk2},
}

// missing says which of the peers are not here, and why.
func missing() map[string]string {
	return harness.AbsentGenerators(slices.Concat(peers[result.Closed], peers[result.Open]))
}

// config is what the command line asks for.
func (c *crosscheckCmd) config() (*plan.Config, error) {
	from := &plan.Config{Seed: 1, Experiments: []*plan.Experiment{{
		Models: []string{"thread", "goroutine", "eventloop"}, Clients: []int{16, 64, 256},
		Workloads: []plan.Workload{plan.Least("http")}, Warmup: 500 * time.Millisecond, Duration: 2 * time.Second, Repeats: 5,
	}}}
	if c.Config != "" {
		var err error
		if from, err = plan.Read(c.Config); err != nil {
			return nil, mistake{err}
		}
	}
	rate, err := plan.ParseRate(c.Rate)
	if err != nil {
		return nil, mistake{fmt.Errorf("--rate: %w", err)}
	}
	absent := missing()
	here := func(loop string) []string {
		return slices.DeleteFunc(slices.Clone(peers[loop]), func(g string) bool { return absent[g] != "" })
	}
	if len(here(result.Closed))+len(here(result.Open)) == 0 {
		return nil, mistake{errors.New("there is nothing to check against: install wrk, wrk2 or oha")}
	}
	cfg := plan.Config{Name: "crosscheck", Title: "The load generator compared with others", Seed: from.Seed}
	if c.Addr == "" {
		cfg.Commands = from.Commands
	}
	for _, x := range from.Experiments {
		a := plan.Experiment{
			Models: x.Models, Clients: x.Clients, Warmup: x.Warmup, Duration: x.Duration, Repeats: x.Repeats,
			ConnectRate: x.ConnectRate, ServerArgs: x.ServerArgs, Setting: x.Setting, CPUs: x.CPUs,
		}
		for _, w := range x.Workloads {
			if ok, _ := plan.CanDo(plan.Wrk, w); ok {
				a.Workloads = append(a.Workloads, w)
			}
		}
		if len(a.Workloads) == 0 {
			continue
		}
		c.override(&a)
		for _, loop := range []string{result.Closed, result.Open} {
			of := here(loop)
			if len(of) == 0 {
				continue
			}
			e := a
			e.Name, e.Loops, e.Generators = loop, []string{loop}, append([]string{plan.Vegeta}, of...)
			if x.Name != "" {
				e.Name = x.Name + ", " + loop
			}
			if loop == result.Open {
				e.Rate = rate
			}
			cfg.Experiments = append(cfg.Experiments, &e)
		}
	}
	if len(cfg.Experiments) == 0 {
		return nil, mistake{fmt.Errorf("%s: no workload is one GET over HTTP, which is all that other generators are asked for", c.Config)}
	}
	return plan.New(cfg)
}

// override has the command line go before the config.
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
