package conform

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// largest is the largest payload that the harness sends.
const largest = 64 << 10

var httpRules = []rule{
	{"plaintext", "GET /plaintext is answered with status 200 and Hello, World!", (*checker).plaintext},
	{"keep-alive", "a connection serves one request after the other, or its end is announced by Connection: close", (*checker).keepAlive},
	{"echo", "POST /echo is answered with status 200 and the same body, whatever is in it", (*checker).httpEcho},
	{"split", "a request that comes in pieces is put together", (*checker).httpSplit},
	{"large", "POST /echo gives back 64 KiB, the most that the harness sends", (*checker).httpLarge},
	{"connections", "many connections at a time are served, and are held by processes of the server's own group", (*checker).httpConnections},
	{"pipelining", "requests that are sent at once are answered one by one; the harness does without", (*checker).pipelining},
	{"wait", "GET /wait?ms=50 is answered after that time, with done", timed("wait", "ms", 50, 50*time.Millisecond)},
	{"block", "GET /block?ms=50 is answered after that time, with done", timed("block", "ms", 50, 50*time.Millisecond)},
	// What a microsecond of work is, each server calibrates for itself.
	{"cpu", "GET /cpu?us=1000 is answered with done", timed("cpu", "us", 1000, 0)},
	{"counter", "POST /counter is answered with ok, GET /counter with the count and the process id of who counted", (*checker).counter},
	{"bad-requests", "what is no request, and a client that breaks off, do not end the server", (*checker).badRequests},
}

// An answer is one that was read whole.
type answer struct {
	status int
	body   []byte
	closes bool // it says that the connection ends behind it
}

// A session is a connection that HTTP is spoken on.
type session struct {
	net.Conn
	in *bufio.Reader
}

func (c *checker) session() (*session, error) {
	conn, err := c.dial()
	if err != nil {
		return nil, err
	}
	return &session{conn, bufio.NewReader(conn)}, nil
}

func (c *checker) request(method, path string, body []byte) []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, c.server.Addr())
	if method == "POST" {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", len(body))
	}
	return append(append(b, "\r\n"...), body...)
}

// read reads the next answer.
func (s *session) read() (answer, error) {
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", plain(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 2*largest))
	if err != nil {
		return answer{}, fmt.Errorf("read the body of the answer: %w", plain(err))
	}
	return answer{resp.StatusCode, body, resp.Close}, nil
}

// plain says what the end of a wait or of a stream means here.
func plain(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("none came")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed")
	}
	return err
}

func (c *checker) ask(s *session, method, path string, body []byte) (answer, error) {
	// A server may answer before it has read all: a write that fails because it
	// has closed is not what is to be said of it.
	_, failed := s.Write(c.request(method, path, body))
	a, err := s.read()
	if err != nil && failed != nil {
		err = failed
	}
	return a, err
}

// once asks on a connection of its own.
func (c *checker) once(method, path string, body []byte) (answer, error) {
	s, err := c.session()
	if err != nil {
		return answer{}, err
	}
	defer s.Close()
	return c.ask(s, method, path, body)
}

// want fails unless an answer has status 200 and this body.
func (a answer) want(body string) error {
	switch {
	case a.status != http.StatusOK:
		return fmt.Errorf("status %d, want 200", a.status)
	case string(a.body) != body:
		return fmt.Errorf("body %s, want %s", short(a.body), short([]byte(body)))
	}
	return nil
}

const hello = "Hello, World!"

func (c *checker) plaintext() (string, string) {
	a, err := c.once("GET", "/plaintext", nil)
	if err == nil {
		err = a.want(hello)
	}
	return verdict(err, "status 200, "+short(a.body))
}

// known asks for what a server that has got this far answers: /healthz. The
// rules on connections do not judge what it says elsewhere.
const known = "/healthz"

func (a answer) ok() error {
	if a.status != http.StatusOK {
		return fmt.Errorf("GET %s: status %d, want 200", known, a.status)
	}
	return nil
}

