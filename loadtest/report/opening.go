package report

import (
	"bufio"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

func (v *view) opening(b *bufio.Writer) {
	fmt.Fprintf(b, "# %s\n\n", prose.Markdown(v.title()))

	s := v.introduction()
	s = append(s, v.validity())
	if state := v.state(); state != "" {
		s = append(s, "**"+state+"**")
	}
	fmt.Fprintf(b, "%s\n\n", strings.Join(s, " "))
}

func (v *view) title() string {
	return cmp.Or(v.run.Title, cmp.Or(v.run.Name, "A run of tierbench"))
}

// introduction says what was done, and on which machine.
func (v *view) introduction() []string {
	const mostAsked = 8 // more do not fit in a sentence
	var s []string
	add := func(format string, args ...any) { s = append(s, fmt.Sprintf(format, args...)) }
	switch {
	case len(v.groups) > mostAsked:
		add("%d models, measured under %d workloads and settings, though not each under all of them; the tables list them.", len(v.names), len(v.groups))
	case len(v.groups) > 0:
		add("%s, each measured under %s.", prose.Capital(prose.List(v.names)), v.asked())
	}
	if loops := v.loops(); loops != "" {
		add("%s", loops)
	}
	if n := v.run.Repeats; n > 0 && len(v.cells) > 0 {
		fewest := n
		for _, c := range v.cells {
			if len(c.Repeats) > 0 && v.state() == "" {
				fewest = min(fewest, len(c.Repeats))
			}
		}
		often := times(n)
		if fewest < n {
			often = fmt.Sprintf("%d to %s", fewest, often)
		}
		add("Each cell was measured %s, each time on a fresh server%s.", often, v.windows())
	}
	if h := v.run.Host; h.CPUModel != "" || h.Cores > 0 {
		where := stats.CPUs(v.cells)
		if where != "" {
			where = ": " + where
		}
		add("The load came from %s on the same host (%s)%s.", cmp.Or(v.run.Generator, "the generator"), host(h), where)
	}
	return s
}

// state says why a run is not complete, if it is not.
func (v *view) state() string {
	switch {
	case v.run.Interrupted:
		return "The run was interrupted: this is what it had measured by then."
	case v.run.Ended.IsZero():
		return "The run has not ended, or was cut short: this is what it has measured."
	}
	return ""
}

// validity says how much of the run counts.
func (v *view) validity() string {
	n := v.verdicts()
	if n.repeats == 0 {
		return "**No repeat has been measured.**"
	}
	s := fmt.Sprintf("%s of %s repeats passed every gate", stats.Group(n.valid), stats.Group(n.repeats))
	if n.suspect > 0 {
		s += fmt.Sprintf(", %s more %s suspect and count", stats.Group(n.suspect), is(n.suspect))
	}
	return s + fmt.Sprintf("; %s of %s cells have at least one that counts.", stats.Group(n.good), stats.Group(len(v.cells)))
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return stats.Group(n) + " times"
}

func is(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// A verdicts is a count of repeats, and of the cells that have one that counts.
type verdicts struct{ repeats, valid, suspect, invalid, good int }

func (v *view) verdicts() verdicts {
	var n verdicts
	for _, c := range v.cells {
		n.repeats += len(c.Repeats)
		n.suspect += len(c.Suspects())
		n.valid += len(c.Counted) - len(c.Suspects())
		n.invalid += len(c.Repeats) - len(c.Counted)
		if len(c.Counted) > 0 {
			n.good++
		}
	}
	return n
}

// asked joins the workloads that share their numbers of clients: "http
// plaintext and echo at 10 and 100 clients; echo idle at 9,000 clients".
func (v *view) asked() string {
	var tiers []string
	titles := map[string][]string{}
	for _, g := range v.groups {
		t := prose.List(g.tiers())
		if titles[t] == nil {
			tiers = append(tiers, t)
		}
		titles[t] = append(titles[t], g.title)
	}
	var s []string
	for _, t := range tiers {
		s = append(s, prose.List(titles[t])+" at "+t+" clients")
	}
	return strings.Join(s, "; ")
}

// loops says what the clients did.
func (v *view) loops() string {
	var s []string
	has := func(f func(*group) bool) bool { return slices.ContainsFunc(v.groups, f) }
	if has(func(g *group) bool { return g.workload != result.Idle && g.loop != result.Open }) {
		s = append(s, "A client is one connection that sends its next request when the last is answered.")
	}
	if has(func(g *group) bool { return g.loop == result.Open }) {
		s = append(s, "In an open loop requests are sent on a schedule: response time counts from when a request was due, service time from when it was sent.")
	}
	if has(func(g *group) bool { return g.workload == result.Idle }) {
		s = append(s, "Idle connections stay open without requests, to measure their memory.")
	}
	return strings.Join(s, " ")
}

func (v *view) windows() string {
	var asked, warm []float64
	for _, c := range v.cells {
		for _, r := range c.Repeats {
			asked = append(asked, r.AskedSec)
			warm = append(warm, r.WarmupSec)
		}
	}
	if len(asked) == 0 {
		return ""
	}
	s := " for " + span(asked) + " s"
	if slices.Max(warm) > 0 {
		s += " after a warm-up of " + span(warm) + " s"
	}
	return s
}

// span returns the range of xs: "a to b", or one value if all are equal.
func span(xs []float64) string {
	lo, hi := slices.Min(xs), slices.Max(xs)
	if lo == hi {
		return fmt.Sprintf("%.3g", lo)
	}
	return fmt.Sprintf("%.3g to %.3g", lo, hi)
}
