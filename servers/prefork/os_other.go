//go:build !linux

package prefork

import (
	"os"
	"os/exec"
	"time"
)

// setDeathSignal: only Linux has one.
func setDeathSignal(*exec.Cmd) {}

// exitWithMaster ends this process when its master has ended, and another process has become its parent.
func exitWithMaster() {
	master := os.Getppid()
	go func() {
		for os.Getppid() == master {
			time.Sleep(500 * time.Millisecond)
		}
		os.Exit(1)
	}()
}