func (c *checker) keepAlive() (string, string) {
	const requests = 20
	s, err := c.session()
	if err != nil {
		return Fail, err.Error()
	}
	defer s.Close()
	for i := range requests {
		a, err := c.ask(s, "GET", known, nil)
		if err == nil {
			err = a.ok()
		}
		if err != nil {
			return Fail, fmt.Sprintf("request %d on a connection: %v", i+1, err)
		}
		if a.closes {
			c.closes = true
			return Absent, fmt.Sprintf("it closes behind answer %d and says so; its config needs closes_each: true", i+1)
		}
	}
	return Pass, fmt.Sprintf("%d requests on one connection", requests)
}

func (c *checker) httpEcho() (string, string) {
	sizes := []int{0, 1, 64, 1000}
	for _, n := range sizes {
		a, err := c.once("POST", "/echo", pattern(n))
		if err == nil {
			err = a.want(string(pattern(n)))
		}
		if err != nil {
			return Fail, fmt.Sprintf("a body of %d bytes: %v", n, err)
		}
	}
	c.has["echo"] = true
	return Pass, fmt.Sprintf("bodies of %d bytes came back", sizes)
}

func (c *checker) httpSplit() (string, string) {
	request := c.request("GET", known, nil)
	s, err := c.session()
	if err != nil {
		return Fail, err.Error()
	}
	defer s.Close()
	if err := inPieces(s, request); err != nil {
		return Fail, err.Error()
	}
	a, err := s.read()
	if err == nil {
		err = a.ok()
	}
	return verdict(err, fmt.Sprintf("a request in %d pieces was answered", pieces))
}

func (c *checker) httpLarge() (string, string) {
	a, err := c.once("POST", "/echo", pattern(largest))
	if err == nil && a.missing() {
		return Absent, fmt.Sprintf("status %d", a.status)
	}
	if err == nil {
		err = a.want(string(pattern(largest)))
	}
	return verdict(err, fmt.Sprintf("%d bytes came back", largest))
}

func (c *checker) httpConnections() (string, string) {
	var sessions []*session
	defer func() { closeAll(sessions) }()
	for range c.opt.Clients {
		s, err := c.session()
		if err != nil {
			return Fail, fmt.Sprintf("connection %d: %v", len(sessions)+1, err)
		}
		sessions = append(sessions, s)
	}
	rounds := 2
	if c.closes {
		rounds = 1
	}
	for round := range rounds {
		for i, s := range sessions {
			if _, err := s.Write(c.request("GET", known, nil)); err != nil {
				return Fail, fmt.Sprintf("connection %d: %v", i+1, err)
			}
		}
		for i, s := range sessions {
			a, err := s.read()
			if err == nil {
				err = a.ok()
			}
			if err != nil {
				return Fail, fmt.Sprintf("connection %d of %d: %v", i+1, c.opt.Clients, err)
			}
		}
		if round == 0 && rounds > 1 {
			if err := c.held(); err != nil {
				return Fail, err.Error()
			}
		}
	}
	return Pass, c.servedAll()
}

func (c *checker) servedAll() string {
	if c.closes {
		return fmt.Sprintf("%d clients at a time got their answer", c.opt.Clients)
	}
	return fmt.Sprintf("%d connections, counted by the kernel, in the server's group", c.opt.Clients)
}

// held fails unless the server's processes hold as many connections as there
// are clients. All have been answered, so none waits to be accepted.
func (c *checker) held() error {
	established, held, err := c.server.Held()
	if err != nil {
		return err
	}
	if held != c.opt.Clients {
		return fmt.Errorf("of %d connections the kernel has %d established, and the server's group holds %d", c.opt.Clients, established, held)
	}
	return nil
}

func (c *checker) pipelining() (string, string) {
	if c.closes {
		return Absent, "it closes behind each answer"
	}
	s, err := c.session()
	if err != nil {
		return Fail, err.Error()
	}
	defer s.Close()
	const requests = 3
	if _, err := s.Write(bytes.Repeat(c.request("GET", known, nil), requests)); err != nil {
		return Fail, err.Error()
	}
	for i := range requests {
		a, err := s.read()
		if err != nil {
			return Absent, fmt.Sprintf("%d of %d requests that were sent at once were answered", i, requests)
		}
		if err := a.ok(); err != nil {
			return Fail, err.Error()
		}
	}
	return Pass, fmt.Sprintf("%d requests that were sent at once were answered", requests)
}

