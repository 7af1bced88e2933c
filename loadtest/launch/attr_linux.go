package launch

import "syscall"

// procAttr puts a server into a process group of its own. The kernel kills the group's
// leader if this process dies without stopping it.
func procAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
