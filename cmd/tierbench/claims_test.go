package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/claims"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

// listing returns the names of the files in a folder.
func listing(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func TestClaims(t *testing.T) {
	set := statstest.Run([]int{10, 100}, 3)
	set.Run.ClaimRules = claims.RulesVersion
	dir := recorded(t, set)
	old := statstest.Run([]int{10}, 3)
	old.Run.ClaimRules = "0"
	before := recorded(t, old)
	files := listing(t, dir)
	for _, tt := range []struct {
		why  string
		args []string
		code int
		says string
	}{
		{"the table", []string{dir}, 0, "T3 Scalability            low (ones/tens)                       medium (hundreds)"},
		{"what is missing", []string{dir}, 0, "which this run did not ask for"},
		{"the version of the rules", []string{dir}, 0, "Rules version " + claims.RulesVersion},
		{"Markdown", []string{dir, "--markdown"}, 0, "| **T2** Use all CPU cores |"},
		{"one claim", []string{dir, "--explain", "T3"}, 0, "S = largest N such that it and every smaller N"},
		{"one claim, in small letters", []string{dir, "--explain", "t3"}, 0, "rule, version 1:"},
		{"a claim that is not there", []string{dir, "--explain", "T9"}, 2, `there is no claim "T9"; allowed: T1, T2, T3, T4, T5, R2`},
		{"two ways to print", []string{dir, "--json", "--markdown"}, 2, "--json and --markdown can't be used together"},
		{"a run of other rules", []string{before}, 0, "measured with version 0 of the rules"},
		{"a folder without a run", []string{t.TempDir()}, 2, result.RunFile},
		{"no such folder", []string{filepath.Join(dir, "nowhere")}, 2, "nowhere"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			out, log, code := tierbench(t.Context(), append([]string{"claims"}, tt.args...)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, log)
			}
			if !strings.Contains(out+log, tt.says) {
				t.Errorf("it does not say %q:\n%s%s", tt.says, out, log)
			}
		})
	}
	out, log, code := tierbench(t.Context(), "claims", dir, "--json")
	var ledger struct {
		RulesVersion string `json:"rules_version"`
		Verdicts     []struct{ Claim, Verdict string }
	}
	if err := json.Unmarshal([]byte(out), &ledger); err != nil || code != 0 || ledger.RulesVersion != claims.RulesVersion || len(ledger.Verdicts) == 0 {
		t.Errorf("exit code %d, %v, %+v: %s", code, err, ledger, log)
	}
	if after := listing(t, dir); !slices.Equal(after, files) {
		t.Errorf("it wrote into the run: %q before, %q after", files, after)
	}
}
