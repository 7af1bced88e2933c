package loop

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// A poller changes what gnet's own epoll waits for. gnet cannot pause reading and does not give
// away the descriptor of its epoll, but the kernel shows it: /proc/self/fdinfo lists what each
// epoll watches. The poller sets events as gnet's default poller does (it finds its connection by
// EpollEvent.Fd).
type poller struct {
	fd int // gnet's epoll; -1: not found
}

// find looks for the epoll that watches the connection conn. If Go has accepted the connection,
// Go's own epoll may still watch the same socket under another descriptor.
func (p *poller) find(conn int) error {
	ep, _, err := watcher(conn, func(watched int) bool { return watched == conn })
	p.fd = ep
	return err
}

// writeOnly lets the loop wait only until conn can be written. It reports whether that worked.
func (p *poller) writeOnly(conn int) bool { return p.set(conn, unix.EPOLLOUT) }

// silence lets the loop wait only for errors of conn. It reports whether that worked.
func (p *poller) silence(conn int) bool { return p.set(conn, 0) }

// listen lets the loop read from conn again.
func (p *poller) listen(conn int) { p.set(conn, unix.EPOLLIN|unix.EPOLLPRI) }

func (p *poller) set(conn int, events uint32) bool {
	return p.fd >= 0 && unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, conn, &unix.EpollEvent{Events: events, Fd: int32(conn)}) == nil
}

// stopListening closes the port, unless connections are in its accept queue: then it returns more.
// gnet itself would close the port only after all connections have ended.
func (p *poller) stopListening(engine gnet.Engine) (more bool, err error) {
	fd, err := engine.Dup()
	if err != nil {
		return false, err
	}
	defer func() { _ = unix.Close(fd) }()
	ep, listener, err := watcher(fd, func(int) bool { return true })
	if err != nil {
		return false, err
	}
	queue := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(queue, 0); n > 0 && err == nil {
		return true, nil
	}
	// gnet ends on an error of accept, so it must not see the shutdown.
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_DEL, listener, nil); err != nil {
		return false, os.NewSyscallError("epoll_ctl", err)
	}
	return false, os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_RD))
}

// watcher finds the epoll of this process that watches the socket of fd, under a descriptor for
// which accept returns true.
func watcher(fd int, accept func(watched int) bool) (epoll, watched int, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return -1, -1, os.NewSyscallError("fstat", err)
	}
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return -1, -1, err
	}
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err != nil || to != "anon_inode:[eventpoll]" {
			continue
		}
		f, err := os.Open(filepath.Join("/proc/self/fdinfo", e.Name()))
		if err != nil {
			continue
		}
		watched, found := watchedFD(bufio.NewScanner(f), st.Ino)
		_ = f.Close()
		if found && accept(watched) {
			epoll, err := strconv.Atoi(e.Name())
			return epoll, watched, err
		}
	}
	return -1, -1, fmt.Errorf("find gnet's epoll in %s: %w", dir, errors.ErrUnsupported)
}

// watchedFD reads the fdinfo of an epoll, which has a line for each descriptor: "tfd: 7 events: 19
// data: 7 pos:0 ino:2f1a sdev:9".
func watchedFD(lines *bufio.Scanner, ino uint64) (fd int, found bool) {
	want := "ino:" + strconv.FormatUint(ino, 16)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 2 || f[0] != "tfd:" {
			continue
		}
		for _, field := range f[2:] {
			if field == want {
				fd, err := strconv.Atoi(f[1])
				return fd, err == nil
			}
		}
	}
	return -1, false
}

// writeNow writes as much as the socket takes at once, and returns how much that was. It does not
// announce the system call to Go's scheduler: the descriptor is non-blocking, so the call takes
// some microseconds and does not wait. Announced calls keep the runtime's monitor thread awake,
// which every 20 µs checks whether to give the processor to another thread: that took a tenth of
// the server's time under load. The models thread (send with MSG_DONTWAIT) and goroutine gain
// nothing from it: threads that wait in read and in epoll keep their monitor awake.
func writeNow(fd int, p []byte) int {
	n, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0 // gnet tries again, and handles the error
	}
	return int(n)
}
