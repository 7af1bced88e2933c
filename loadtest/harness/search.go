package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/plan"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/search"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// A Search measures the loads that search.Find asks for. Its run is one of a
// config that grows by a repeat at a time, so its record is like any other, and
// can be resumed.
type Search struct {
	Harness *Harness
	Model   string
	Command []string // of the server; the model is built in if empty

	Rate     bool // find the highest rate of a number of clients, not the most clients
	Clients  int  // that share the rate
	Protocol string
	Workload string        // load.Least of the protocol if empty
	Time     time.Duration // of the workload; 0 if it takes none
	Payload  int           // bytes; 0 for what is usual
	Warmup   time.Duration
	Duration time.Duration

	SLO   search.SLO
	Range search.Range // To may be 0: what this host and the model can have

	// Watch is told of each repeat that was measured, and what it means.
	Watch func(load float64, r *result.Repeat, s search.Sample)

	run    *Run
	levels []level // as they came
}

// A level is a load that is measured, and how often.
type level struct {
	load    float64
	repeats int
}

// Open checks what is asked for and makes the run's folder. Nothing is measured
// yet.
func (s *Search) Open() (*Run, error) {
	limit := Limit()
	if s.Range.To == 0 {
		s.Range.To = float64(s.most(limit))
	}
	if m := s.Range.Mistake(); m != "" {
		return nil, Mistake{errors.New(m)}
	}
	// Both ends of the range are planned before anything starts, for their mistakes.
	var first *plan.Plan
	for _, load := range []float64{s.Range.To, s.Range.From} {
		p, err := s.plan([]level{{load, 1}}, limit)
		if err != nil {
			return nil, err
		}
		first = p
	}
	var err error
	if s.run, err = s.Harness.create(first, nil); err != nil {
		return nil, err
	}
	s.run.Record.ConfigFile = "" // there is none
	return s.run, s.run.write()
}

// most is how many clients this host and the model can have: a model of one
// process has fewer than the host.
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

// Find searches, and writes down how it ended. It is ErrInterrupted if ctx is done
// before. The answer has what was measured in any case.
func (s *Search) Find(ctx context.Context) (*search.Answer, error) {
	answer, err := search.Find(ctx, s.Range, s.measure)
	err = s.run.end(ctx, err)
	return answer, errors.Join(err, s.run.write())
}

// Unit is a load as it is shown.
func (s *Search) Unit(load float64) string {
	switch {
	case s.Rate:
		return stats.PerSecond.Format(load)
	case load == 1:
		return "1 client"
	}
	return stats.Group(int(load)) + " clients"
}

// Title says what is looked for.
func (s *Search) Title() string {
	what := "clients"
	if s.Rate {
		what = fmt.Sprintf("requests a second from %s clients", stats.Group(s.Clients))
	}
	return fmt.Sprintf("The most %s that %s carries with %v", what, s.Model, s.SLO)
}

// config is the text of a config that measures the levels.
func (s *Search) config(levels []level) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Made by tierbench search: the loads that it tried.")
	line("title: %s", quoted(s.Title()))
	line("models: [%s]", quoted(s.Model))
	if len(s.Command) > 0 {
		line("commands: {%s: {run: %s}}", quoted(s.Model), quoted(s.Command))
	}
	asked := s.Workload
	if asked == "" {
		asked = load.Least(s.Protocol).Workload
	}
	extra := ""
	if s.Time != 0 {
		extra += fmt.Sprintf(", time: %v", s.Time)
	}
	if s.Payload != 0 {
		extra += fmt.Sprintf(", payload_bytes: %d", s.Payload)
	}
	line("workloads: [{protocol: %s, workload: %s%s}]", quoted(s.Protocol), quoted(asked), extra)
	line("warmup: %v\nduration: %v", s.Warmup, s.Duration)
	if s.Rate {
		line("loop: open\nclients: [%d]", s.Clients)
	} else {
		line("loop: closed")
	}
	line("experiments:")
	for _, l := range levels {
		load := fmt.Sprintf("clients: [%.0f]", l.load)
		if s.Rate {
			load = fmt.Sprintf("rate: %s/s", strconv.FormatFloat(l.load, 'f', -1, 64))
		}
		line("  - {name: %s, %s, repeats: %d}", quoted(s.Unit(l.load)), load, l.repeats)
	}
	return b.String()
}

// quoted is a value as YAML, of which JSON is a part.
func quoted(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings
	}
	return string(b)
}

func (s *Search) plan(levels []level, limit plan.Limit) (*plan.Plan, error) {
	cfg, err := plan.Parse("what the command line makes a config of", []byte(s.config(levels)))
	if err != nil {
		return nil, err
	}
	cfg.Name = "search"
	p, _, err := s.Harness.planWithin(cfg, limit)
	return p, err
}

// measure makes one more repeat of a load.
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
	r.ask(p, nil)
	r.Record.ConfigFile = "" // there is none
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
	if last == nil || last.Failure == loadtest.Interrupted {
		return search.Sample{}, ErrInterrupted
	}
	r.repeats = append(r.repeats, *last)
	sample := s.SLO.Judge(last)
	s.Watch(at, last, sample)
	return sample, nil
}
