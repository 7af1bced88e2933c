//go:build !linux

package prefork

import (
	"net"
	"os/exec"
)

// setDeathSignal: only Linux has one. Workers see the end of their master by themselves (OnMasterDeath).
func setDeathSignal(*exec.Cmd) {}

// acceptAtOnce: the library defers accepting only on Linux, or where a filter is set up for it.
func acceptAtOnce(*net.TCPListener) error { return nil }
