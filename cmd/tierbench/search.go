package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
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
	boxFlag
	Command []string `arg:"" optional:"" help:"A server of your own, after --, as in a config; {addr}, {host}, {port}, {protocol} and {cpus} are replaced."`
	Model   string   `help:"A model that is built in; or what to call the server of your own." placeholder:"NAME"`

	Find     string        `help:"What to search for: the most clients (closed loop), or the highest rate (open loop)." enum:"clients,rate" default:"clients"`
	Protocol string        `help:"http or echo." default:"http"`
	Workload string        `help:"The workload, as in a config. Default: plaintext, or echo over the protocol echo." placeholder:"NAME"`
	Time     time.Duration `help:"How long the server takes for an answer, for a workload that takes a time." placeholder:"50ms"`
	Payload  int           `help:"Bytes that are sent and come back, for the workload echo." placeholder:"64"`
	Clients  int           `help:"Number of clients that make the requests (--find rate)." placeholder:"100"`

	P50    time.Duration `name:"p50" help:"Longest allowed median latency." placeholder:"TIME"`
	P90    time.Duration `name:"p90" help:"Longest allowed 90th percentile." placeholder:"TIME"`
	P99    time.Duration `name:"p99" help:"Longest allowed 99th percentile." placeholder:"TIME"`
	P999   time.Duration `name:"p999" help:"Longest allowed 99.9th percentile." placeholder:"TIME"`
	Max    time.Duration `help:"Longest allowed latency of any request." placeholder:"TIME"`
	Errors string        `help:"Largest allowed part of requests that fail, such as 0 or 0.1%." default:"0" placeholder:"0"`

	From     float64       `help:"Where to start: clients, or requests a second. Default: 1 client, or 100/s." placeholder:"N"`
	To       float64       `help:"Where to stop. Default: the most that this host and the model can carry, or 1000000/s." placeholder:"N"`
	Within   string        `help:"How close together the load that is carried and the load that is not must be at the end." default:"5%" placeholder:"5%"`
	Repeats  int           `help:"Number of measurements that confirm each of the two loads; an odd number." default:"3" placeholder:"3"`
	Most     int           `help:"Number of measurements after which to give up." default:"80" placeholder:"80"`
	Warmup   time.Duration `help:"Warm-up before each measurement." default:"500ms" placeholder:"500ms"`
	Duration time.Duration `help:"Length of each measurement." default:"2s" placeholder:"2s"`
	Results  string        `help:"The folder in which the run's folder is created." default:"results" type:"path"`
}

// Help is an example for --help.
func (c *searchCmd) Help() string {
	return "Doubles the load until it breaks the bounds, bisects, and repeats the measurements at both ends. Every measurement is saved and reported like those of a run. " +
		"Latencies are service times for clients, response times for a rate.\n\n" +
		"Examples:\n\n" +
		"    tierbench search --model eventloop --p99 50ms\n\n" +
		"    tierbench search --find rate --clients 200 --p99 5ms --errors 0.1% --workload wait --time 2ms --model thread\n\n" +
		"    tierbench search --box 64MiB,1 --p99 250ms --workload wait --time 50ms --model thread\n\n" +
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
	// Without a command, the model must be a built-in one.
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
	// Only a complete search becomes the latest run.
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

// search returns the search that the flags describe, without its harness.
func (c *searchCmd) search() (*harness.Search, error) {
	s := &harness.Search{
		Model: c.Model, Command: c.Command, Box: c.Box.Limits, Rate: c.Find == "rate", Clients: c.Clients,
		Protocol: c.Protocol, Request: load.Request{Workload: c.Workload, Time: c.Time, PayloadBytes: c.Payload}, Warmup: c.Warmup, Duration: c.Duration,
		Range: search.Range{From: c.From, To: c.To, Whole: c.Find == "clients", Confirm: c.Repeats, Most: c.Most},
	}
	for _, b := range []struct {
		metric stats.Metric // by the name of its flag
		most   time.Duration
	}{{stats.P50, c.P50}, {stats.P90, c.P90}, {stats.P99, c.P99}, {stats.P999, c.P999}, {stats.Max, c.Max}} {
		switch {
		case b.most < 0:
			return nil, fmt.Errorf("--%s: %v is not allowed; allowed: a duration above 0", b.metric.Name, b.most)
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
		return nil, errors.New("--workload: idle is not allowed, because idle clients send no requests to measure")
	case !s.Rate && c.Clients != 0:
		return nil, errors.New("--clients is only for --find rate; here the number of clients is what the search finds")
	}
	from := 1.0
	if s.Rate {
		from = 100
		s.Range.To, s.Clients = cmp.Or(s.Range.To, 1e6), cmp.Or(s.Clients, 100)
	}
	s.Range.From = cmp.Or(s.Range.From, from)
	if s.Model == "" {
		s.Model = program(c.Command)
	}
	return s, nil
}

// part parses a fraction from 0 to 1.
func part(s string) (float64, error) {
	v, ok := quantity.Fraction(s)
	if !ok || v > 1 {
		return 0, fmt.Errorf("%q is not a fraction; allowed: 0 to 100%%, such as 0.1%%", s)
	}
	return v, nil
}
