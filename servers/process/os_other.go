//go:build !linux

package process

import "os/exec"

// setDeathSignal: only Linux has one. A worker sees the end of its master in any case: the socket between them is closed.
func setDeathSignal(*exec.Cmd) {}
