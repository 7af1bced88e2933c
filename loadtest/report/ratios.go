package report

import (
	"bufio"
	"cmp"
	"fmt"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

func (v *view) ratios(b *bufio.Writer) {
	if len(v.run.Ratios) == 0 {
		return
	}
	fmt.Fprintf(b, "## Compared with peers\n\n%s\n%s\n\n", v.ratioTable().Markdown(), aboutRatios)
}

const aboutRatios = "A ratio is the median of model ÷ peer over the repeats that count on both sides, with the interval of that median. " +
	"Undecided means that the interval includes the bound: the median decides, but might decide otherwise in another run."

func (v *view) ratioTable() *table.Table {
	t := table.New(table.Left("model", "peer", "metric", "workload"), table.Right("clients", "ratio", "interval"), table.Left("asked", "outcome"))
	for _, ask := range v.run.Ratios {
		found := stats.Compare(v.cells, ask)
		peer := ask.Peer
		if ask.AcrossSettings() {
			peer += " (" + cmp.Or(ask.PeerSetting.String(), "as usual") + ")"
		}
		for _, c := range found {
			t.Row(ask.Model, peer, ask.Metric, c.Cell.Asked(), c.Cell.At(), c.Format(stats.Times), c.Ends(stats.Times), bounds(ask), v.outcome(c))
		}
		if len(found) == 0 {
			t.Row(ask.Model, peer, ask.Metric, cmp.Or(strings.TrimSpace(ask.Protocol+" "+ask.Workload), "any"), "–", "–", "–", bounds(ask), "this run has no matching cell")
		}
	}
	return t
}

func bounds(r result.Ratio) string {
	var s []string
	for _, b := range stats.Bounds(r) {
		s = append(s, b.String())
	}
	return cmp.Or(strings.Join(s, ", "), "–")
}

func (v *view) outcome(c stats.Comparison) table.Cell {
	cell := table.Text("pass")
	switch c.Outcome {
	case stats.Unmeasured:
		for _, m := range []string{c.Ask.Model, c.Ask.Peer} {
			if _, ok := v.run.Absent[m]; ok {
				return table.Text("not measured: " + m + " is absent")
			}
		}
		return table.Text("not measured: no repeat counts on both sides")
	case stats.Unbounded:
		return table.Missing
	case stats.Missed:
		cell = table.Marked(fmt.Sprintf("misses by %.3f", c.By), table.Strong)
	}
	if c.Undecided {
		cell = cell.Add(", undecided")
	}
	if c.Suspect {
		cell = cell.Add(", suspect")
	}
	return cell
}
