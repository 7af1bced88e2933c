package worker

import (
	"os/exec"
	"syscall"
)

// setDeathSignal has the kernel kill the worker when its master ends. Package syscall covers a
// master that ends before the worker has asked for the signal.
func setDeathSignal(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// ExitWithMaster ends this process when its master has ended. On Linux the kernel does it: see
// Command.
func ExitWithMaster() {}
