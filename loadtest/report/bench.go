package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// benchUnits are the values of a line, after ns/op. If benchstat does not know the direction
// of a unit, the top of the file declares it.
var benchUnits = []struct {
	unit   string
	metric stats.Metric
}{
	{"req/s", stats.Throughput},
	{"p50-sec", stats.P50},
	{"p99-sec", stats.P99},
	{"cpu-sec/req", stats.CPU},
	{"ctxsw/req", stats.CtxSwitches},
	{"B/client", stats.Memory},
	{"B-total", stats.MemoryTotal},
	{"threads", stats.Threads},
}

// Bench writes the repeats that count in the Go benchmark format, a line each, so that
// benchstat can compare models within a run (-col /model) and runs with each other. The
// iterations are the requests. ns/op is the inverse of the throughput, not the latency. An
// idle repeat has no ns/op; its iterations are its clients.
func Bench(w io.Writer, set *result.Set) error {
	b := bufio.NewWriter(w)
	run := &set.Run
	line := func(key, value string) {
		if value = prose.Line(value); value != "" {
			fmt.Fprintf(b, "%s: %s\n", key, value)
		}
	}
	// benchstat compares what agrees in all of these, so they are only what
	// makes two hosts differ. The rest it must not see, and is a comment.
	line("goos", run.Host.OS)
	line("goarch", run.Host.Arch)
	line("cpu", run.Host.CPUModel)
	if run.Host.Cores > 0 {
		line("cores", fmt.Sprint(run.Host.Cores))
	}
	line("# run", run.ID)
	line("# config", run.Name)
	line("# commit", run.Build.Commit)
	line("# kernel", run.Host.Kernel)
	line("# generator", run.Generator)
	b.WriteByte('\n')
	for _, u := range benchUnits {
		better := "lower"
		if u.metric.BetterHigher {
			better = "higher"
		}
		fmt.Fprintf(b, "Unit %s better=%s\n", u.unit, better)
	}
	b.WriteByte('\n')
	for _, c := range stats.Cells(run, set.Repeats) {
		for _, r := range c.Counted {
			if r.Gates.Verdict == result.Suspect {
				line("# suspect", strings.Join(reasons(r), "; "))
			}
			benchLine(b, r)
		}
	}
	return b.Flush()
}

func benchLine(b *bufio.Writer, r *result.Repeat) {
	fmt.Fprintf(b, "BenchmarkTier/model=%s/protocol=%s/workload=%s", r.Model, r.Protocol, r.Workload)
	if r.Loop == result.Open {
		fmt.Fprintf(b, "/loop=open/rate=%s", cmp.Or(benchWord(r.Rate.String()), fmt.Sprintf("%g", r.RateRPS)))
	}
	if s := r.Setting.String(); s != "" {
		fmt.Fprintf(b, "/setting=%s", benchWord(s))
	}
	fmt.Fprintf(b, "/clients=%d", r.Clients)
	n := r.Requests
	if r.Workload == result.Idle || n == 0 {
		n = int64(r.Clients)
	}
	fmt.Fprintf(b, " %d", n)
	if v, ok := stats.Throughput.Value(r); ok && v > 0 {
		fmt.Fprintf(b, " %.6g ns/op", 1e9/v)
	}
	for _, u := range benchUnits {
		if v, ok := u.metric.Value(r); ok {
			fmt.Fprintf(b, " %.6g %s", v, u.unit)
		}
	}
	b.WriteByte('\n')
}

// benchWord makes a value fit into a benchmark's name, which ends at a space and is split at
// slashes.
func benchWord(s string) string {
	return strings.NewReplacer(" ", "_", "/", ":").Replace(prose.Line(s))
}