// missing tells a route that a server does not have.
func (a answer) missing() bool {
	return a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotImplemented
}

// timed is the rule of a route that takes a time, at least what is given.
func timed(route, parameter string, value int, least time.Duration) func(*checker) (string, string) {
	return func(c *checker) (string, string) {
		began := time.Now()
		a, err := c.once("GET", fmt.Sprintf("/%s?%s=%d", route, parameter, value), nil)
		took := time.Since(began)
		if err == nil && a.missing() {
			return Absent, fmt.Sprintf("status %d", a.status)
		}
		if err == nil {
			err = a.want("done")
		}
		if err == nil && took < least {
			err = fmt.Errorf("answered after %v, want no less than %v", took.Round(time.Millisecond/10), least)
		}
		c.has[route] = err == nil
		return verdict(err, fmt.Sprintf("answered after %.1f ms", took.Seconds()*1000))
	}
}

var counted = regexp.MustCompile(`^\d+ \d+\n$`)

func (c *checker) counter() (string, string) {
	a, err := c.once("POST", "/counter", nil)
	if err == nil && a.missing() {
		return Absent, fmt.Sprintf("status %d", a.status)
	}
	if err == nil {
		err = a.want("ok")
	}
	if err != nil {
		return Fail, "POST: " + err.Error()
	}
	a, err = c.once("GET", "/counter", nil)
	switch {
	case err != nil:
	case a.status != http.StatusOK:
		err = fmt.Errorf("status %d, want 200", a.status)
	case !counted.Match(a.body):
		err = fmt.Errorf(`body %s, want the count, a space, a process id and a line feed, such as "1 4711\n"`, short(a.body))
	}
	if err != nil {
		return Fail, "GET: " + err.Error()
	}
	return Pass, "it counted " + short(a.body)
}

// badRequests are what clients and scanners send by mistake or in bad faith.
func (c *checker) bad() [][]byte {
	host := "Host: " + c.server.Addr() + "\r\n"
	return [][]byte{
		[]byte("hello\r\n\r\n"),
		{0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x00}, // TLS
		[]byte("GET /plaintext HTTP/1.1\r\n" + host + "nonsense\r\n\r\n"),
		[]byte("POST /echo HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n"),
		[]byte("POST /echo HTTP/1.1\r\n" + host + "Content-Length: x\r\n\r\n"),
		[]byte("POST /echo HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n"),
		[]byte("GET /no-such-path HTTP/1.1\r\n" + host + "\r\n"),
		[]byte("GET /" + strings.Repeat("x", 100<<10) + " HTTP/1.1\r\n" + host + "\r\n"),
		append([]byte("POST /echo HTTP/1.1\r\n"+host+"Content-Length: 10\r\n\r\n"), "half"...),
		{},
	}
}

func (c *checker) badRequests() (string, string) {
	seen := map[string]int{}
	for _, b := range c.bad() {
		s, err := c.session()
		if err != nil {
			return Fail, err.Error()
		}
		_, _ = s.Write(b) // it may be closed before it has all
		_ = s.SetDeadline(time.Now().Add(150 * time.Millisecond))
		switch a, err := s.read(); {
		case err == nil:
			seen[fmt.Sprintf("status %d", a.status)]++
		default:
			seen["no answer"]++
		}
		_ = s.Conn.(*net.TCPConn).SetLinger(0) // it breaks off
		s.Close()
	}
	for range 2 {
		a, err := c.once("GET", known, nil)
		if err == nil {
			err = a.ok()
		}
		if err != nil {
			return Fail, "after them: " + err.Error()
		}
		time.Sleep(aftermath)
	}
	var said []string
	for _, what := range slices.Sorted(maps.Keys(seen)) {
		said = append(said, fmt.Sprintf("%s to %d", what, seen[what]))
	}
	return Pass, strings.Join(said, ", ") + "; it goes on serving"
}
