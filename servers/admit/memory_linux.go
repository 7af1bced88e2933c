package admit

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory returns how many more bytes this process and its children may use before the machine, or a
// control group around them, has none left. ok is false if neither can be read.
func Memory() (bytes int, ok bool) {
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		bytes, ok = available(string(b))
	}
	if b, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		if room, has := memoryRoom(string(b), "/sys/fs/cgroup"); has && (!ok || room < bytes) {
			bytes, ok = room, true
		}
	}
	return bytes, ok
}

// available returns MemAvailable of /proc/meminfo.
func available(meminfo string) (bytes int, ok bool) {
	for line := range strings.Lines(meminfo) {
		if value, is := strings.CutPrefix(line, "MemAvailable:"); is {
			kb, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			return kb << 10, err == nil
		}
	}
	return 0, false
}

// memoryRoom returns the smallest room in any control group (version 2) around the process.
func memoryRoom(self, root string) (bytes int, ok bool) {
	for line := range strings.Lines(self) {
		path, is := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !is {
			continue
		}
		for path = filepath.Clean("/" + path); ; path = filepath.Dir(path) {
			most, has := readInt(filepath.Join(root, path, "memory.max"))
			current, _ := readInt(filepath.Join(root, path, "memory.current"))
			if has && (!ok || most-current < bytes) {
				bytes, ok = most-current, true
			}
			if path == "/" {
				break
			}
		}
	}
	return bytes, ok
}
