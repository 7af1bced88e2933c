// Package worker is what the masters of worker processes have in common: a worker ends with its
// master, in whatever way the master ends.
package worker

import (
	"os"
	"os/exec"
	"time"
)

// GraceBeforeKill is how long after the drain timeout a master waits before it kills a worker.
const GraceBeforeKill = 500 * time.Millisecond

// Command prepares a worker that writes to the output of this process. On Linux the kernel kills
// the worker when the thread that has started it ends: that thread must be locked to a goroutine
// that lives as long as the master. Elsewhere the worker has to call ExitWithMaster.
func Command(exe string, args ...string) *exec.Cmd {
	cmd := exec.Command(exe, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	setDeathSignal(cmd)
	return cmd
}
