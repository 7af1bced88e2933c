package launch

import "syscall"

// procAttr puts a server into a process group of its own and has the kernel
// kill its leader should this process die without stopping it.
func procAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
