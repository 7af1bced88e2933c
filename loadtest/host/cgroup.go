package host

import (
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// A Cgroup is the place of a process in one cgroup hierarchy.
type Cgroup struct {
	Mount string // the directory that the hierarchy is mounted on
	Path  string // below Mount, from "/"
	V2    bool
}

// Dir returns the directory of the cgroup.
func (c Cgroup) Dir() string { return path.Join(c.Mount, c.Path) }

// up lists the directories of the cgroup and its ancestors, the cgroup first.
func (c Cgroup) up() (dirs []string) {
	for p := path.Join("/", c.Path); ; p = path.Dir(p) {
		dirs = append(dirs, path.Join(c.Mount, p))
		if p == "/" {
			return dirs
		}
	}
}

// Cgroups are a process's cgroups by controller: "memory", "cpu", … of version 1, "" of
// version 2.
type Cgroups map[string]Cgroup

// Of returns the cgroup whose files a controller has. If the controller is in no hierarchy
// of version 1, that is the cgroup of version 2, which may lack the controller.
func (c Cgroups) Of(controller string) (Cgroup, bool) {
	if g, ok := c[controller]; ok {
		return g, true
	}
	g, ok := c[""]
	return g, ok
}

// parseCgroups reads the cgroups of a process from its /proc/PID/mountinfo and
// /proc/PID/cgroup (cgroups(7)).
func parseCgroups(mountinfo, cgroup string) Cgroups {
	paths := map[string]string{}
	for line := range strings.Lines(cgroup) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy:controllers:path
		if len(f) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(f[1], ",") {
			paths[controller] = f[2]
		}
	}
	all := Cgroups{}
	for line := range strings.Lines(mountinfo) {
		// id parent device root mount options [tags] - type source super-options
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		mount, kind := strings.Fields(before), strings.Fields(after)
		if len(mount) < 6 || len(kind) < 3 {
			continue
		}
		var controllers []string
		switch kind[0] {
		case "cgroup":
			controllers = strings.Split(kind[2], ",")
		case "cgroup2":
			controllers = []string{""}
		}
		for _, controller := range controllers {
			p, member := paths[controller]
			if _, seen := all[controller]; seen || !member {
				continue // an option of the mount such as rw, or a hierarchy that is mounted twice
			}
			// In a container without a cgroup namespace, the mount shows only the
			// container's part of the hierarchy, but the path begins at its root.
			if root := mount[3]; root != "/" {
				below, ok := strings.CutPrefix(p, root)
				if !ok {
					below = "/"
				}
				p = below
			}
			if strings.HasPrefix(p, "/..") {
				p = "/" // outside the cgroup namespace
			}
			all[controller] = Cgroup{Mount: unescape(mount[4]), Path: path.Join("/", p), V2: kind[0] == "cgroup2"}
		}
	}
	return all
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// files is a file system whose root is that of the host, and the directory in it that the
// proc file system is mounted on.
type files struct {
	fs.FS
	proc string
}

func filesOf(procRoot string) files {
	return files{os.DirFS(filepath.Dir(procRoot)), filepath.Base(procRoot)}
}

func (f files) text(name string) string {
	b, err := fs.ReadFile(f, strings.TrimPrefix(path.Clean(name), "/"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// number reads a file that contains one number. It returns -1 if there is none, if it is
// "max", or if it is so large that it limits nothing.
func (f files) number(name string) int64 { return limitNumber(f.text(name)) }

func limitNumber(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > 1<<60 { // version 1 writes the largest number of pages for none
		return -1
	}
	return n
}

// value reads a file with a name and a number on each line; 0 if the name is missing.
func (f files) value(file, name string) int64 {
	for line := range strings.Lines(f.text(file)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			n, _ := strconv.ParseInt(v, 10, 64)
			return n
		}
	}
	return 0
}

// OwnCgroups returns the cgroups of this process. procRoot is the root of the proc file
// system.
func OwnCgroups(procRoot string) Cgroups { return filesOf(procRoot).cgroups() }

func (f files) cgroups() Cgroups {
	return parseCgroups(f.text(f.proc+"/self/mountinfo"), f.text(f.proc+"/self/cgroup"))
}

// Own contains the limits that the cgroups of this process, and their ancestors, set.
type Own struct {
	result.Limits
	MemAvailable int64 // bytes left of the tightest memory limit; -1: there is none
	PIDs         int64 // the smallest pids.max; -1: there is none
}

// own reads the limits of the cgroups of this process.
func (f files) own() Own {
	o := Own{MemAvailable: -1, PIDs: -1}
	all := f.cgroups()
	if g, ok := all.Of("cpu"); ok {
		for _, dir := range g.up() {
			if cpus := f.quota(g, dir); cpus > 0 && (o.CPUs == 0 || cpus < o.CPUs) {
				o.CPUs = cpus
			}
		}
	}
	if g, ok := all.Of("memory"); ok {
		limit, used, cache := "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
		if g.V2 {
			limit, used, cache = "memory.max", "memory.current", "inactive_file"
		}
		for _, dir := range g.up() {
			most := f.number(path.Join(dir, limit))
			if most < 0 {
				continue
			}
			if o.MemoryBytes == 0 || most < o.MemoryBytes {
				o.MemoryBytes = most
			}
			// The kernel reclaims the cache before it refuses memory.
			left := most - max(0, f.number(path.Join(dir, used))) + f.value(path.Join(dir, "memory.stat"), cache)
			if left = min(max(left, 0), most); o.MemAvailable < 0 || left < o.MemAvailable {
				o.MemAvailable = left
			}
		}
	}
	if g, ok := all.Of("pids"); ok {
		for _, dir := range g.up() {
			if n := f.number(path.Join(dir, "pids.max")); n >= 0 && (o.PIDs < 0 || n < o.PIDs) {
				o.PIDs = n
			}
		}
	}
	return o
}

// quota returns the CPUs that a cgroup may use; 0 if it has no quota.
func (f files) quota(g Cgroup, dir string) float64 {
	quota, period := f.text(path.Join(dir, "cpu.cfs_quota_us")), f.text(path.Join(dir, "cpu.cfs_period_us"))
	if g.V2 {
		quota, period, _ = strings.Cut(f.text(path.Join(dir, "cpu.max")), " ")
	}
	q, errQ := strconv.ParseFloat(quota, 64)
	p, errP := strconv.ParseFloat(period, 64)
	if errQ != nil || errP != nil || q <= 0 || p <= 0 {
		return 0 // "max" or -1, or no such controller
	}
	return q / p
}

// throttledSec returns the CPU time withheld by the quotas of this process's cgroups since
// they were created, summed over the CPUs as the kernel does.
func (f files) throttledSec() (sec float64) {
	g, ok := f.cgroups().Of("cpu")
	if !ok {
		return 0
	}
	for _, dir := range g.up() {
		stat := path.Join(dir, "cpu.stat")
		if g.V2 {
			sec += float64(f.value(stat, "throttled_usec")) / 1e6
		} else {
			sec += float64(f.value(stat, "throttled_time")) / 1e9
		}
	}
	return sec
}

// ReadOwn reads the limits of the cgroups of this process. procRoot is the root of the proc
// file system.
func ReadOwn(procRoot string) Own { return filesOf(procRoot).own() }

// Cores returns how many of n cores can be used at a time within a quota of so many CPUs; a
// quota of 0 means none. A part of a core counts as one.
func Cores(n int, quota float64) int {
	if quota <= 0 {
		return n
	}
	return min(n, max(1, int(math.Ceil(quota))))
}
