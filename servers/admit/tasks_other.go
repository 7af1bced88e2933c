//go:build unix && !linux

package admit

// Tasks is how many more threads or processes this process may start after ours for its own use, and what says so. What the
// system allows is not to be read in one place here, so the limit is what macOS allows a task by default.
func Tasks(ours int) (n int, by string) {
	return max(2048-ours, 1024), "the system's threads of a task"
}
