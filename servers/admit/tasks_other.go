//go:build unix && !linux

package admit

// Tasks returns how many more threads or processes this process may start, besides ours of its own,
// and the name of the limit. There is no portable way to read it: this is the default of macOS.
func Tasks(ours int) (n int, by string) {
	return max(2048-ours, 1024), "the system's threads of a task"
}
