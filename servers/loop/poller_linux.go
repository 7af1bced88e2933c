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

// A poller changes what gnet's own epoll waits for. gnet has no way to pause reading, and keeps the descriptor to
// itself, but the kernel shows it: /proc/self/fdinfo lists what each epoll watches. The events this sets are those that
// gnet's default poller would set (it finds its connection by EpollEvent.Fd).
type poller struct {
	fd int // gnet's epoll, -1: not found
}

// find looks for the epoll that watches the connection conn. Where the connection was handed over, Go's own may still watch
// the same socket under another descriptor.
func (p *poller) find(conn int) error {
	ep, _, err := watcher(conn, func(watched int) bool { return watched == conn })
	p.fd = ep
	return err
}

// writeOnly has the loop wait only until conn can be written. It reports whether it could.
func (p *poller) writeOnly(conn int) bool { return p.set(conn, unix.EPOLLOUT) }

// silence has the loop wait for nothing from conn but that it breaks. It reports whether it could.
func (p *poller) silence(conn int) bool { return p.set(conn, 0) }

// listen has the loop read from conn again.
func (p *poller) listen(conn int) { p.set(conn, unix.EPOLLIN|unix.EPOLLPRI) }

func (p *poller) set(conn int, events uint32) bool {
	return p.fd >= 0 && unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, conn, &unix.EpollEvent{Events: events, Fd: int32(conn)}) == nil
}

// stopListening closes the port, unless connections wait in its accept queue: more. gnet itself would close it only after
// all connections have ended.
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
	// gnet takes an error of accept for its end, so it must not hear of the shutdown.
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_DEL, listener, nil); err != nil {
		return false, os.NewSyscallError("epoll_ctl", err)
	}
	return false, os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_RD))
}

// watcher finds the epoll of this process that watches the socket behind fd, under a descriptor that accept takes.
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

// watchedFD reads fdinfo of an epoll: a line for each descriptor, "tfd: 7 events: 19 data: 7 pos:0 ino:2f1a sdev:9".
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

// writeNow writes what the socket takes at once, and returns how much that was. It does not tell Go's scheduler of the system
// call: the descriptor is non-blocking, so the call lasts some microseconds and waits for nothing. Announced, it keeps the
// runtime's monitor thread awake every 20 µs, to see whether the processor should be given to somebody else, which took a
// tenth of the server's time under load. The same was tried on thread (send with MSG_DONTWAIT) and on goroutine, where it
// gains nothing: their monitor is kept awake by threads that wait in read and in epoll.
func writeNow(fd int, p []byte) int {
	n, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0 // gnet tries again, and deals with what is wrong
	}
	return int(n)
}
