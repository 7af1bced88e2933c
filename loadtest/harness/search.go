package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/search"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Search measures the loads that search.Find chooses. Its config grows by one repeat at
// a time, so its record is like that of any other run and can be resumed.
type Search struct {
	Harness *Harness
	Model   string
	Box     result.Limits
	Command []string // of the server; the model is built in if empty

	Rate     bool // search for the highest rate of Clients, not for the most clients
	Clients  int  // for Rate
	Protocol string
	Request  load.Request // load.Least of the protocol if it names no workload
	Warmup   time.Duration
	Duration time.Duration

	Promise search.Promise
	Range   search.Range // To may be 0: the most that this host and the model can carry

	Log io.Writer // gets a line about each repeat

	run    *Run
	levels []level // in the order in which they were first measured
}

// A level is a load and the number of its repeats.
type level struct {
	load    float64
	repeats int
}

// Open checks the options and creates the run's folder. It measures nothing.
func (s *Search) Open() (*Run, error) {
	limit := Limit()
	if s.Range.To == 0 {
		s.Range.To = float64(s.most(limit))
	}
	if m := s.Range.Mistake(); m != "" {
		return nil, UsageError{errors.New(m)}
	}
	// Plan both ends of the range, to find mistakes before anything starts.
	var first *plan.Plan
	for _, load := range []float64{s.Range.To, s.Range.From} {
		p, err := s.plan([]level{{load, 1}}, limit)
		if err != nil {
			return nil, err
		}
		first = p
	}
	var err error
	s.run, err = s.Harness.create(first, nil)
	return s.run, err
}

// most returns the most clients that this host and the model can carry: a model with a
// single process can have fewer clients than the host.
func (s *Search) most(limit plan.Limit) int64 {
	most := limit.Clients
	for _, m := range s.Harness.Models {
		if m.Name == s.Model {
			of, _ := limit.Of(m, &plan.Experiment{Generators: []string{plan.Vegeta}})
			most = min(most, of)
		}
	}
	return most
}

// Find searches, and records how the run ended. It returns ErrInterrupted if ctx is done
// first. The answer contains what was measured even if Find fails.
func (s *Search) Find(ctx context.Context) (*search.Answer, error) {
	answer, err := search.Find(ctx, s.Range, s.measure)
	err = s.run.end(ctx, err)
	return answer, errors.Join(err, s.run.write())
}

// Unit formats a load.
func (s *Search) Unit(load float64) string {
	if s.Rate {
		return stats.PerSecond.Format(load)
	}
	return prose.Count(int(load), "client")
}

// Title says what the search looks for.
func (s *Search) Title() string {
	goal := "clients"
	if s.Rate {
		goal = fmt.Sprintf("requests a second from %s clients", stats.Group(s.Clients))
	}
	in := ""
	if s.Box != (result.Limits{}) {
		in = fmt.Sprintf(" in a box of %v", s.Box)
	}
	return fmt.Sprintf("The most %s that %s carries%s with %v", goal, s.Model, in, s.Promise)
}

// plan returns the plan of a config with these levels.
func (s *Search) plan(levels []level, limit plan.Limit) (*plan.Plan, error) {
	cfg := plan.Config{Name: "search", Title: s.Title(), Seed: 1}
	if len(s.Command) > 0 {
		cfg.Commands = map[string]plan.Command{s.Model: {Run: s.Command}}
	}
	ask := s.Request
	if ask.Workload == "" {
		ask.Workload = load.Least(s.Protocol).Workload
	}
	for _, l := range levels {
		e := plan.Experiment{
			Name: s.Unit(l.load), Models: []string{s.Model}, Workloads: []plan.Workload{{Protocol: s.Protocol, Requests: []load.Request{ask}}},
			Warmup: s.Warmup, Duration: s.Duration, Repeats: l.repeats, Box: s.Box,
		}
		if s.Rate {
			e.Loops, e.Clients, e.Rate.PerSecond = []string{result.Open}, []int{s.Clients}, l.load
		} else {
			e.Loops, e.Clients = []string{result.Closed}, []int{int(min(l.load, math.MaxInt32))}
		}
		cfg.Experiments = append(cfg.Experiments, &e)
	}
	made, err := plan.New(cfg)
	if err != nil {
		return nil, err
	}
	p, _, err := s.Harness.planWithin(made, limit)
	return p, err
}

// measure measures one more repeat of a load.
func (s *Search) measure(ctx context.Context, at float64) (search.Sample, error) {
	r := s.run
	i := slices.IndexFunc(s.levels, func(l level) bool { return l.load == at })
	if i < 0 {
		i = len(s.levels)
		s.levels = append(s.levels, level{load: at})
	}
	s.levels[i].repeats++
	p, err := s.plan(s.levels, Limit())
	if err != nil {
		return search.Sample{}, err
	}
	r.use(p, nil)
	if err := r.write(); err != nil {
		return search.Sample{}, err
	}
	var last *result.Repeat
	campaign := r.campaign()
	campaign.Save = func(rep *result.Repeat, series []result.Second, w *load.Window, c loadtest.Clients) error {
		last = rep
		return r.save(rep, series, w, c)
	}
	if err := campaign.Run(ctx); err != nil {
		return search.Sample{}, err
	}
	if last == nil || last.FailureKind == result.Interrupted {
		return search.Sample{}, ErrInterrupted
	}
	r.repeats = append(r.repeats, *last)
	sample := s.Promise.Judge(last)
	s.log(at, last, sample)
	return sample, nil
}
