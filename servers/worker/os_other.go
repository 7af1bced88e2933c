//go:build !linux

package worker

import (
	"os"
	"os/exec"
	"time"
)

// setDeathSignal does nothing: only Linux has such a signal.
func setDeathSignal(*exec.Cmd) {}

// ExitWithMaster ends this process when its master has ended, which shows in another parent.
func ExitWithMaster() {
	master := os.Getppid()
	go func() {
		for os.Getppid() == master {
			time.Sleep(500 * time.Millisecond)
		}
		os.Exit(1)
	}()
}
