//go:build unix && !linux

package admit

// Memory is how many bytes more this process and its children may take. Nothing tells it here.
func Memory() (bytes int, ok bool) { return 0, false }
