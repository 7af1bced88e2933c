package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// Markdown writes the report. Its charts are links into charts/.
func Markdown(w io.Writer, set *result.Set) error {
	drawn, err := draw(set)
	if err != nil {
		return err
	}
	return markdown(w, set, drawn)
}

func markdown(w io.Writer, set *result.Set, drawn []*drawing) error {
	b := bufio.NewWriter(w)
	v := newView(set)
	for _, section := range []func(*bufio.Writer){
		v.opening, v.summary, v.objectives, func(b *bufio.Writer) { charts(b, drawn) }, v.models, v.details, v.ratios, v.gates, v.host, v.reproduce,
	} {
		section(b)
	}
	return b.Flush()
}

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

// introduction is what was done, and on which machine.
func (v *view) introduction() []string {
	const mostAsked = 8 // of them, a sentence can name
	var s []string
	add := func(format string, args ...any) { s = append(s, fmt.Sprintf(format, args...)) }
	switch {
	case len(v.groups) > mostAsked:
		add("%d models, asked for %d workloads and settings, though not each for all of them; they are in the tables.", len(v.names), len(v.groups))
	case len(v.groups) > 0:
		add("%s, each asked for %s.", prose.Capital(prose.List(v.names)), v.asked())
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
		add("Each cell is measured %s, each time on a fresh server%s.", often, v.windows())
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

// state says what a run that did not end is short of.
func (v *view) state() string {
	switch {
	case v.run.Interrupted:
		return "The run was interrupted: what it had measured by then is here."
	case v.run.Ended.IsZero():
		return "The run has not ended, or was cut short: what it has measured is here."
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
	var notes table.Notes
	var load, open, idle []*group
	for _, g := range v.groups {
		switch {
		case g.workload == result.Idle:
			idle = append(idle, g)
		case g.isOpen():
			open = append(open, g)
		default:
			load = append(load, g)
		}
	}
	for _, gs := range [][]*group{load, open, idle} {
		if len(gs) > 0 {
			v.summaryTable(b, gs, &notes)
		}
	}
	fmt.Fprintf(b, "Bold is the best of the row and what ties with it: within 5 %% of the best or with an interval that overlaps its. %s\n\n", v.spreads())
	if len(notes) > 0 {
		fmt.Fprintf(b, "%s\n", notes.Markdown())
	}
}

// spreads says what the numbers after ± are.
func (v *view) spreads() string {
	if v.intervals == "" {
		return "No cell has two repeats that count, so nothing is known of the spread."
	}
	return "± is the larger half of the interval, which is the " + v.intervals + "."
}

func (v *view) summaryTable(b *bufio.Writer, gs []*group, notes *table.Notes) {
	t := table.New(table.Left(""), table.Right("clients"), table.Right(v.names...), table.Left("best"))
	t.Notes = notes
	for _, g := range gs {
		for _, r := range g.rows {
			best := g.best(r)
			row := []any{g.title, r.label}
			for i, c := range r.cells {
				row = append(row, summaryCell(c, gs[0], slices.Contains(best, i)))
			}
			var names []string
			for _, i := range best {
				names = append(names, v.names[i])
			}
			switch len(best) {
			case 0:
				row = append(row, table.Missing)
			case 1:
				row = append(row, names[0])
			default:
				row = append(row, "tie: "+strings.Join(names, ", "))
			}
			t.Row(row...)
		}
	}
	what := "Throughput with its interval and the server's CPU time per request, user and system; below them p99 latency."
	switch {
	case gs[0].workload == result.Idle:
		what = "Growth of user memory ÷ idle clients with its interval; below it user memory and kernel stacks in all, and threads."
	case gs[0].isOpen():
		what = "p99 of the response time with its interval and, after the bar, of the service time; below them the rate achieved and the server's CPU time per request."
	}
	fmt.Fprintf(b, "%s Medians of the repeats that count.\n\n%s\n", what, t.Markdown())
}

func summaryCell(c *stats.Cell, g *group, best bool) table.Cell {
	switch {
	case c == nil:
		return table.Missing
	case len(c.Repeats) == 0:
		return table.Text("not measured")
	case len(c.Counted) == 0:
		return table.Text("invalid").Note(doubts(c))
	}
	head := g.headline()
	cell := table.Text(value(c, head))
	if best && c.Median(head).N > 0 {
		cell = table.Marked(value(c, head), table.Best)
	}
	if sp := spread(c.Median(head)); sp != "" {
		cell = cell.Add(" " + sp)
	}
	if c.Verdict() == result.Suspect {
		cell = cell.Append(table.Span{Mark: table.Suspect})
	}
	cell = cell.Note(doubts(c))
	switch {
	case g.workload == result.Idle:
		return cell.Add("\n" + value(c, stats.MemoryTotal) + " · " + value(c, stats.Threads))
	case g.isOpen():
		return cell.Add(" | " + value(c, stats.ServiceP99) + "\n" + value(c, stats.Throughput) + " · " + value(c, stats.CPU))
	}
	return cell.Add(" · " + value(c, stats.CPU) + "\n" + value(c, stats.P99))
}

func charts(b *bufio.Writer, drawn []*drawing) {
	if len(drawn) == 0 {
		return
	}
	fmt.Fprintf(b, "## Charts\n\n`tierbench report` draws them as PNG too, and in %s, where they can be explored.\n\n", HTMLFile)
	for i, d := range drawn {
		if d.figure.Part() != "" && (i == 0 || drawn[i-1].chart.Name != d.chart.Name) {
			fmt.Fprintf(b, "### %s\n\n%s. Each picture has scales of its own.\n\n", d.chart.Title, prose.Capital(d.chart.Note()))
		}
		fmt.Fprintf(b, "![%s](%s/%s.svg)\n\n", prose.Markdown(d.figure.Alt()), result.ChartsDir, d.figure.Name())
	}
}

func (v *view) models(b *bufio.Writer) {
	if len(v.run.Models)+len(v.run.Absent) == 0 {
		return
	}
	fmt.Fprint(b, "## Models\n\n")
	for _, m := range v.run.Models {
		fmt.Fprintf(b, "- **%s**", prose.Line(m.Name))
		if m.Doc != "" {
			fmt.Fprintf(b, ": %s.", strings.TrimSuffix(prose.Markdown(m.Doc), "."))
		}
		if len(m.Command) > 0 {
			fmt.Fprintf(b, " Started as %s.", prose.Code(strings.Join(m.Command, " ")))
		}
		b.WriteByte('\n')
	}
	for _, name := range slices.Sorted(maps.Keys(v.run.Absent)) {
		fmt.Fprintf(b, "- **%s** is absent from this run: %s\n", prose.Line(name), prose.Markdown(v.run.Absent[name]))
	}
	b.WriteByte('\n')
}

// A column is one of a table of cells.
type column struct {
	table.Column
	value func(*stats.Cell) string
}

func number(head string, value func(*stats.Cell) string) column {
	return column{table.Column{Head: head, Right: true}, value}
}

func of(m stats.Metric, head string) column {
	return number(head, func(c *stats.Cell) string { return value(c, m) })
}

func withInterval(m stats.Metric) column {
	return number("interval", func(c *stats.Cell) string { return c.Median(m).Ends(m.Unit) })
}

var (
	counted = number("counted", kOfN)
	conns   = column{table.Column{Head: "connections per process"}, connections}

	// seen are what the clients saw.
	seen = []column{counted, of(stats.Throughput, "throughput"), withInterval(stats.Throughput), of(stats.CPU, "CPU/req"),
		of(stats.P50, "p50"), of(stats.P90, "p90"), of(stats.P99, "p99"), of(stats.P999, "p99.9"), of(stats.Max, "max")}
	seenOpen = []column{counted, number("asked", func(c *stats.Cell) string { return stats.PerSecond.Format(c.RateRPS) }),
		of(stats.Throughput, "achieved"), withInterval(stats.Throughput), of(stats.CPU, "CPU/req"),
		of(stats.P50, "response p50"), of(stats.ServiceP50, "service p50"), of(stats.P99, "response p99"), withInterval(stats.P99),
		of(stats.ServiceP99, "service p99"), of(stats.SendLag, "send lag p99"), of(stats.Unsent, "unsent")}
	fairness = of(stats.Jain, "fairness")

	// costs are what it took of the server.
	perRequest = []column{of(stats.CPUUser, "CPU user"), of(stats.CPUSys, "CPU system"), of(stats.CtxSwitches, "switches")}
	costs      = []column{of(stats.MemoryOfMany, "growth ÷ clients"), of(stats.PSS, "user memory"), of(stats.KernelStacks, "kernel stacks"),
		of(stats.Threads, "threads"), of(stats.Processes, "processes"), conns}
)

// leastForSlope is how many numbers of clients a slope takes.
const leastForSlope = 3

// memoryTable has the memory per client of each model of the group, as the slope of
// user memory against clients. It returns nil if no model has enough numbers of
// clients.
func (v *view) memoryTable(g *group) *table.Table {
	if g.isOpen() {
		return nil
	}
	t := table.New(table.Left("model"), table.Right("memory per client", "interval", "fixed", "numbers of clients"))
	for i, name := range v.names {
		var cells []*stats.Cell
		for _, r := range g.rows {
			if c := r.cells[i]; c != nil {
				cells = append(cells, c)
			}
		}
		line := stats.Slope(cells, stats.PSS)
		if line.Distinct < leastForSlope {
			continue
		}
		t.Row(name, stats.Bytes.Format(line.Slope.Value), line.Slope.Ends(stats.Bytes), stats.Bytes.Format(line.Intercept.Value), strconv.Itoa(line.Distinct))
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

// tables are those of a group: what the clients saw, and what it cost the
// server.
func (g *group) tables() [][]column {
	if g.workload == result.Idle {
		return [][]column{append([]column{counted}, costs...)}
	}
	first := seen
	if g.isOpen() {
		first = seenOpen
	}
	for _, r := range g.rows {
		if slices.ContainsFunc(r.cells, func(c *stats.Cell) bool { return c != nil && c.Median(stats.Jain).N > 0 }) {
			first = append(slices.Clone(first), fairness)
			break
		}
	}
	return [][]column{first, append(slices.Clone(perRequest), costs...)}
}

func (v *view) details(b *bufio.Writer) {
	for _, g := range v.groups {
		fmt.Fprintf(b, "## %s\n\n", prose.Markdown(g.title))
		for _, columns := range g.tables() {
			fmt.Fprintf(b, "%s\n", v.cellTable(g, columns).Markdown())
		}
		if t := v.memoryTable(g); t != nil {
			fmt.Fprintf(b, "%s\n", t.Markdown())
		}
	}
	if len(v.groups) > 0 {
		fmt.Fprintf(b, "%s\n\n", v.explanation())
	}
}

// cellTable has a row for each cell of the group.
func (v *view) cellTable(g *group, columns []column) *table.Table {
	t := table.New(table.Right("clients"), table.Left("model"))
	for _, c := range columns {
		t.Columns = append(t.Columns, c.Column)
	}
	g.each(v, func(label, model string, c *stats.Cell) {
		row := []any{label, model}
		for _, col := range columns {
			row = append(row, col.value(c))
		}
		t.Row(row...)
	})
	return t
}

// explanation says what the columns of the details are.
func (v *view) explanation() string {
	s := "Medians of the repeats that count. CPU time and context switches are for each request, over the whole process tree. " +
		"Memory per client is the slope of user memory (PSS) against the clients, by least squares over all repeats, with its 95 % interval; it takes " +
		strconv.Itoa(leastForSlope) + " numbers of clients. Growth ÷ clients is the growth of PSS from before the first connection to the end of the window, divided by the clients. " +
		"It includes what the server allocates once, and is left out below " + strconv.Itoa(stats.LeastForGrowth) + " clients. Connections per process are those of the first repeat that counts."
	if slices.ContainsFunc(v.cells, func(c *stats.Cell) bool { return c.Median(stats.Jain).N > 0 }) {
		s += " Fairness is Jain's index of the answers per client: 1 if all got as many."
	}
	if slices.ContainsFunc(v.groups, (*group).isOpen) {
		s += " Send lag is how late the generator sent, from when a request was due and a client was free for it; unsent requests were due and found no free client by the end."
	}
	return s
}

// each calls f for every cell of the group, by clients and model.
func (g *group) each(v *view, f func(label, model string, c *stats.Cell)) {
	for _, r := range g.rows {
		for i, c := range r.cells {
			if c != nil {
				f(r.label, v.names[i], c)
			}
		}
	}
}

func kOfN(c *stats.Cell) string {
	if len(c.Repeats) == 0 {
		return "not measured"
	}
	s := fmt.Sprintf("%d/%d", len(c.Counted), len(c.Repeats))
	if n := len(c.Suspects()); n > 0 {
		s += fmt.Sprintf(" (%d suspect)", n)
	}
	return s
}

func value(c *stats.Cell, m stats.Metric) string { return c.Median(m).Format(m.Unit) }

// connections tells how evenly the connections lie on the processes, in the
// first repeat that counts.
func connections(c *stats.Cell) string {
	if len(c.Counted) == 0 || len(c.Counted[0].Server.ConnsPerProcess) == 0 {
		return "–"
	}
	of := c.Counted[0].Server.ConnsPerProcess
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
	fmt.Fprintf(b, "## Beside their peers\n\n%s\n%s\n\n", v.ratioTable().Markdown(), aboutRatios)
}

const aboutRatios = "A ratio is model ÷ peer, repeat by repeat where both count, and the median of these; its interval is of these too. " +
	"Undecided means that the interval includes the bound: the median decides here, and might decide otherwise in another run."

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
			t.Row(ask.Model, peer, ask.Metric, cmp.Or(strings.TrimSpace(ask.Protocol+" "+ask.Workload), "any"), "–", "–", "–", bounds(ask), "no such cell in this run")
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

func (v *view) gates(b *bufio.Writer) {
	if len(v.cells) == 0 {
		return
	}
	fmt.Fprint(b, "## Repeats that do not count\n\n")
	if t := v.doubted(func(r *result.Repeat) bool { return !stats.Counts(r) }); len(t.Rows) == 0 {
		fmt.Fprint(b, "None.\n\n")
	} else {
		fmt.Fprintf(b, "They are kept in the record and are in no median.\n\n%s\n", t.Markdown())
	}
	if t := v.doubted(func(r *result.Repeat) bool { return r.Gates.Verdict == result.Suspect }); len(t.Rows) > 0 {
		fmt.Fprintf(b, "## Suspect repeats\n\nTheir numbers are what was measured and count, but something beside the server had a part in them.\n\n%s\n", t.Markdown())
	}
	for _, w := range v.warnings() {
		fmt.Fprintf(b, "Warning: %s.\n\n", prose.Markdown(w))
	}
	if unchecked := v.unchecked(); len(unchecked) > 0 {
		fmt.Fprintf(b, "Not checked: %s.\n\n", prose.Markdown(strings.Join(unchecked, "; ")))
	}
}

// doubted lists repeats with their reasons.
func (v *view) doubted(which func(*result.Repeat) bool) *table.Table {
	t := table.New(table.Left("model", "workload"), table.Right("clients", "repeat"), table.Left("verdict", "reasons"))
	for _, c := range v.cells {
		for _, r := range c.Repeats {
			if which(r) {
				t.Row(c.Model, c.Asked(), c.At(), r.Repeat, cmp.Or(string(r.Gates.Verdict), "none"), lines(reasons(r)))
			}
		}
	}
	return t
}

// lines is a text of lines, each of one item.
func lines(items []string) string {
	var out []string
	for _, s := range items {
		out = append(out, prose.Line(s))
	}
	return strings.Join(out, "\n")
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
	if t := v.hostTable(); len(t.Rows) > 0 {
		fmt.Fprintf(b, "## Host and versions\n\n%s\n", t.Markdown())
	}
}

func (v *view) hostTable() *table.Table {
	h, bd := v.run.Host, v.run.Build
	t := table.New(table.Left("", ""))
	add := func(k, val string) {
		if val != "" {
			t.Row(k, val)
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
	add("commit", strings.TrimSpace(bd.Commit+" "+uncommitted(bd)))
	for _, k := range slices.Sorted(maps.Keys(bd.Modules)) {
		add(k, bd.Modules[k])
	}
	for _, k := range slices.Sorted(maps.Keys(bd.Tools)) {
		add(k, bd.Tools[k])
	}
	return t
}

func uncommitted(b result.Build) string {
	if !b.Dirty {
		return ""
	}
	return "with uncommitted changes"
}

// provenance says when the run was, and in which order.
func (v *view) provenance() string {
	r := v.run
	s := fmt.Sprintf("The order of the cells was drawn with seed %d.", r.Seed)
	if !r.Started.IsZero() {
		s += fmt.Sprintf(" The run `%s` began %s UTC", r.ID, r.Started.UTC().Format("2006-01-02 15:04:05"))
		for _, again := range r.Resumed {
			s += ", was gone on with " + again.At.UTC().Format("2006-01-02 15:04:05")
			if b := again.Build; b.Commit != r.Build.Commit || b.Dirty != r.Build.Dirty {
				s += " by commit " + strings.TrimSpace(b.Commit+" "+uncommitted(b))
			}
		}
		switch {
		case !r.Ended.After(r.Started):
		case len(r.Resumed) > 0: // nobody knows when it was interrupted
			s += " and ended " + r.Ended.UTC().Format("2006-01-02 15:04:05")
		default:
			s += fmt.Sprintf(" and took %s", r.Ended.Sub(r.Started).Round(1e9))
		}
		s += "."
	}
	return s
}

func (v *view) reproduce(b *bufio.Writer) {
	r := v.run
	fmt.Fprint(b, "## How to do it again\n\n")
	if r.ConfigFile != "" {
		fmt.Fprintf(b, "    make build && bin/tierbench run %s\n\n", r.ConfigFile)
	}
	fmt.Fprintf(b, "%s", v.provenance())
	fmt.Fprint(b, " `bench.txt` holds its repeats that count for benchstat (`benchstat -col /model bench.txt`), `cells.jsonl` every one.\n")
	if r.ConfigText != "" {
		fence := "```"
		for strings.Contains(r.ConfigText, fence) {
			fence += "`"
		}
		fmt.Fprintf(b, "\n<details><summary>The config</summary>\n\n%syaml\n%s\n%s\n\n</details>\n", fence, strings.TrimRight(r.ConfigText, "\n"), fence)
	}
}

// host names a machine in a few words.
func host(h result.Host) string {
	cores := ""
	if h.Cores > 0 {
		cores = prose.Count(h.Cores, "core")
	}
	return prose.Join(", ", h.CPUModel, cores, prose.Join(" ", h.OS, h.Kernel))
}
