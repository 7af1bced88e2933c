package process

import (
	"os/exec"
	"syscall"
)

// setDeathSignal has the kernel kill the worker when its master ends, however that comes. Package syscall covers a master
// that ends before the worker has asked for it.
func setDeathSignal(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
