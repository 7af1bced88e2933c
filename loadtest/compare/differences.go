package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
)

// differences names what differs between two runs apart from what they measured. The host
// comes first: results from two hosts compare the hosts, not the servers.
func differences(a, b *result.Run, as, bs []*stats.Cell) []string {
	var out []string
	differ := func(what, x, y string) {
		if x != y {
			out = append(out, fmt.Sprintf("%s: %s in A, %s in B", what, cmp.Or(x, "not known"), cmp.Or(y, "not known")))
		}
	}
	h, g := a.Host, b.Host
	differ("host, CPU", h.CPUModel, g.CPUModel)
	differ("host, cores", fmt.Sprint(h.Cores), fmt.Sprint(g.Cores))
	differ("host, memory", stats.Bytes.Format(float64(h.MemBytes)), stats.Bytes.Format(float64(g.MemBytes)))
	differ("host, hypervisor", h.Virtual, g.Virtual)
	differ("host, system", h.OS+"/"+h.Arch+" "+h.Kernel, g.OS+"/"+g.Arch+" "+g.Kernel)
	for _, k := range keys(h.Limits, g.Limits) {
		differ("host, limit "+k, fmt.Sprint(h.Limits[k]), fmt.Sprint(g.Limits[k]))
	}
	for _, k := range keys(h.Sysctls, g.Sysctls) {
		differ("host, "+k, h.Sysctls[k], g.Sysctls[k])
	}
	differ("cores used", stats.CPUs(as), stats.CPUs(bs))
	differ("generator", a.Generator, b.Generator)
	differ("measured for, s", asked(as, func(r *result.Repeat) float64 { return r.AskedSec }), asked(bs, func(r *result.Repeat) float64 { return r.AskedSec }))
	differ("warm-up, s", asked(as, func(r *result.Repeat) float64 { return r.WarmupSec }), asked(bs, func(r *result.Repeat) float64 { return r.WarmupSec }))
	differ("repeats", fmt.Sprint(a.Repeats), fmt.Sprint(b.Repeats))
	differ("Go", a.Build.Go, b.Build.Go)
	differ("commit", commit(a.Build), commit(b.Build))
	for _, k := range keys(a.Build.Modules, b.Build.Modules) {
		differ(k, a.Build.Modules[k], b.Build.Modules[k])
	}
	for _, m := range a.Models {
		for _, n := range b.Models {
			if m.Name == n.Name {
				differ("command of "+m.Name, strings.Join(m.Command, " "), strings.Join(n.Command, " "))
			}
		}
	}
	return out
}

func keys[V any](a, b map[string]V) []string {
	both := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(both)
	return slices.Compact(both)
}

// asked returns the distinct values of f over the repeats.
func asked(cells []*stats.Cell, f func(*result.Repeat) float64) string {
	var out []string
	for _, c := range cells {
		for _, r := range c.Repeats {
			if s := fmt.Sprintf("%.3g", f(r)); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func commit(b result.Build) string {
	s := b.Commit
	if len(s) > 12 {
		s = s[:12]
	}
	if b.Dirty {
		s += " with uncommitted changes"
	}
	return s
}
