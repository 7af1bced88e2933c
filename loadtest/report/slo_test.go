package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/result"
)

func TestObjectivesAreReported(t *testing.T) {
	set := whole()
	none := 0.0
	set.Run.SLOs = []result.SLO{
		{Model: "eventloop", Protocol: "http", Clients: 10, Loop: result.Closed, P99Sec: 10, Errors: &none},
		{Model: "thread", Protocol: "http", Clients: 10, Loop: result.Closed, ThroughputRPS: 1e9},
	}
	var md, text bytes.Buffer
	if err := Markdown(&md, set); err != nil {
		t.Fatal(err)
	}
	if err := Table(&text, set); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## Objectives\n\n2 of 3 objectives are met, 1 is missed.", "| p99 | ≤ 10.0 s |", "| errors | ≤ 0 % | 0 % |", "| ≥ 1.00G/s |", "| **missed** |"} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("no %q in\n%s", want, &md)
		}
	}
	for _, want := range []string{"2 of 3 objectives are met, 1 is missed.\n! throughput  thread http", "asked ≥ 1.00G/s (missed)"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	if strings.Contains(text.String(), "! p99") {
		t.Errorf("what is met is listed among what is not:\n%s", &text)
	}
	page := parse(t, pageOf(t, set)).text.String()
	for _, want := range []string{"2 of 3 objectives are met, 1 is missed.", "≤ 10.0 s", "≥ 1.00G/s", "missed", "Undecided: the interval includes the bound."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	set.Run.SLOs = nil
	if page := parse(t, pageOf(t, set)).text.String(); strings.Contains(page, "bjectives") {
		t.Error("the page speaks of objectives without any")
	}
	text.Reset()
	if err := Table(&text, set); err != nil || strings.Contains(text.String(), "objectives") {
		t.Errorf("objectives without any, err %v\n%s", err, &text)
	}
}
