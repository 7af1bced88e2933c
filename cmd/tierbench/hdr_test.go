package main

import (
	"strings"
	"testing"
)

func TestHDR(t *testing.T) {
	const run = "../../loadtest/report/testdata/old-run"
	const closed, open = "eventloop/http/wait-50ms/100/closed/1/service", "eventloop/echo/echo/10/open@70%25/1/"
	for _, tt := range []struct {
		why  string
		tags []string
		want []string // in the output
		code int
	}{
		{"without a tag, those there are", nil, []string{closed + "\n" + open + "service\n" + open + "response\n"}, 0},
		{"a distribution, in milliseconds", []string{closed}, []string{"Value\tPercentile\tTotalCount\t1/(1-Percentile)", "Max     =       52.560, Total count    =          934"}, 0},
		{"several are added up", []string{closed, open + "service"}, []string{"Total count    =        35678"}, 0},
		{"one that is not there", []string{closed, "thread"}, []string{"no histogram has the tag \"thread\"", "old-run lists the tags"}, exitUsage},
	} {
		out, stderr, code := tierbench(t.Context(), append([]string{"hdr", run}, tt.tags...)...)
		for _, w := range tt.want {
			if !strings.Contains(out+stderr, w) || code != tt.code {
				t.Errorf("%s: exit code %d, want %d; want %q in\n%s%s", tt.why, code, tt.code, w, out, stderr)
			}
		}
	}
}
