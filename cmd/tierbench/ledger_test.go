package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/chart"
	"github.com/tierbench/tierbench/loadtest/claims"
	"github.com/tierbench/tierbench/loadtest/ledger"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats/statstest"
)

// The charts that a claim names exist.
func TestChartsOfClaims(t *testing.T) {
	for _, c := range claims.All {
		for _, name := range c.Charts {
			if !slices.ContainsFunc(chart.All, func(c chart.Chart) bool { return c.Name == name }) {
				t.Errorf("%s: there is no chart %q", c.ID, name)
			}
		}
		if len(c.Charts) == 0 && c.ID != "B4" {
			t.Errorf("%s has no chart, though it rests on cells", c.ID)
		}
	}
}

// A claim is shown with its chart, of the cells that its verdict rests on.
func TestLedgerShowsCharts(t *testing.T) {
	set := statstest.Run([]int{64}, 2)
	for i := range set.Repeats {
		r := &set.Repeats[i]
		if r.Protocol == "http" {
			r.Workload = "cpu-1ms"
			r.CPUs = result.CPUs{ServerCount: 2}
		}
		if r.Protocol == "http" && r.Repeat == 2 {
			r.Repeat, r.Setting.ServerCPUs = 1, "0"
		}
	}
	l := claims.Evaluate(set)
	body, err := ledger.Body(set, l)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(body), `<section id="`+l.Run+`-T2">`)
	section, _, _ = strings.Cut(section, "</section>")
	if !found || !strings.Contains(section, "<img ") || !strings.Contains(section, "cpu-1ms, server cpus 0") {
		t.Errorf("no chart of it in\n%.2000s", section)
	}
}
