package advise

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// Write writes what limits each model, with the arithmetic.
func Write(out io.Writer, advice []Advice) error {
	w := new(bytes.Buffer)
	for i, a := range advice {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s %s", a.Model, a.Fit)
		if l := a.Tightest(); l != nil {
			fmt.Fprintf(w, ": headroom %s, by %s", times(l.Headroom()), l.What)
		}
		fmt.Fprintln(w)
		t := table.New(table.Left(""), table.Right(""), table.Left(""))
		t.Indent = 2
		for _, l := range a.Limits {
			t.Row(l.What, times(l.Headroom()), strings.Join(l.Steps, "\n"))
		}
		fmt.Fprint(w, t.Text(0))
		for _, d := range a.Doubts {
			fmt.Fprintf(w, "  ? %s\n", d)
		}
	}
	_, err := out.Write(w.Bytes())
	return err
}

func times(x float64) string { return fmt.Sprintf("%.3g×", x) }

// WriteCheck writes predictions next to the measured values, and how far off they are
// overall.
func WriteCheck(w io.Writer, all []Prediction) error {
	t := table.New(table.Left("model", "workload"), table.Right("clients"), table.Left("what"), table.Right("predicted", "measured", "error", "±"), table.Left(""))
	for _, p := range all {
		outside, spread := "", "–"
		if p.Outside {
			outside = "outside"
		}
		if !math.IsNaN(p.Spread) && p.Spread > 0 {
			spread = fmt.Sprintf("%.1f %%", 100*p.Spread)
		}
		t.Row(p.Model, p.Asked, stats.Group(p.Clients), p.What, p.Unit.Format(p.Predicted), p.Unit.Format(p.Measured), fmt.Sprintf("%+.1f %%", 100*p.Error()), spread, outside)
	}
	errs := table.New(table.Left("error, without its sign", ""), table.Right("n", "median", "90 %", "largest"))
	part := func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }
	for _, a := range Accuracies(all) {
		where := "between"
		if a.Outside {
			where = "outside"
		}
		errs.Row(a.What, where, a.N, part(a.Median), part(a.P90), part(a.Max))
	}
	_, err := fmt.Fprintf(w, "%s\n%s\n± is the larger half of the measured value's interval. Outside means beyond the numbers of clients that were kept.\n", t.Text(0), errs.Text(0))
	return err
}
