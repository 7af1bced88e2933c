// Package handover passes descriptors from one process to another over a Unix socket (SCM_RIGHTS).
// The model process passes connections to its workers in this way, and the trial start measures how
// long that takes.
package handover

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// errNothing is the error of a message without a descriptor, which no master sends.
var errNothing = errors.New("a message without a descriptor")

// Pair returns two ends of a stream: ours for this process, and theirs for a process that it
// starts. The caller must close theirs after the start.
func Pair() (ours *net.UnixConn, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(pair[0])
		unix.CloseOnExec(pair[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(pair[1]), "worker")
	ours, err = Conn(os.NewFile(uintptr(pair[0]), "master"))
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// Conn returns the connection of f, which is an end of a pair, and closes f.
func Conn(f *os.File) (*net.UnixConn, error) {
	defer func() { _ = f.Close() }() // the connection has a duplicate
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

// Give passes fd to another process, which gets a duplicate. The caller still owns fd.
func Give(to *net.UnixConn, fd int) error {
	_, _, err := to.WriteMsgUnix([]byte{0}, unix.UnixRights(fd), nil)
	return err
}

// Take waits for a descriptor, which the caller owns. It returns io.EOF if there will be no more.
func Take(from *net.UnixConn) (fd int, err error) {
	msg, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	n, rn, _, _, err := from.ReadMsgUnix(msg, rights)
	switch {
	case errors.Is(err, io.EOF), err == nil && n == 0:
		return -1, io.EOF
	case err != nil:
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rn])
	if err != nil || len(messages) != 1 {
		return -1, errNothing
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errNothing
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}
