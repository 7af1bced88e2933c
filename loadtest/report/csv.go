package report

import (
	"cmp"
	"io"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// CSV writes a line for each cell: its key, how many of its repeats count, and each metric's
// median with the ends of its interval, in base units. A missing value or interval is empty. A percentile is
// there however few requests were answered; their median number is in the line.
func CSV(w io.Writer, set *result.Set) error {
	t := table.New(table.Left("run", "model", "protocol", "workload", "clients", "loop", "rate", "setting", "rate_rps",
		"verdict", "repeats", "counted", "suspect", "requests", "interval", "reasons"))
	for _, m := range stats.Metrics {
		t.Columns = append(t.Columns, table.Right(m.Name, m.Name+"_lo", m.Name+"_hi")...)
	}
	known := func(v float64, known bool) any {
		if !known {
			return ""
		}
		return v
	}
	for _, c := range stats.Cells(&set.Run, set.Repeats) {
		row := []any{set.Run.ID, c.Model, c.Protocol, c.Workload, c.Clients, c.Loop, c.Rate.String(), c.Setting.String(), known(c.RateRPS, c.RateRPS > 0),
			cmp.Or(string(c.Verdict()), "not measured"), len(c.Repeats), len(c.Counted), len(c.Suspects()), known(c.Typical(answers), len(c.Counted) > 0), stats.Intervals([]*stats.Cell{c}), doubts(c)}
		for _, m := range stats.Metrics {
			s := c.Median(m)
			row = append(row, known(s.Value, s.N > 0), known(s.Lo, s.Known()), known(s.Hi, s.Known()))
		}
		t.Row(row...)
	}
	return t.CSV(w)
}

func answers(r *result.Repeat) float64 { return float64(r.Requests) }
