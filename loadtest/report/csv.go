package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// CSV writes a line for each cell: what was asked, how many of its repeats
// count, and each metric's median with the ends of its interval, in base
// units. What a cell has no value of, or no interval, is empty.
func CSV(w io.Writer, set *result.Set) error {
	out := csv.NewWriter(w)
	head := []string{"run", "model", "protocol", "workload", "clients", "loop", "rate", "setting", "rate_rps",
		"verdict", "repeats", "counted", "suspect", "interval", "reasons"}
	for _, m := range stats.Metrics {
		head = append(head, m.Name, m.Name+"_lo", m.Name+"_hi")
	}
	if err := out.Write(head); err != nil {
		return err
	}
	num := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for _, c := range stats.Cells(&set.Run, set.Repeats) {
		rate := ""
		if c.RateRPS > 0 {
			rate = num(c.RateRPS)
		}
		verdict := or(string(c.Verdict()), "not measured")
		line := []string{set.Run.ID, c.Model, c.Protocol, c.Workload, strconv.Itoa(c.Clients), c.Loop, c.Rate, c.Setting, rate,
			verdict, strconv.Itoa(len(c.Repeats)), strconv.Itoa(len(c.Counted)), strconv.Itoa(len(c.Suspects())),
			stats.Intervals([]*stats.Cell{c}), doubts(c)}
		for _, m := range stats.Metrics {
			s := c.Median(m)
			cells := []string{"", "", ""}
			if s.N > 0 {
				cells[0] = num(s.Value)
			}
			if s.Known() {
				cells[1], cells[2] = num(s.Lo), num(s.Hi)
			}
			line = append(line, cells...)
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
