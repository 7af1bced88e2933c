package report

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/chart"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// Markdown writes the report. Its charts are links into charts/.
func Markdown(w io.Writer, set *result.Set) error {
	b := bufio.NewWriter(w)
	v := newView(set)
	for _, section := range []func(*bufio.Writer){
		v.opening, v.summary, v.charts, v.models, v.details, v.ratios, v.gates, v.host, v.reproduce,
	} {
		section(b)
	}
	return b.Flush()
}

func (v *view) opening(b *bufio.Writer) {
	title := v.run.Title
	if title == "" {
		title = v.run.Name
	}
	if title == "" {
		title = "A run of tierbench"
	}
	fmt.Fprintf(b, "# %s\n\n", plain(title))

	var s []string
	add := func(format string, args ...any) { s = append(s, fmt.Sprintf(format, args...)) }
	if len(v.groups) > 0 {
		add("%s, each asked for %s.", capital(list(v.names)), v.asked())
	}
	if loops := v.loops(); loops != "" {
		add("%s", loops)
	}
	if n := v.run.Repeats; n > 0 && len(v.cells) > 0 {
		add("Each cell is measured %s, each time on a fresh server%s.", times(n), v.windows())
	}
	if h := v.run.Host; h.CPUModel != "" || h.Cores > 0 {
		add("The load came from %s on the same host (%s), so server and generator share the cores.", or(v.run.Generator, "the generator"), host(h))
	}
	valid, repeats, good := 0, 0, 0
	for _, c := range v.cells {
		valid += len(c.Valid)
		repeats += len(c.Repeats)
		if len(c.Valid) > 0 {
			good++
		}
	}
	if repeats == 0 {
		add("**No repeat has been measured.**")
	} else {
		add("%s of %s repeats passed every gate; %s of %s cells have at least one that did.",
			stats.Group(valid), stats.Group(repeats), stats.Group(good), stats.Group(len(v.cells)))
	}
	switch {
	case v.run.Interrupted:
		add("**The run was interrupted: what it had measured by then is here.**")
	case v.run.Ended.IsZero():
		add("**The run has not ended, or was cut short: what it has measured is here.**")
	}
	fmt.Fprintf(b, "%s\n\n", strings.Join(s, " "))
}

