package host

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/tierbench/tierbench/loadtest/result"
)

const (
	hybridMounts = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`
	hybridPaths = "5:memory:/a/b\n4:cpu,cpuacct:/c\n3:pids:/not-mounted\n0::/\n"
	v2Mounts    = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	v2Paths     = "0::/user.slice/run.scope\n"
)

func TestParseCgroups(t *testing.T) {
	for _, tt := range []struct {
		why, mounts, paths string
		want               Cgroups
	}{
		{"version 1, with one of version 2 that has no controller", hybridMounts, hybridPaths, Cgroups{
			"memory": {"/sys/fs/cgroup/memory", "/a/b", false}, "cpu": {"/sys/fs/cgroup/cpu,cpuacct", "/c", false},
			"cpuacct": {"/sys/fs/cgroup/cpu,cpuacct", "/c", false}, "": {"/sys/fs/cgroup/unified", "/", true},
		}},
		{"version 2", v2Mounts, v2Paths, Cgroups{"": {"/sys/fs/cgroup", "/user.slice/run.scope", true}}},
		{"a container that sees its part of the hierarchy only",
			"35 31 0:32 /docker/7 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "5:memory:/docker/7/x\n",
			Cgroups{"memory": {"/sys/fs/cgroup/memory", "/x", false}}},
		{"outside the cgroup namespace", v2Mounts, "0::/../other\n", Cgroups{"": {"/sys/fs/cgroup", "/", true}}},
		{"a mount with a space", "30 24 0:26 / /my\\040cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n", Cgroups{"": {"/my cgroup", "/", true}}},
		{"none", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "", Cgroups{}},
		{"cut off", "30 24 0:26 /", "5:memory", Cgroups{}},
	} {
		if diff := cmp.Diff(tt.want, parseCgroups(tt.mounts, tt.paths)); diff != "" {
			t.Errorf("%s: %s", tt.why, diff)
		}
	}
}

// tree is a file system with the proc files of this process and others.
func tree(mounts, paths string, others map[string]string) files {
	all := fstest.MapFS{"proc/self/mountinfo": {Data: []byte(mounts)}, "proc/self/cgroup": {Data: []byte(paths)}}
	for name, text := range others {
		all[strings.TrimPrefix(name, "/")] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return files{all, "proc"}
}

func TestOwnLimits(t *testing.T) {
	const m, c, u = "/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"
	none := "9223372036854771712"
	for _, tt := range []struct {
		why           string
		mounts, paths string
		files         map[string]string
		want          Own
		throttled     float64
	}{
		{"version 1: an ancestor limits the memory, the process's own cgroup the CPU", hybridMounts, hybridPaths, map[string]string{
			m + "/memory.limit_in_bytes": none, m + "/a/b/memory.limit_in_bytes": none,
			m + "/a/memory.limit_in_bytes": "314572800", m + "/a/memory.usage_in_bytes": "104857600", m + "/a/memory.stat": "cache 5\ntotal_inactive_file 10485760",
			c + "/cpu.cfs_quota_us": "-1", c + "/cpu.cfs_period_us": "100000",
			c + "/c/cpu.cfs_quota_us": "150000", c + "/c/cpu.cfs_period_us": "100000", c + "/c/cpu.stat": "nr_throttled 3\nthrottled_time 2500000000",
		}, Own{result.Limits{MemoryBytes: 300 << 20, CPUs: 1.5}, 210 << 20, -1}, 2.5},
		{"version 2: the tightest of all", v2Mounts, v2Paths, map[string]string{
			u + "/user.slice/memory.max": "max", u + "/user.slice/cpu.max": "100000 100000", u + "/user.slice/pids.max": "900", u + "/user.slice/cpu.stat": "throttled_usec 500000",
			u + "/user.slice/run.scope/memory.max": "67108864", u + "/user.slice/run.scope/memory.current": "67108864", u + "/user.slice/run.scope/cpu.max": "200000 100000",
			u + "/user.slice/run.scope/pids.max": "max", u + "/user.slice/run.scope/cpu.stat": "usage_usec 7\nthrottled_usec 250000",
		}, Own{result.Limits{MemoryBytes: 64 << 20, CPUs: 1}, 0, 900}, 0.75},
		{"no limit", v2Mounts, v2Paths, map[string]string{
			u + "/user.slice/run.scope/memory.max": "max", u + "/user.slice/run.scope/cpu.max": "max 100000",
		}, Own{MemAvailable: -1, PIDs: -1}, 0},
		{"no cgroups", "", "", nil, Own{MemAvailable: -1, PIDs: -1}, 0},
	} {
		f := tree(tt.mounts, tt.paths, tt.files)
		if got := f.own(); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.why, got, tt.want)
		}
		if got := f.throttledSec(); got != tt.throttled {
			t.Errorf("%s: throttled for %v s, want %v", tt.why, got, tt.throttled)
		}
	}
}

func TestCores(t *testing.T) {
	for _, tt := range []struct {
		n     int
		quota float64
		want  int
	}{{4, 0, 4}, {4, 0.2, 1}, {4, 1, 1}, {4, 1.5, 2}, {4, 64, 4}} {
		if got := Cores(tt.n, tt.quota); got != tt.want {
			t.Errorf("%d cores with a quota of %v: %d, want %d", tt.n, tt.quota, got, tt.want)
		}
	}
}

func FuzzParseCgroups(f *testing.F) {
	f.Add(hybridMounts, hybridPaths)
	f.Add(v2Mounts, v2Paths)
	f.Fuzz(func(t *testing.T, mounts, paths string) {
		for controller, g := range parseCgroups(mounts, paths) {
			if !strings.HasPrefix(g.Path, "/") || len(g.up()) == 0 {
				t.Errorf("%q is in %+v", controller, g)
			}
		}
	})
}
