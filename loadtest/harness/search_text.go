package harness

import (
	"fmt"
	"math"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/search"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

var outcomes = map[stats.Outcome]string{stats.Met: "kept", stats.Missed: "missed", stats.Unmeasured: "not usable"}

func format(m stats.Metric, r *result.Repeat) string {
	if v, ok := m.Value(r); ok {
		return m.Unit.Format(v)
	}
	return "–"
}

// log writes the outcome of a repeat.
func (s *Search) log(load float64, r *result.Repeat, sample search.Sample) {
	why := ""
	if sample.Why != "" {
		why = ": " + sample.Why
	}
	fmt.Fprintf(s.Log, "%s, repeat %d: %s%s (%s, p99 %s)\n", s.Unit(load), r.Repeat, outcomes[sample.Outcome], why, format(stats.Throughput, r), format(stats.ShownP99, r))
}

// Table returns a table with a line for each load, with the medians of the repeats that
// count.
func (s *Search) Table(a *search.Answer, cells []*stats.Cell) string {
	levels := table.New(table.Right("load", "kept", "missed", "unusable", "req/s", "p99", "CPU/req"))
	for i := range a.Levels {
		l := &a.Levels[i]
		rate := result.Schedule{Rate: result.Rate{PerSecond: l.Load}}.Rounded()
		value := func(m stats.Metric) string {
			for _, c := range cells {
				if s.Rate && c.Rate != rate || !s.Rate && c.Clients != int(math.Round(l.Load)) {
					continue
				}
				if e := c.Median(m); e.N > 0 {
					return m.Unit.Format(e.Value)
				}
			}
			return "–"
		}
		levels.Row(s.Unit(l.Load), l.Count(stats.Met), l.Count(stats.Missed), l.Count(stats.Unmeasured),
			strings.TrimSuffix(value(stats.Throughput), "/s"), value(stats.ShownP99), value(stats.CPU))
	}
	return levels.Text(0)
}

// Conclusion returns the answer as a sentence.
func (s *Search) Conclusion(a *search.Answer) string {
	of := func(load float64, o stats.Outcome) string {
		l := a.Level(load)
		text := fmt.Sprintf("%d of %d repeats", l.Count(o), len(l.Samples))
		if why := l.Why(o); why != "" {
			text += ": " + why
		}
		return text
	}
	m := s.Model
	switch a.End {
	case search.Found:
		return fmt.Sprintf("%s: kept at %s (%s), missed at %s (%s)", m, s.Unit(a.Best), of(a.Best, stats.Met), s.Unit(a.Next), of(a.Next, stats.Missed))
	case search.Unbounded:
		return fmt.Sprintf("%s: no bound found up to %s (kept in %s)", m, s.Unit(a.Best), of(a.Best, stats.Met))
	case search.Blocked:
		return fmt.Sprintf("%s: no bound found up to %s (kept in %s); at %s something other than the server limits the result (%s)",
			m, s.Unit(a.Best), of(a.Best, stats.Met), s.Unit(a.Next), of(a.Next, stats.Unmeasured))
	case search.None:
		return fmt.Sprintf("%s: already missed at %s, where the search began (%s)", m, s.Unit(a.Next), of(a.Next, stats.Missed))
	}
	if a.Best == 0 && a.Next > 0 {
		return fmt.Sprintf("%s: no usable repeat at %s, where the search began (%s)", m, s.Unit(a.Next), of(a.Next, stats.Unmeasured))
	}
	return fmt.Sprintf("%s: not decided after %d measurements; raise --most or --within", m, a.Samples)
}
