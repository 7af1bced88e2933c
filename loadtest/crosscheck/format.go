package crosscheck

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// Write writes the rows as a table for a terminal, with notes and reasons below it.
func Write(w io.Writer, rows []Row) error {
	t := table.New(table.Left("model", "asked"), table.Right("clients"), table.Left("peer"),
		table.Right("req/s", "peer's", "ours ÷ peer's", "", "p50 ÷", "p99 ÷", "in flight"), table.Left("outcome"))
	for i := range rows {
		r := &rows[i]
		c := ofBoth(r.Ours)
		t.Row(c.Model, c.Asked(), c.At(), r.Generator,
			value(r.Ours, stats.Throughput), value(r.Peer, stats.Throughput), r.Throughput.Format(stats.Times), r.Throughput.Ends(stats.Times),
			r.P50.Format(stats.Times), r.P99.Format(stats.Times), inFlight(r.Ours)+" : "+inFlight(r.Peer), r.Word())
	}
	notes := []string{
		fmt.Sprintf("agree: the interval of the quotient is within ±%.0f %%; undecided: it is partly outside; quotients are medians over the pairs of each round", 100*Within),
		"in flight: throughput × mean latency, ours : peer's; by Little's law, the number of clients waiting for an answer",
	}
	for i := range rows {
		if n := counting[strings.TrimSuffix(strings.TrimSuffix(rows[i].Generator, "-same"), "-t")]; n != "" && !slices.Contains(notes, n) {
			notes = append(notes, n)
		}
	}
	fmt.Fprintf(w, "%s\n%s\n", t.Text(0), strings.Join(notes, "\n"))
	for i := range rows {
		r := &rows[i]
		if len(r.Reasons) == 0 {
			continue
		}
		first, _, _ := strings.Cut(strings.Join(r.Reasons, "; "), "\n")
		fmt.Fprintf(w, "%s %s %s %s, %s: %s\n", r.sign(), r.Ours.Model, ofBoth(r.Ours).Asked(), ofBoth(r.Ours).At(), r.Generator, first)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", Summary(rows))
	return err
}

// ofBoth returns the cell without its generator.
func ofBoth(c *stats.Cell) *stats.Cell {
	_, k := generator(c.Key)
	return &stats.Cell{Key: k}
}

// counting says how other generators measure latency differently from this project's.
var counting = map[string]string{
	"wrk":  "wrk starts a request's clock when its event loop gets to write it, not when the client was free: fewer of its clients wait at any time, and each for a shorter time",
	"wrk2": "wrk2 schedules a request by a timer of whole milliseconds, and counts from when the request was due: its response times include that wait",
	"oha":  "oha gives nine percentiles of all answers of its run, whatever their status; the mean is estimated from them",
}

func (r *Row) sign() string {
	if r.Outcome == stats.Missed && r.Reasons == nil || r.Outcome == stats.Unmeasured {
		return "!"
	}
	return "?"
}

// Summary counts the outcomes.
func Summary(rows []Row) string {
	if len(rows) == 0 {
		return "there is nothing to compare: no cell was measured by " + Ours + " and by another generator"
	}
	var parts []string
	for _, word := range []string{"agree", "undecided", "explained", "DISAGREE", "unmeasured"} {
		n := 0
		for i := range rows {
			if rows[i].Word() == word {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, strings.ToLower(word)))
		}
	}
	return fmt.Sprintf("of %d pairs: %s", len(rows), strings.Join(parts, ", "))
}

func value(c *stats.Cell, m stats.Metric) string {
	return strings.TrimSuffix(c.Median(m).Format(m.Unit), "/s")
}

// inFlight returns the mean number of clients that waited for an answer.
func inFlight(c *stats.Cell) string {
	if len(c.Counted) == 0 {
		return "–"
	}
	n := c.Typical(func(r *result.Repeat) float64 { return r.ThroughputRPS * r.Service.Mean })
	if n >= 100 {
		return stats.Group(int(n + 0.5))
	}
	return fmt.Sprintf("%.3g", n)
}
