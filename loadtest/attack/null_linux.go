package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/loadtest/load"
)

// ServeNull runs a server that does as little as possible: it answers without checking. The
// throughput that a generator reaches with it is the generator's ceiling. It assumes that all
// HTTP requests of a connection are as long as the first, as this generator's are. It answers
// with the body of the request if there is one, or else as the workload at the path does; an
// echo gets back what it sent. The connections are divided among loops event loops. It returns
// when ctx is done.
func ServeNull(ctx context.Context, protocol, addr string, loops int) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	// A descriptor of its own, as this one is waited for without Go's netpoller.
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer file.Close()
	queue := []unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}
	pollers := make([]*nullLoop, max(loops, 1))
	for i := range pollers {
		p, err := newPoller()
		if err != nil {
			return err
		}
		pollers[i] = &nullLoop{poller: p, http: protocol == "http", conns: map[int]*nullConn{}, buf: make([]byte, 256<<10)}
	}
	ctx, give := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	for _, l := range pollers {
		wg.Go(func() {
			if err := l.serve(ctx); err != nil {
				give(err)
			}
		})
	}
	defer func() {
		give(nil) // the loops end with it
		wg.Wait()
	}()
	for n := 0; ctx.Err() == nil; n++ {
		if _, err := unix.Poll(queue, int(slice.Milliseconds())); err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for connections on %s: %w", addr, err)
		}
		if queue[0].Revents == 0 {
			continue
		}
		fd, _, err := unix.Accept4(int(queue[0].Fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err == unix.ECONNABORTED || err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("accept on %s: %w", addr, err)
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if err := pollers[n%len(pollers)].poller.add(fd, readable, fd); err != nil {
			return err
		}
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

type nullLoop struct {
	poller *poller
	http   bool
	conns  map[int]*nullConn
	buf    []byte
	out    []byte
}

// A nullConn is a connection of the null server.
type nullConn struct {
	request int // length of each request; 0 before the first
	body    int // of it
	answer  []byte
	have    []byte // of a request whose end has not come yet
}

func (l *nullLoop) serve(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := l.poller.wait(slice)
		if err != nil {
			return err
		}
		for i := range n {
			fd, in, _ := l.poller.event(i)
			if in && !l.answer(fd) {
				closeSocket(fd)
				delete(l.conns, fd)
			}
		}
	}
	return nil
}

func (l *nullLoop) answer(fd int) bool {
	n, err := read(fd, l.buf)
	if err != nil {
		return wouldBlock(err)
	}
	if n == 0 {
		return false
	}
	if !l.http {
		return writeAll(fd, l.buf[:n])
	}
	c := l.conns[fd]
	if c == nil {
		c = &nullConn{}
		l.conns[fd] = c
	}
	in := l.buf[:n]
	if len(c.have) > 0 {
		c.have = append(c.have, in...)
		in = c.have
	}
	if c.request == 0 && !c.learn(in) {
		c.have = append(c.have[:0], in...)
		return len(in) < maxHeader
	}
	l.out = l.out[:0]
	for len(in) >= c.request {
		l.out = append(l.out, c.answer...)
		l.out = append(l.out, in[c.request-c.body:c.request]...)
		in = in[c.request:]
	}
	c.have = append(c.have[:0], in...)
	return len(l.out) == 0 || writeAll(fd, l.out)
}

// learn reads from the first request of a connection what all will be like.
func (c *nullConn) learn(in []byte) bool {
	head, _, whole := bytes.Cut(in, []byte("\r\n\r\n"))
	if !whole {
		return false
	}
	if _, length, has := bytes.Cut(head, []byte("\r\nContent-Length: ")); has {
		length, _, _ = bytes.Cut(length, []byte("\r\n"))
		c.body, _ = strconv.Atoi(string(length))
	}
	c.request = len(head) + 4 + c.body
	length, answer := c.body, ""
	if c.body == 0 {
		answer = fixedAnswer(head)
		length = len(answer)
	}
	c.answer = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", length, answer)
	return true
}

// fixedAnswer is the answer of the workload that a request asks for; "" if there
// is none, as for what only asks whether the server is ready.
func fixedAnswer(head []byte) string {
	for _, w := range load.Workloads {
		if w.Cheap && bytes.HasPrefix(head, []byte(w.Method+" "+w.Path+" ")) {
			return w.Answer
		}
	}
	return ""
}

// writeAll waits for a client that does not read yet: this generator will.
func writeAll(fd int, p []byte) bool {
	for len(p) > 0 {
		n, err := write(fd, p)
		if err != nil && !wouldBlock(err) {
			return false
		}
		if n == 0 && err != nil {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			if _, err := unix.Poll(fds, 100); err != nil && err != unix.EINTR {
				return false
			}
		}
		p = p[n:]
	}
	return true
}
