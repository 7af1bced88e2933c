package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

func TestAdvise(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	statstest.Record(t, dir, statstest.Run([]int{10, 100, 1000}, 3))
	few := filepath.Join(t.TempDir(), "few")
	statstest.Record(t, few, statstest.Run([]int{10, 100}, 3))
	for _, tt := range []struct {
		why  string
		args string
		code int
		want []string
	}{
		{"the arithmetic of each model", "--clients 5000 --rate 20000 --wait-ms 20 --memory 2GiB " + dir, 0,
			[]string{"eventloop carries it: headroom ", ", by CPU", "thread ", "prefork ", "20.0k/s × ", "(Little's law)", " at 5,000 clients: ", "? 5,000 clients are more than were measured (1,000)", "advise --check"}},
		{"how far off it is", "--check " + dir, 0, []string{"predicted", "eventloop", "outside", "CPU per request", "throughput", "memory", "median", "largest"}},
		{"nothing to leave out", "--check " + few, exitUsage, []string{"has no workload that was measured at three or more numbers of clients"}},
		{"no load", dir, exitUsage, []string{"name the load: --clients and --rate"}},
		{"no such size", "--clients 5 --rate 5 --memory much " + dir, exitUsage, []string{`--memory: "much" is not a size; allowed: a number with a unit, such as 512MiB or 2GiB`}},
		{"no such workload", "--clients 5 --rate 5 --workload foo " + dir, exitUsage, []string{"allowed: http/plaintext, echo/echo"}},
		{"more than the clients can ask for", "--clients 5 --rate 500 --wait-ms 1000 " + dir, exitUsage, []string{"5 clients that wait 1.00 s"}},
		{"no run", "--clients 5 --rate 500 " + filepath.Dir(dir) + "/none", exitUsage, []string{"none"}},
	} {
		out, log, code := tierbench(t.Context(), append([]string{"advise"}, strings.Fields(tt.args)...)...)
		if code != tt.code {
			t.Errorf("%s: exit code %d, want %d\n%s", tt.why, code, tt.code, log)
		}
		for _, want := range tt.want {
			if !strings.Contains(out+log, want) {
				t.Errorf("%s: it does not say %q:\n%s%s", tt.why, want, out, log)
			}
		}
	}
}
