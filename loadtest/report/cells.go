package report

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

// A column is a column of a table of cells.
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

// cores shows how many cores were used, and of how many, if the record says that.
func cores(m stats.Metric, head string, allowed func(*result.Repeat) float64) column {
	return number(head, func(c *stats.Cell) string {
		used := c.Median(m)
		if used.N == 0 {
			return table.Missing.String()
		}
		s := fmt.Sprintf("%.2f", used.Value)
		if n := c.Typical(allowed); n > 0 {
			s += fmt.Sprintf(" of %.3g", n)
		}
		return s
	})
}

func withInterval(m stats.Metric) column {
	return number("interval", func(c *stats.Cell) string { return c.Median(m).Ends(m.Unit) })
}

var (
	counted = number("counted", kOfN)
	conns   = column{table.Column{Head: "connections per process"}, connections}

	serverCores    = cores(stats.ServerCores, "server cores", (*result.Repeat).ServerCPUs)
	generatorCores = cores(stats.GeneratorCores, "generator cores", func(r *result.Repeat) float64 { return float64(r.CPUs.GeneratorCount) })

	// seen is what the clients saw.
	seen = []column{counted, of(stats.Throughput, "throughput"), withInterval(stats.Throughput), of(stats.CPU, "CPU/req"),
		serverCores, generatorCores, of(stats.P50, "p50"), of(stats.P90, "p90"), of(stats.ShownP99, "p99"), of(stats.ShownP999, "p99.9"), of(stats.Max, "max")}
	seenOpen = []column{counted, number("asked", func(c *stats.Cell) string { return stats.PerSecond.Format(c.RateRPS) }),
		of(stats.Throughput, "achieved"), withInterval(stats.Throughput), of(stats.CPU, "CPU/req"),
		serverCores, generatorCores, of(stats.P50, "response p50"), of(stats.ServiceP50, "service p50"), of(stats.ShownP99, "response p99"), withInterval(stats.ShownP99),
		of(stats.ShownServiceP99, "service p99"), of(stats.SendLag, "send lag p99"), of(stats.Unsent, "unsent")}
	fairness = of(stats.Jain, "fairness")

	// costs is what the load cost the server.
	perRequest = []column{of(stats.CPUUser, "CPU user"), of(stats.CPUSys, "CPU system"), of(stats.CtxSwitches, "switches")}
	costs      = []column{of(stats.MemoryOfMany, "growth ÷ clients"), of(stats.PSS, "user memory"), of(stats.KernelStacks, "kernel stacks"),
		of(stats.Threads, "threads"), of(stats.Processes, "processes"), conns}
)

// leastForSlope is how many numbers of clients a slope needs.
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

// tables returns the columns of the group's tables: what the clients saw, and what it cost
// the server.
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

// explanation describes the columns of the details.
func (v *view) explanation() string {
	s := "Medians of the repeats that count. CPU time and context switches are for each request, over the whole process tree. Cores are those that were used in the mean of the window, of those that were allowed. " +
		"Memory per client is the slope of user memory (PSS) against the clients, by least squares over all repeats, with its 95 % interval; it takes " +
		strconv.Itoa(leastForSlope) + " numbers of clients. Growth ÷ clients is the growth of PSS from before the first connection to the end of the window, divided by the clients. " +
		"It includes what the server allocates once, and is left out below " + strconv.Itoa(stats.LeastForGrowth) + " clients. Connections per process are those of the first repeat that counts."
	if slices.ContainsFunc(v.cells, func(c *stats.Cell) bool { return c.Median(stats.Jain).N > 0 }) {
		s += " Fairness is Jain's index of the answers per client: 1 if all got the same number."
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

// connections describes how evenly the connections are divided among the processes, in the
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
