//go:build unix && !linux

package admit

// Memory would return how many more bytes this process may use. It is not known here.
func Memory() (bytes int, ok bool) { return 0, false }
