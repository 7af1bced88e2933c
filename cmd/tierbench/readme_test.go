package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/claims"
	"github.com/tierbench/tierbench/loadtest/report"
	"github.com/tierbench/tierbench/loadtest/result"
)

// The results in the README must be those of the published runs.
func TestREADMEShowsThePublishedRuns(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	runs := map[string]string{} // by the name of the config
	for _, m := range regexp.MustCompile(`results/(\d{8}T\d{6}Z-([a-z]+))/report\.md`).FindAllStringSubmatch(readme, -1) {
		runs[m[2]] = m[1]
	}
	for _, name := range []string{"quick", "peers", "idle", "claims"} {
		if runs[name] == "" {
			t.Fatalf("no published run of %s is linked", name)
		}
	}
	load := func(name string) *result.Set {
		set, err := result.Load(filepath.Join("../../results", runs[name]))
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	var table bytes.Buffer
	if err := report.Table(&table, load("quick")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(readme, strings.TrimSpace(table.String())) {
		t.Errorf("the table of %s is not in the README; it is\n%s", runs["quick"], &table)
	}
	var ledger bytes.Buffer
	if err := claims.Brief(&ledger, claims.Evaluate(load("claims"))); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(readme, ledger.String()) {
		t.Errorf("the table of %s is not in the README; it is\n%s", runs["claims"], &ledger)
	}
	var peers bytes.Buffer
	if err := report.Markdown(&peers, load("peers")); err != nil {
		t.Fatal(err)
	}
	check, _, code := tierbench(t.Context(), "advise", "--check", filepath.Join("../../results", runs["quick"]))
	_, errors, found := strings.Cut(check, "\nerror, without its sign")
	errors, _, ended := strings.Cut("error, without its sign"+errors, "\n\n")
	if code != 0 || !found || !ended || !strings.Contains(readme, errors) {
		t.Errorf("the errors of what advise predicts from %s are not in the README; they are\n%s", runs["quick"], errors)
	}
	rows := 0
	for _, row := range regexp.MustCompile(`(?m)^\| (?:eventloop|prefork|thread) \| (?:c-|nginx).*$`).FindAllString(peers.String(), -1) {
		if strings.Contains(row, "≥") || strings.Contains(row, "≤") {
			rows++
			if !strings.Contains(readme, row) {
				t.Errorf("not in the README: %s", row)
			}
		}
	}
	if rows == 0 {
		t.Errorf("%s has no ratio with a bound", runs["peers"])
	}
	var idle bytes.Buffer
	if err := report.Markdown(&idle, load("idle")); err != nil {
		t.Fatal(err)
	}
	memory := map[string][]string{} // of one more client, over echo and over HTTP
	for _, m := range regexp.MustCompile(`(?m)^\| (\w+) \| ([\d.]+ \w+) \| [^|]+ – [^|]+ \| [^|]+ \| 3 \|$`).FindAllStringSubmatch(idle.String(), -1) {
		memory[m[1]] = append(memory[m[1]], m[2])
	}
	for _, model := range []string{"prefork", "thread", "eventloop"} {
		of := memory[model]
		if len(of) != 2 || !regexp.MustCompile(`(?m)^\| .`+model+`. \|.*\| `+of[0]+` echo, `+of[1]+` HTTP \|$`).MatchString(readme) {
			t.Errorf("the memory of one more idle client of %s is not in the README: %q of %s", model, of, runs["idle"])
		}
	}
	for _, name := range []string{"quick", "idle"} {
		set := load(name)
		if missing := report.WithoutValid(set); len(missing) > 0 {
			t.Errorf("%s has cells without a valid repeat: %v", runs[name], missing)
		}
		if set.Run.Build.Dirty {
			t.Errorf("%s was measured by code that is in no commit", runs[name])
		}
	}
}

// Every command and every link in the README must exist.
func TestREADMENamesWhatExists(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)(?:^    |`)make ([a-z-]+)").FindAllSubmatch(readme, -1) {
		if !regexp.MustCompile(`(?m)^` + string(m[1]) + `:.*## `).Match(makefile) {
			t.Errorf("make %s is no documented target", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllSubmatch(readme, -1) {
		if link := string(m[1]); !strings.Contains(link, "://") {
			if _, err := os.Stat(filepath.Join("../..", link)); err != nil {
				t.Errorf("a link leads nowhere: %v", err)
			}
		}
	}
	help, _, _ := tierbench(t.Context(), "--help")
	for _, m := range regexp.MustCompile(`bin/tierbench ([a-z]+)`).FindAllSubmatch(readme, -1) {
		if !strings.Contains(help, "\n  "+string(m[1])) {
			t.Errorf("tierbench %s is no command", m[1])
		}
	}
}
