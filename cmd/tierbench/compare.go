package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/compare"
	"github.com/tierbench/tierbench/loadtest/quantity"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

type compareCmd struct {
	Runs          []string `arg:"" name:"results" help:"The folders of two runs, A and B; with --models, of a single run." type:"existingdir"`
	Models        []string `help:"Compare two models of one run: A,B." placeholder:"A,B"`
	Metrics       []string `name:"metric" help:"Metrics to compare: ${metrics}." default:"throughput,p99,cpu,memory" placeholder:"NAME"`
	Format        string   `help:"Output format: ${formats}." default:"markdown" placeholder:"markdown"`
	MaxRegression string   `help:"Exit with status 1 if any metric of B is worse by more than this, such as 5%, or if B lacks a cell of A. A tie is not worse." placeholder:"PERCENT"`
}

// Help is an example for --help.
func (c *compareCmd) Help() string {
	return "Runs are made one after the other, so a busy machine changes their difference. tierbench duel compares two servers in turns, and finds smaller differences.\n\n" +
		"Examples:\n\n" +
		"    tierbench compare results/BEFORE results/AFTER --max-regression 5%\n\n" +
		"    tierbench compare results/latest --models thread,eventloop --format html >compare.html"
}

func (c *compareCmd) Run(e *env) error {
	write, ok := compare.Formats[c.Format]
	if !ok {
		return usageError(fmt.Errorf("--format: %q is not known; allowed: %s", c.Format, compareVars()["formats"]))
	}
	var metrics []stats.Metric
	for _, name := range c.Metrics {
		m, ok := stats.Lookup(name)
		if !ok {
			return usageError(fmt.Errorf("--metric: %q is not known; allowed: %s", name, compareVars()["metrics"]))
		}
		metrics = append(metrics, m)
	}
	most, err := regression(c.MaxRegression)
	if err != nil {
		return usageError(err)
	}
	var sets []*result.Set
	for _, dir := range c.Runs {
		set, err := result.Load(dir)
		if err != nil {
			return usageError(err)
		}
		sets = append(sets, set)
	}
	var cmp *compare.Comparison
	switch {
	case len(sets) == 1 && len(c.Models) == 2:
		cmp, err = compare.Models(sets[0], c.Models[0], c.Models[1], metrics, most)
	case len(sets) == 2 && len(c.Models) == 0:
		cmp, err = compare.Runs(sets[0], sets[1], metrics, most)
	default:
		err = fmt.Errorf("compare two runs, or two models of one run with --models A,B; got %d runs and %d models", len(sets), len(c.Models))
	}
	if err != nil {
		return usageError(err)
	}
	if err := write(e.out, cmp); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	if n := cmp.Fails(); n > 0 {
		return fmt.Errorf("%d comparisons are worse by more than allowed, or cannot be made (tierbench duel tells a slower server from a busy machine)", n)
	}
	return nil
}

// regression parses "5%" or "0.05". It returns NaN, which allows everything, for "".
func regression(s string) (float64, error) {
	if s == "" {
		return math.NaN(), nil
	}
	v, ok := quantity.Fraction(s)
	if !ok || v >= 10 {
		return 0, fmt.Errorf("--max-regression: %q is not a fraction; allowed: a percentage such as 5%%, or a number below 1 such as 0.05", s)
	}
	return v, nil
}

// compareVars are the names that the help and the errors list.
func compareVars() map[string]string {
	var metrics []string
	for _, m := range stats.Metrics {
		metrics = append(metrics, m.Name)
	}
	return map[string]string{
		"metrics": strings.Join(metrics, ", "),
		"formats": strings.Join(slices.Sorted(maps.Keys(compare.Formats)), ", "),
	}
}
