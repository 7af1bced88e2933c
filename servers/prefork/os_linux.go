package prefork

import (
	"net"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// setDeathSignal has the kernel kill the worker when its master ends, however that comes. Package syscall covers a master
// that ends before the worker has asked for it.
func setDeathSignal(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// acceptAtOnce undoes TCP_DEFER_ACCEPT, which the library sets: a client that has connected and not sent yet would not be
// established here, unlike in every other model.
func acceptAtOnce(ln *net.TCPListener) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var optErr error
	if err := raw.Control(func(fd uintptr) {
		optErr = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 0)
	}); err != nil {
		return err
	}
	return optErr
}
