package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/harness"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/quantity"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/search"
	"github.com/tierbench/tierbench/loadtest/stats"
)

type searchCmd struct {
	serverFlag
	Command []string `arg:"" optional:"" help:"A server of your own, after --, as in a config; {addr}, {host}, {port}, {protocol} and {cpus} are filled in."`
	Model   string   `help:"A model that is built in; or what to call the server of your own." placeholder:"NAME"`

	Find     string        `help:"What to find the most of: clients (closed loop) or rate (open loop)." enum:"clients,rate" default:"clients"`
	Protocol string        `help:"http or echo." default:"http"`
	Workload string        `help:"What is asked, as in a config; by default plaintext or, over the protocol echo, echo." placeholder:"NAME"`
	Time     time.Duration `help:"How long the server takes for an answer, of a workload that takes a time." placeholder:"50ms"`
	Payload  int           `help:"Bytes that are sent and come back, of a workload that echoes." placeholder:"64"`
	Clients  int           `help:"How many clients share the rate (--find rate)." placeholder:"100"`

	P50    time.Duration `name:"p50" help:"Most that the median latency may be." placeholder:"TIME"`
	P90    time.Duration `name:"p90" help:"Most that the 90th percentile may be." placeholder:"TIME"`
	P99    time.Duration `name:"p99" help:"Most that the 99th percentile may be." placeholder:"TIME"`
	P999   time.Duration `name:"p999" help:"Most that the 99.9th percentile may be." placeholder:"TIME"`
	Max    time.Duration `help:"Most that the longest may be." placeholder:"TIME"`
	Errors string        `help:"Most of the requests that may fail, such as 0 or 0.1%." default:"0" placeholder:"0"`

	From     float64       `help:"Where to start: clients, or requests a second. By default 1 client, or 100/s." placeholder:"N"`
	To       float64       `help:"Where to stop. By default what this host and the model can hold, or 1000000/s." placeholder:"N"`
	Within   string        `help:"How close the two ends come." default:"5%" placeholder:"5%"`
	Repeats  int           `help:"How many measurements confirm each end; an odd number." default:"3" placeholder:"3"`
	Most     int           `help:"After how many measurements to give up." default:"80" placeholder:"80"`
	Warmup   time.Duration `help:"Before each measurement." default:"500ms" placeholder:"500ms"`
	Duration time.Duration `help:"Of each measurement." default:"2s" placeholder:"2s"`
	Results  string        `help:"The folder in which the run's own is made." default:"results" type:"path"`
}

// Help is an example for --help.
func (c *searchCmd) Help() string {
	return "Doubles the load until the promise is broken, bisects, and repeats both ends. Every measurement is kept and reported as those of a run are. " +
		"Latencies are service times for clients, response times for a rate.\n\n" +
		"Examples:\n\n" +
		"    tierbench search --model eventloop --p99 50ms\n\n" +
		"    tierbench search --find rate --clients 200 --p99 5ms --errors 0.1% --workload wait --time 2ms --model thread\n\n" +
		"    tierbench search --p99 50ms -- ./my-server --listen={addr}"
}

func (c *searchCmd) Run(e *env) error {
	s, err := c.search()
	if err != nil {
		return usageError(err)
	}
	if err := harness.Prepare(); err != nil {
		return err
	}
	if s.Harness, err = newHarness(c.Results); err != nil {
		return err
	}
	s.Log = e.errOut
	// Without a server of the user's own, the model is one that is built in.
	if len(c.Command) == 0 {
		if s.Harness.Server, s.Harness.Models, err = c.builtin(e.ctx); err != nil {
			return err
		}
	}
	r, err := s.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	fmt.Fprintf(e.errOut, "%s, into %s\n", s.Title(), harness.Relative(r.Dir()))
	answer, err := s.Find(e.ctx)
	set, rerr := result.Load(r.Dir())
	if rerr != nil {
		return errors.Join(err, rerr)
	}
	if rerr := report.Write(set.Dir, set); rerr != nil {
		return errors.Join(err, rerr)
	}
	// Only what came to its end takes the place of the newest run.
	if err == nil {
		if err := r.PointLatest(); err != nil {
			return err
		}
	}
	fmt.Fprintf(e.out, "%s\n\n%s", s.Title(), s.Table(answer, stats.Cells(&set.Run, set.Repeats)))
	text := s.Conclusion(answer)
	defer fmt.Fprintf(e.out, "\nreport: %s\n", harness.Relative(filepath.Join(set.Dir, report.HTMLFile)))
	switch {
	case err != nil:
		return err
	case answer.End == search.None || answer.End == search.Undecided:
		return errors.New(text)
	}
	fmt.Fprintf(e.out, "\n%s\n", text)
	return nil
}

// search is what the flags ask for, without its harness.
func (c *searchCmd) search() (*harness.Search, error) {
	s := &harness.Search{
		Model: c.Model, Command: c.Command, Rate: c.Find == "rate", Clients: c.Clients,
		Protocol: c.Protocol, Request: load.Request{Workload: c.Workload, Time: c.Time, PayloadBytes: c.Payload}, Warmup: c.Warmup, Duration: c.Duration,
		Range: search.Range{From: c.From, To: c.To, Whole: c.Find == "clients", Confirm: c.Repeats, Most: c.Most},
	}
	for _, b := range []struct {
		metric stats.Metric // by the name of its flag
		most   time.Duration
	}{{stats.P50, c.P50}, {stats.P90, c.P90}, {stats.P99, c.P99}, {stats.P999, c.P999}, {stats.Max, c.Max}} {
		switch {
		case b.most < 0:
			return nil, fmt.Errorf("--%s: %v is no bound of a latency; allowed: above 0", b.metric.Name, b.most)
		case b.most > 0:
			s.Promise = append(s.Promise, stats.AtMost(b.metric, b.most.Seconds()))
		}
	}
	failed, err := part(c.Errors)
	if err != nil {
		return nil, fmt.Errorf("--errors: %w", err)
	}
	s.Promise = append(s.Promise, stats.AtMost(stats.Errors, failed))
	if s.Range.Within, err = part(c.Within); err != nil {
		return nil, fmt.Errorf("--within: %w", err)
	}
	switch {
	case c.Model == "" && len(c.Command) == 0:
		return nil, errors.New("name a --model, or a server of your own after --")
	case c.Workload == result.Idle:
		return nil, errors.New("--workload: idle clients ask for nothing, so there is no promise to keep")
	case !s.Rate && c.Clients != 0:
		return nil, errors.New("--clients is what is looked for; it goes with --find rate")
	}
	from := 1.0
	if s.Rate {
		from = 100
		s.Range.To, s.Clients = cmp.Or(s.Range.To, 1e6), cmp.Or(s.Clients, 100)
	}
	s.Range.From = cmp.Or(s.Range.From, from)
	if s.Model == "" {
		s.Model = strings.TrimSuffix(filepath.Base(c.Command[0]), filepath.Ext(c.Command[0]))
	}
	return s, nil
}

// part reads a part of one.
func part(s string) (float64, error) {
	v, ok := quantity.Fraction(s)
	if !ok || v > 1 {
		return 0, fmt.Errorf("%q is no part; allowed: 0 to 100%%, such as 0.1%%", s)
	}
	return v, nil
}
