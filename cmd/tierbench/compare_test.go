package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

// recorded writes a run as one that was measured.
func recorded(t *testing.T, set *result.Set) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), set.Run.ID)
	statstest.Record(t, dir, set)
	return dir
}

func TestCompare(t *testing.T) {
	before, after := statstest.Run([]int{10}, 5), statstest.Run([]int{10}, 5)
	for i := range after.Repeats {
		if r := &after.Repeats[i]; r.Model == "thread" {
			r.ThroughputRPS *= 0.8
		}
	}
	a, b := recorded(t, before), recorded(t, after)
	for _, tt := range []struct {
		why  string
		args []string
		code int
		says string
	}{
		{"a run compared with itself", []string{a, a, "--max-regression", "0"}, 0, "tied in"},
		{"worse, and nothing was asked", []string{a, b}, 0, "worse by 20 %"},
		{"worse by more than allowed", []string{a, b, "--max-regression", "5%"}, 1, "more than allowed"},
		{"the same as a part", []string{a, b, "--max-regression", "0.05"}, 1, "2 comparisons are worse"},
		{"worse by less than allowed", []string{a, b, "--max-regression", "40%"}, 0, "worse by 20 %"},
		{"a better one does not regress", []string{b, a, "--max-regression", "5%", "--metric", "throughput"}, 0, "better by"},
		{"two models", []string{a, "--models", "eventloop,thread", "--format", "csv"}, 0, "throughput,req/s,eventloop,thread,http"},
		{"JSON", []string{a, b, "--format", "json", "--metric", "cpu"}, 0, `"metric": "cpu"`},
		{"HTML", []string{a, b, "--format", "html"}, 0, "<!doctype html>"},
		{"one run alone", []string{a}, 2, "with --models A,B"},
		{"three models", []string{a, "--models", "eventloop,thread,prefork"}, 2, "1 runs and 3 models"},
		{"a model that is not there", []string{a, "--models", "eventloop,nginx"}, 2, `no model "nginx"; it has eventloop, thread, prefork`},
		{"no such metric", []string{a, b, "--metric", "beauty"}, 2, `--metric: "beauty" is not known; allowed: throughput`},
		{"no such format", []string{a, b, "--format", "pdf"}, 2, "allowed: csv, html, json, markdown"},
		{"no such bound", []string{a, b, "--max-regression", "some"}, 2, `"some" is not a fraction; allowed: a percentage such as 5%`},
		{"a percentage without its sign", []string{a, b, "--max-regression", "5"}, 2, `"5" is not a fraction`},
		{"no such folder", []string{a, filepath.Join(a, "nowhere")}, 2, "nowhere"},
		{"a folder without a run", []string{a, t.TempDir()}, 2, result.RunFile},
	} {
		t.Run(tt.why, func(t *testing.T) {
			out, log, code := tierbench(t.Context(), append([]string{"compare"}, tt.args...)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, log)
			}
			if !strings.Contains(out+log, tt.says) {
				t.Errorf("it does not say %q:\n%s%s", tt.says, out, log)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(a, "report.md")); err == nil {
		t.Error("it wrote into a run")
	}
}

func TestExports(t *testing.T) {
	dir := recorded(t, statstest.Run([]int{10}, 2))
	out, log, code := tierbench(t.Context(), "report", "--csv", dir)
	if code != 0 || !strings.HasPrefix(out, "run,model,protocol,") || strings.Count(out, "\n") != 7 {
		t.Errorf("exit code %d, want a head and 6 cells:\n%s%s", code, out, log)
	}
	if _, err := os.Stat(filepath.Join(dir, "report.md")); err == nil {
		t.Error("it drew a report, too")
	}
	out, log, code = tierbench(t.Context(), "schema")
	if code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("exit code %d, want a schema:\n%s", code, log)
	}
}
