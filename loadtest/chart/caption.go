package chart

import (
	"fmt"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// caption returns what a reader must know to judge the numbers.
func caption(src *Source, drawn string) []string {
	run, cells := src.Run, src.drawn(src.Cells)
	h := run.Host
	cores := ""
	if h.Cores > 0 {
		cores = prose.Count(h.Cores, "core")
	}
	host := prose.Join(" · ", h.CPUModel, cores, prose.Join(" ", systemName(h.OS), h.Kernel), h.Virtual, stats.CPUs(cells))

	var how []string
	if drawn != "" {
		how = append(how, drawn)
	} else if iv := stats.Intervals(cells); iv != "" {
		how = append(how, "medians, bands the "+iv)
	} else {
		how = append(how, "one repeat, so no interval")
	}
	if d := durations(cells); d != "" {
		how = append(how, d+" each"+warmedUp(cells))
	}
	if run.Generator != "" {
		how = append(how, "generator "+run.Generator)
	}
	if run.ID != "" {
		how = append(how, "run "+run.ID)
	}
	out := []string{host, strings.Join(how, " · ")}
	if noise := noiseFloor(src.Cells); noise != "" {
		out = append(out, noise)
	}
	return out
}

// durations returns the length of the windows, as a range if they differ.
func durations(cells []*stats.Cell) string {
	lo, hi := 0.0, 0.0
	for _, c := range cells {
		for _, r := range c.Repeats {
			if lo == 0 || r.AskedSec < lo {
				lo = r.AskedSec
			}
			hi = max(hi, r.AskedSec)
		}
	}
	switch {
	case hi == 0:
		return ""
	case lo == hi:
		return fmt.Sprintf("%.3g s", lo)
	}
	return fmt.Sprintf("%.3g to %.3g s", lo, hi)
}

// warmedUp returns whether all or some of the repeats had a warm-up, in words.
func warmedUp(cells []*stats.Cell) string {
	some, all := false, true
	for _, c := range cells {
		for _, r := range c.Repeats {
			some, all = some || r.WarmupSec > 0, all && r.WarmupSec > 0
		}
	}
	switch {
	case some && all:
		return ", after a warm-up"
	case some:
		return ", some after a warm-up"
	}
	return ""
}

func systemName(goos string) string {
	switch goos {
	case "linux":
		return "Linux"
	case "darwin":
		return "macOS"
	}
	return goos
}

// noiseFloor returns by how much throughput differs where cells were measured
// twice, in words; "" if none was.
func noiseFloor(cells []*stats.Cell) string {
	n := stats.NoiseFloor(cells, stats.Throughput)
	if n.Cells == 0 {
		return ""
	}
	return "noise floor: in " + prose.Count(n.Cells, "cell") + " measured twice, " + stats.Floors([]stats.Noise{n})
}
