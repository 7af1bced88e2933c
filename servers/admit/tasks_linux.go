package admit

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// taskSlack is how many threads are left to the rest of the machine.
const taskSlack = 256

// Tasks returns how many more threads or processes the system lets this process start, besides ours
// of its own, and the name of the limit that decides.
func Tasks(ours int) (n int, by string) {
	n = 1 << 30
	lower := func(limit int, name string) {
		if limit < n {
			n, by = limit, name
		}
	}
	running := runningThreads()
	if v, ok := readInt("/proc/sys/kernel/pid_max"); ok {
		lower(v-running, "kernel.pid_max")
	}
	if v, ok := readInt("/proc/sys/kernel/threads-max"); ok {
		lower(v-running, "kernel.threads-max")
	}
	if v, ok := readInt("/proc/sys/vm/max_map_count"); ok {
		lower(v/2-taskSlack, "vm.max_map_count") // a thread in C maps a stack and a guard page
	}
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &l) == nil && l.Cur < 1<<30 {
		lower(int(l.Cur)-running, "RLIMIT_NPROC")
	}
	if v, ok := cgroupRoom("/proc/self/cgroup", "/sys/fs/cgroup"); ok {
		lower(v, "pids.max of the control group")
	}
	return max(n-ours-taskSlack, 1), by
}

// runningThreads returns the number of threads of the machine: 234, where the fourth field of
// /proc/loadavg is 1/234.
func runningThreads() int {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 4 {
		return 0
	}
	_, total, _ := strings.Cut(f[3], "/")
	n, _ := strconv.Atoi(total)
	return n
}

// cgroupRoom returns the smallest room for threads in any control group around this process.
func cgroupRoom(self, root string) (room int, ok bool) {
	f, err := os.Open(self)
	if err != nil {
		return 0, false
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// hierarchy:controllers:path; in version 2 the hierarchy is 0 and there are no controllers
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		dir := root
		switch {
		case parts[0] == "0":
		case strings.Contains(","+parts[1]+",", ",pids,"):
			dir = filepath.Join(root, "pids")
		default:
			continue
		}
		for path := filepath.Clean(parts[2]); ; path = filepath.Dir(path) {
			limit, has := readInt(filepath.Join(dir, path, "pids.max"))
			current, _ := readInt(filepath.Join(dir, path, "pids.current"))
			if has && (!ok || limit-current < room) {
				room, ok = limit-current, true
			}
			if path == "/" || path == "." {
				break
			}
		}
	}
	return room, ok
}

func readInt(path string) (int, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return n, err == nil // "max" is not a number: there is no limit
}