// asked joins the workloads that share their numbers of clients: "http
// plaintext and echo at 10 and 100 clients; echo idle at 9,000 clients".
func (v *view) asked() string {
	var tiers []string
	titles := map[string][]string{}
	for _, g := range v.groups {
		t := list(g.tiers())
		if titles[t] == nil {
			tiers = append(tiers, t)
		}
		titles[t] = append(titles[t], g.title)
	}
	var s []string
	for _, t := range tiers {
		s = append(s, list(titles[t])+" at "+t+" clients")
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
		s = append(s, "In an open loop requests are sent on a schedule, and latency counts from the scheduled instant.")
	}
	if has(func(g *group) bool { return g.workload == result.Idle }) {
		s = append(s, "Idle connections are only held, to weigh them.")
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

// span is the one value of xs, or "a to b".
func span(xs []float64) string {
	lo, hi := slices.Min(xs), slices.Max(xs)
	if lo == hi {
		return fmt.Sprintf("%.3g", lo)
	}
	return fmt.Sprintf("%.3g to %.3g", lo, hi)
}

func (v *view) summary(b *bufio.Writer) {
	if len(v.groups) == 0 {
		fmt.Fprint(b, "Nothing was measured.\n\n")
		return
	}
	fmt.Fprint(b, "## Summary\n\n")
	var notes notes
	var load, idle []*group
	for _, g := range v.groups {
		if g.workload == result.Idle {
			idle = append(idle, g)
		} else {
			load = append(load, g)
		}
	}
	for _, gs := range [][]*group{load, idle} {
		if len(gs) > 0 {
			v.summaryTable(b, gs, &notes)
		}
	}
	fmt.Fprintf(b, "Bold is the best of the row and what ties with it: within 5 %% of the best or with an interval that overlaps its. %s\n\n", v.spreads())
	for i, n := range notes {
		fmt.Fprintf(b, "<sup>%d</sup> %s  \n", i+1, plain(n))
	}
	if len(notes) > 0 {
		b.WriteByte('\n')
	}
}

// spreads says what the numbers after ± are.
func (v *view) spreads() string {
	if v.intervals == "" {
		return "No cell has two valid repeats, so nothing is known of the spread."
	}
	return "± is the larger half of the interval, which is the " + v.intervals + "."
}

func (v *view) summaryTable(b *bufio.Writer, gs []*group, notes *notes) {
	ms := gs[0].layout().metrics
	t := table{}
	t.col("", "clients>")
	for _, m := range v.names {
		t.col(m + ">")
	}
	t.col("best")
	for _, g := range gs {
		for _, r := range g.rows {
			best := g.best(r)
			cells := []string{g.title, r.label()}
			var names []string
			for i, c := range r.cells {
				cells = append(cells, summaryCell(c, ms, g.headline(), slices.Contains(best, i), notes))
			}
			for _, i := range best {
				names = append(names, v.names[i])
			}
			switch len(best) {
			case 0:
				cells = append(cells, "–")
			case 1:
				cells = append(cells, names[0])
			default:
				cells = append(cells, "tie: "+strings.Join(names, ", "))
			}
			t.row(cells...)
		}
	}
	what := "Throughput with its interval; below it p99 latency and the server's CPU time per request."
	if gs[0].workload == result.Idle {
		what = "User memory per idle client with its interval; below it user memory and kernel stacks in all, and threads."
	}
	fmt.Fprintf(b, "%s Medians of the valid repeats.\n\n", what)
	t.write(b)
}

func summaryCell(c *stats.Cell, ms [3]stats.Metric, head stats.Metric, best bool, notes *notes) string {
	switch {
	case c == nil:
		return "–"
	case len(c.Repeats) == 0:
		return "not measured"
	case len(c.Valid) == 0:
		return "invalid" + notes.mark(c)
	}
	f := func(m stats.Metric) string {
		s := m.Unit.Format(c.Summary(m).Median)
		if c.Summary(m).N == 0 {
			s = "–"
		}
		if best && m.Name == head.Name {
			return "**" + s + "**"
		}
		return s
	}
	s := f(ms[0])
	if sp := spread(c.Summary(ms[0])); sp != "" {
		s += " " + sp
	}
	return s + notes.mark(c) + "<br>" + f(ms[1]) + " · " + f(ms[2])
}

// notes are a table's footnotes; cells with the same one share it.
type notes []string

// mark is the footnote sign of a cell that some repeat of is missing from.
func (n *notes) mark(c *stats.Cell) string {
	if len(c.Valid) == len(c.Repeats) {
		return ""
	}
	text := fmt.Sprintf("%d of %d repeats valid", len(c.Valid), len(c.Repeats))
	if why := firstReason(c); why != "" {
		text += ": " + why
	}
	i := slices.Index(*n, text)
	if i < 0 {
		i = len(*n)
		*n = append(*n, text)
	}
	return fmt.Sprintf("<sup>%d</sup>", i+1)
}

func (v *view) charts(b *bufio.Writer) {
	first := true
	for _, c := range chart.All {
		if _, ok := c.Figure(v.run, v.cells); !ok {
			continue
		}
		if first {
			fmt.Fprint(b, "## Charts\n\n")
			first = false
		}
		fmt.Fprintf(b, "![%s](%s/%s)\n\n", c.Alt(), result.ChartsDir, c.File)
	}
}

func (v *view) models(b *bufio.Writer) {
	if len(v.run.Models)+len(v.run.Absent) == 0 {
		return
	}
	fmt.Fprint(b, "## Models\n\n")
	for _, m := range v.run.Models {
		fmt.Fprintf(b, "- **%s**", inline(m.Name))
		if m.Doc != "" {
			fmt.Fprintf(b, ": %s.", strings.TrimSuffix(plain(m.Doc), "."))
		}
		if len(m.Command) > 0 {
			fmt.Fprintf(b, " Started as %s.", code(strings.Join(m.Command, " ")))
		}
		b.WriteByte('\n')
	}
	for _, name := range slices.Sorted(maps.Keys(v.run.Absent)) {
		fmt.Fprintf(b, "- **%s** is absent from this run: %s\n", inline(name), plain(v.run.Absent[name]))
	}
	b.WriteByte('\n')
}

// details are two tables for each workload: what the clients saw, and what it
// cost the server.
func (v *view) details(b *bufio.Writer) {
	for _, g := range v.groups {
		fmt.Fprintf(b, "## %s\n\n", g.title)
		if g.workload != result.Idle {
			t := table{}
			t.col("clients>", "model", "valid>", "throughput>", "interval>", "p50>", "p90>", "p99>", "p99.9>", "max>")
			g.each(v, func(label, model string, c *stats.Cell) {
				s := c.Summary(stats.Throughput)
				t.row(label, model, kOfN(c), value(c, stats.Throughput), interval(s, stats.PerSecond),
					value(c, stats.P50), value(c, stats.P90), value(c, stats.P99), value(c, stats.P999), value(c, stats.Max))
			})
			t.write(b)
		}
		t := table{}
		t.col("clients>", "model")
		if g.workload == result.Idle {
			t.col("valid>")
		} else {
			t.col("CPU user>", "CPU system>", "switches>")
		}
		t.col("memory per client>", "user memory>", "kernel stacks>", "threads>", "processes>", "connections per process")
		g.each(v, func(label, model string, c *stats.Cell) {
			cells := []string{label, model}
			if g.workload == result.Idle {
				cells = append(cells, kOfN(c))
			} else {
				cells = append(cells, value(c, stats.CPUUser), value(c, stats.CPUSys), value(c, stats.CtxSwitches))
			}
			t.row(append(cells, value(c, stats.Memory), value(c, stats.PSS), value(c, stats.KernelStacks),
				value(c, stats.Threads), value(c, stats.Processes), connections(c))...)
		})
		t.write(b)
	}
	if len(v.groups) > 0 {
		fmt.Fprint(b, "Medians of the valid repeats. CPU time and context switches are for each request, over the whole process tree. "+
			"Memory per client is the growth of PSS from before the first connection to the end of the window, divided by the clients; "+
			"at few clients it is mostly what the server allocates once. Connections per process are those of the first valid repeat.\n\n")
	}
}

// each calls f for every cell of the group, by clients and model.
func (g *group) each(v *view, f func(label, model string, c *stats.Cell)) {
	for _, r := range g.rows {
		for i, c := range r.cells {
			if c != nil {
				f(r.label(), v.names[i], c)
			}
		}
	}
}

func kOfN(c *stats.Cell) string {
	if len(c.Repeats) == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%d/%d", len(c.Valid), len(c.Repeats))
}

func value(c *stats.Cell, m stats.Metric) string {
	s := c.Summary(m)
	if s.N == 0 {
		return "–"
	}
	return m.Unit.Format(s.Median)
}

func interval(s stats.Summary, u stats.Unit) string {
	if s.Kind == stats.None {
		return "–"
	}
	return u.Format(s.Lo) + " – " + u.Format(s.Hi)
}

// connections tells how evenly the first valid repeat's connections lie on the
// processes.
func connections(c *stats.Cell) string {
	if len(c.Valid) == 0 || len(c.Valid[0].Server.ConnsPerProcess) == 0 {
		return "–"
	}
	of := c.Valid[0].Server.ConnsPerProcess
	if n := len(of); n > 4 {
		return fmt.Sprintf("%s to %s on %d", stats.Group(of[n-1]), stats.Group(of[0]), n)
	}
	var s []string
	for _, n := range of {
		s = append(s, stats.Group(n))
	}
	return strings.Join(s, " + ")
}

func (v *view) ratios(b *bufio.Writer) {
	if len(v.run.Ratios) == 0 {
		return
	}
	fmt.Fprint(b, "## Beside their peers\n\n")
	t := table{}
	t.col("model", "peer", "metric", "workload", "clients>", "ratio>", "interval>", "asked", "outcome")
	for _, ask := range v.run.Ratios {
		found := stats.Compare(v.cells, ask)
		for _, c := range found {
			cell := stats.Cell{Key: c.Key, RateRPS: c.RateRPS}
			ratio, iv := "–", "–"
			if c.N > 0 {
				ratio = fmt.Sprintf("%.3f", c.Median)
			}
			if c.Kind != stats.None {
				iv = fmt.Sprintf("%.3f – %.3f", c.Lo, c.Hi)
			}
			t.row(ask.Model, ask.Peer, ask.Metric, cell.Asked(), clients(c.Key.Clients, c.RateRPS), ratio, iv, bounds(ask), v.outcome(c))
		}
		if len(found) == 0 {
			t.row(ask.Model, ask.Peer, ask.Metric, or(strings.TrimSpace(ask.Protocol+" "+ask.Workload), "any"), "–", "–", "–", bounds(ask), "no such cell in this run")
		}
	}
	t.write(b)
	fmt.Fprint(b, "A ratio is model ÷ peer, repeat by repeat where both are valid, and the median of these; its interval is of these too. "+
		"Undecided means that the interval holds the bound: the median decides here, and might decide otherwise in another run.\n\n")
}

func bounds(r result.Ratio) string {
	var s []string
	if r.AtLeast != 0 {
		s = append(s, fmt.Sprintf("≥ %g", r.AtLeast))
	}
	if r.AtMost != 0 {
		s = append(s, fmt.Sprintf("≤ %g", r.AtMost))
	}
	return or(strings.Join(s, ", "), "–")
}

func (v *view) outcome(c stats.Comparison) string {
	s := ""
	switch c.Outcome {
	case stats.Unmeasured:
		for _, m := range []string{c.Ask.Model, c.Ask.Peer} {
			if _, ok := v.run.Absent[m]; ok {
				return "not measured: " + m + " is absent"
			}
		}
		return "not measured: no repeat is valid on both sides"
	case stats.Unbounded:
		return "–"
	case stats.Pass:
		s = "pass"
	case stats.Short:
		s = fmt.Sprintf("**misses by %.3f**", c.By)
	}
	if c.Undecided {
		s += ", undecided"
	}
	return s
}

func (v *view) gates(b *bufio.Writer) {
	t := table{}
	t.col("model", "workload", "clients>", "repeat>", "verdict", "reasons")
	for _, c := range v.cells {
		for _, r := range c.Repeats {
			if r.Gates.Verdict != result.Valid {
				var why []string
				for _, s := range reasons(r) {
					why = append(why, plain(s))
				}
				t.row(c.Model, c.Asked(), clients(c.Clients, c.RateRPS), fmt.Sprint(r.Repeat), or(string(r.Gates.Verdict), "none"), strings.Join(why, "<br>"))
			}
		}
	}
	if len(v.cells) == 0 {
		return
	}
	fmt.Fprint(b, "## Repeats that do not count\n\n")
	if len(t.rows) == 0 {
		fmt.Fprint(b, "None: every repeat that was measured passed every gate.\n\n")
	} else {
		fmt.Fprint(b, "They are kept in the record and are in no median.\n\n")
		t.write(b)
	}
	for _, w := range v.warnings() {
		fmt.Fprintf(b, "Warning: %s.\n\n", plain(w))
	}
	if unchecked := v.unchecked(); len(unchecked) > 0 {
		fmt.Fprintf(b, "Not checked: %s.\n\n", plain(strings.Join(unchecked, "; ")))
	}
}

// warnings are what was not right without bearing on the numbers, each once
// for each model.
func (v *view) warnings() []string {
	var out []string
	for _, c := range v.cells {
		for _, r := range c.Repeats {
			for _, w := range r.Warnings {
				first, _, _ := strings.Cut(w, "\n")
				if s := c.Model + ": " + first; !slices.Contains(out, s) {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

// unchecked are the checks that were not made on some repeat, each once.
func (v *view) unchecked() []string {
	var notes []string
	for _, c := range v.cells {
		for _, r := range c.Repeats {
			for _, n := range r.Gates.Notes {
				if !slices.Contains(notes, n) {
					notes = append(notes, n)
				}
			}
		}
	}
	return notes
}

func (v *view) host(b *bufio.Writer) {
	h, bd := v.run.Host, v.run.Build
	t := table{}
	t.col("", "")
	add := func(k, val string) {
		if val != "" {
			t.row(k, val)
		}
	}
	add("CPU", h.CPUModel)
	if h.Cores > 0 {
		add("cores", stats.Group(h.Cores))
	}
	if h.MemBytes > 0 {
		add("memory", stats.Bytes.Format(float64(h.MemBytes)))
	}
	add("hypervisor", h.Virtual)
	if h.Load1 > 0 {
		add("load average before", fmt.Sprintf("%.2f", h.Load1))
	}
	add("system", strings.TrimSpace(strings.Trim(h.OS+"/"+h.Arch, "/")+" "+h.Kernel))
	for _, k := range slices.Sorted(maps.Keys(h.Limits)) {
		s := stats.Group(int(h.Limits[k]))
		if h.Limits[k] < 0 {
			s = "none"
		}
		add("limit "+k, s)
	}
	for _, k := range slices.Sorted(maps.Keys(h.Sysctls)) {
		add(k, h.Sysctls[k])
	}
	add("Go", bd.Go)
	commit := bd.Commit
	if bd.Dirty {
		commit = strings.TrimSpace(commit + " with uncommitted changes")
	}
	add("commit", commit)
	for _, k := range slices.Sorted(maps.Keys(bd.Modules)) {
		add(k, bd.Modules[k])
	}
	for _, k := range slices.Sorted(maps.Keys(bd.Tools)) {
		add(k, bd.Tools[k])
	}
	if len(t.rows) == 0 {
		return
	}
	fmt.Fprint(b, "## Host and versions\n\n")
	t.write(b)
}

func (v *view) reproduce(b *bufio.Writer) {
	r := v.run
	fmt.Fprint(b, "## How to do it again\n\n")
	if r.ConfigFile != "" {
		fmt.Fprintf(b, "    make build && bin/tierbench run %s\n\n", r.ConfigFile)
	}
	fmt.Fprintf(b, "The order of the cells was drawn with seed %d.", r.Seed)
	if !r.Started.IsZero() {
		fmt.Fprintf(b, " The run `%s` began %s UTC", r.ID, r.Started.UTC().Format("2006-01-02 15:04:05"))
		if r.Ended.After(r.Started) {
			fmt.Fprintf(b, " and took %s", r.Ended.Sub(r.Started).Round(1e9))
		}
		b.WriteByte('.')
	}
	fmt.Fprint(b, " `bench.txt` holds its valid repeats for benchstat (`benchstat -col /model bench.txt`), `cells.jsonl` every one.\n")
	if r.ConfigText != "" {
		fence := "```"
		for strings.Contains(r.ConfigText, fence) {
			fence += "`"
		}
		fmt.Fprintf(b, "\n<details><summary>The config</summary>\n\n%syaml\n%s\n%s\n\n</details>\n", fence, strings.TrimRight(r.ConfigText, "\n"), fence)
	}
}
