package attack

import (
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A poller waits for many sockets at once: an epoll instance. It is level
// triggered, so that one read a wake-up is enough.
type poller struct {
	fd     int
	events []unix.EpollEvent
	ns     bool // epoll_pwait2(2) is there: Linux 5.11
	busy   bool // the last wait found something at once
}

// What a socket is waited for.
const (
	readable = unix.EPOLLIN
	writable = unix.EPOLLOUT
)

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &poller{fd: fd, events: make([]unix.EpollEvent, 512), ns: true}, nil
}

func (p *poller) close() { _ = unix.Close(p.fd) }

func (p *poller) set(op int, fd int, what uint32, client int) error {
	ev := unix.EpollEvent{Events: what, Fd: int32(client)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, op, fd, &ev))
}

// add waits for fd, on behalf of a client. The kernel forgets it when it is
// closed.
func (p *poller) add(fd int, what uint32, client int) error {
	return p.set(unix.EPOLL_CTL_ADD, fd, what, client)
}

func (p *poller) change(fd int, what uint32, client int) error {
	return p.set(unix.EPOLL_CTL_MOD, fd, what, client)
}

// wait returns how many events there are, after at most d.
func (p *poller) wait(d time.Duration) (int, error) {
	if p.busy || d <= 0 {
		// While answers stream in there is no need to tell Go's scheduler of a
		// call that returns at once.
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
		p.busy = errno == 0 && n > 0
		if p.busy || d <= 0 {
			return waited(n, errno)
		}
	}
	if p.ns {
		ts := unix.NsecToTimespec(int64(d))
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
		if errno != unix.ENOSYS {
			p.busy = errno == 0 && n > 0
			return waited(n, errno)
		}
		p.ns = false
	}
	// Whole milliseconds, rounded down: the last one is spent in short waits.
	n, err := unix.EpollWait(p.fd, p.events, int(d.Milliseconds()))
	if err == unix.EINTR {
		return 0, nil
	}
	p.busy = n > 0
	return max(n, 0), os.NewSyscallError("epoll_wait", err)
}

func waited(n uintptr, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, os.NewSyscallError("epoll_wait", errno)
}

// event returns the client of event number i, and whether its socket can be
// read or has failed, or can be written.
func (p *poller) event(i int) (client int, in, out bool) {
	ev := &p.events[i]
	return int(ev.Fd), ev.Events&^writable != 0, ev.Events&writable != 0
}

// read and write do not tell Go's scheduler of calls that never wait.
func read(fd int, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, os.NewSyscallError("read", errno)
	}
}

func write(fd int, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, os.NewSyscallError("write", errno)
	}
}

func wouldBlock(err error) bool {
	se, ok := err.(*os.SyscallError)
	return ok && se.Err == unix.EAGAIN
}

func closeSocket(fd int) { _ = unix.Close(fd) }

// dial begins to connect. A source that is valid is the local address to
// connect from; its port is chosen at the connect, so that the same one can be
// used for other destinations (IP_BIND_ADDRESS_NO_PORT).
func dial(to netip.AddrPort, source netip.Addr) (fd int, err error) {
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	fail := func(call string, err error) (int, error) {
		closeSocket(fd)
		return -1, os.NewSyscallError(call, err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fail("setsockopt TCP_NODELAY", err)
	}
	if source.IsValid() {
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return fail("setsockopt IP_BIND_ADDRESS_NO_PORT", err)
		}
		if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(source, 0))); err != nil {
			return fail("bind", err)
		}
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil && err != unix.EINPROGRESS {
		return fail("connect", err)
	}
	return fd, nil
}

// dialed returns the error of a connect that has ended.
func dialed(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = syscall.Errno(errno)
	}
	return os.NewSyscallError("connect", err)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is6() {
		return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// wakeOnTime has this thread's timers go off when they are due: by default the
// kernel may be 50 µs late to save power.
func wakeOnTime() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // if it fails, timers stay as late as they were
}
