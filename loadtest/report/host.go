package report

import (
	"bufio"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/prose"
	"github.com/tierbench/tierbench/loadtest/result"
	"github.com/tierbench/tierbench/loadtest/stats"
	"github.com/tierbench/tierbench/loadtest/table"
)

func (v *view) host(b *bufio.Writer) {
	if t := v.hostTable(); len(t.Rows) > 0 {
		fmt.Fprintf(b, "## Host and versions\n\n%s\n", t.Markdown())
	}
}

func (v *view) hostTable() *table.Table {
	h, bd := v.run.Host, v.run.Build
	t := table.New(table.Left("", ""))
	add := func(k, val string) {
		if val != "" {
			t.Row(k, val)
		}
	}
	add("CPU", h.CPUModel)
	if h.Cores > 0 {
		add("cores", stats.Group(h.Cores))
	}
	if h.MemBytes > 0 {
		add("memory", stats.Bytes.Format(float64(h.MemBytes)))
	}
	add("hypervisor", h.Virtual)
	if h.Load1 > 0 {
		add("load average before", fmt.Sprintf("%.2f", h.Load1))
	}
	add("system", strings.TrimSpace(strings.Trim(h.OS+"/"+h.Arch, "/")+" "+h.Kernel))
	for _, k := range slices.Sorted(maps.Keys(h.Limits)) {
		s := stats.Group(int(h.Limits[k]))
		if h.Limits[k] < 0 {
			s = "none"
		}
		add("limit "+k, s)
	}
	for _, k := range slices.Sorted(maps.Keys(h.Sysctls)) {
		add(k, h.Sysctls[k])
	}
	add("Go", bd.Go)
	add("commit", strings.TrimSpace(bd.Commit+" "+uncommitted(bd)))
	for _, k := range slices.Sorted(maps.Keys(bd.Modules)) {
		add(k, bd.Modules[k])
	}
	for _, k := range slices.Sorted(maps.Keys(bd.Tools)) {
		add(k, bd.Tools[k])
	}
	return t
}

func uncommitted(b result.Build) string {
	if !b.Dirty {
		return ""
	}
	return "with uncommitted changes"
}

// provenance says when the run was made, and in which order.
func (v *view) provenance() string {
	r := v.run
	s := fmt.Sprintf("The order of the cells was drawn with seed %d.", r.Seed)
	if !r.Started.IsZero() {
		s += fmt.Sprintf(" The run `%s` began %s UTC", r.ID, r.Started.UTC().Format("2006-01-02 15:04:05"))
		for _, again := range r.Resumed {
			s += ", was resumed at " + again.At.UTC().Format("2006-01-02 15:04:05")
			if b := again.Build; b.Commit != r.Build.Commit || b.Dirty != r.Build.Dirty {
				s += " by commit " + strings.TrimSpace(b.Commit+" "+uncommitted(b))
			}
		}
		switch {
		case !r.Ended.After(r.Started):
		case len(r.Resumed) > 0: // when it was interrupted is not recorded
			s += " and ended " + r.Ended.UTC().Format("2006-01-02 15:04:05")
		default:
			s += fmt.Sprintf(" and took %s", r.Ended.Sub(r.Started).Round(1e9))
		}
		s += "."
	}
	return s
}

func (v *view) reproduce(b *bufio.Writer) {
	r := v.run
	fmt.Fprint(b, "## How to repeat it\n\n")
	if r.ConfigFile != "" {
		fmt.Fprintf(b, "    make build && bin/tierbench run %s\n\n", r.ConfigFile)
	}
	fmt.Fprintf(b, "%s", v.provenance())
	fmt.Fprint(b, " `bench.txt` contains the repeats that count, for benchstat (`benchstat -col /model bench.txt`); `cells.jsonl` contains every repeat.\n")
	if r.ConfigText != "" {
		fence := "```"
		for strings.Contains(r.ConfigText, fence) {
			fence += "`"
		}
		fmt.Fprintf(b, "\n<details><summary>The config</summary>\n\n%syaml\n%s\n%s\n\n</details>\n", fence, strings.TrimRight(r.ConfigText, "\n"), fence)
	}
}

// host names a machine in a few words.
func host(h result.Host) string {
	cores := ""
	if h.Cores > 0 {
		cores = prose.Count(h.Cores, "core")
	}
	return prose.Join(", ", h.CPUModel, cores, prose.Join(" ", h.OS, h.Kernel))
}
