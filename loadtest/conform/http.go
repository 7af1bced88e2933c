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
	"slices"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// The workloads that a server must have. The others are optional.
var (
	plaintext = required("plaintext")
	echo      = required("echo")
)

func required(name string) load.Workload {
	w, ok := load.Workloads.Find("http", name)
	if !ok {
		panic("conform: no workload http/" + name)
	}
	return w
}

// httpRules returns the rules of the protocol, and a rule for each workload.
func httpRules() []rule {
	rules := []rule{
		{plaintext.Name, fmt.Sprintf("%s %s is answered with status 200 and %s", plaintext.Method, plaintext.Path, plaintext.Answer), (*checker).plaintext},
		{"keep-alive", "a connection serves one request after the other, or its end is announced by Connection: close", (*checker).keepAlive},
		{echo.Name, fmt.Sprintf("%s %s is answered with status 200 and the same body, whatever is in it", echo.Method, echo.Path), (*checker).httpEcho},
		{"split", "a request that arrives in pieces is put together", (*checker).httpSplit},
		{"large", fmt.Sprintf("%s %s gives back 64 KiB, the most that the harness sends", echo.Method, echo.Path), (*checker).httpLarge},
		{"connections", "many connections at a time are served, and they belong to processes of the server's own group", (*checker).httpConnections},
		{"pipelining", "requests that are sent at once are answered one by one; the harness does not need this", (*checker).pipelining},
	}
	for _, w := range load.Workloads.Over("http") {
		if w.Name != plaintext.Name && w.Name != echo.Name && w.Name != result.Idle {
			rules = append(rules, workloadRule(w))
		}
	}
	return append(rules, rule{"bad-requests", "invalid requests, and clients that reset their connection, do not end the server", (*checker).badRequests})
}

// An answer is a complete HTTP response.
type answer struct {
	status int
	body   []byte
	closes bool // it announces that the connection will be closed
}

// A session is an HTTP connection.
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
	body, err := io.ReadAll(io.LimitReader(resp.Body, 2*load.MaxPayloadBytes))
	if err != nil {
		return answer{}, fmt.Errorf("read the body of the answer: %w", plain(err))
	}
	return answer{resp.StatusCode, body, resp.Close}, nil
}

// plain words the end of a wait or of a stream for a person.
func plain(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("no answer came in time")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed")
	}
	return err
}

func (c *checker) ask(s *session, method, path string, body []byte) (answer, error) {
	// A server may answer and close before it has read everything. So a failed write
	// matters only if there is no answer.
	_, failed := s.Write(c.request(method, path, body))
	a, err := s.read()
	if err != nil && failed != nil {
		err = failed
	}
	return a, err
}

// once sends a request on a new connection.
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

func (c *checker) plaintext() (string, string) {
	a, err := c.once(plaintext.Method, plaintext.Path, nil)
	if err == nil {
		err = a.want(plaintext.Answer)
	}
	return verdict(err, "status 200, "+short(a.body))
}

// known is a path that every server answers that got this far. The rules on connections
// use it, so that they do not depend on the other routes.
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
			return Absent, fmt.Sprintf("it closes the connection after answer %d and announces it; its config needs closes_each: true", i+1)
		}
	}
	return Pass, fmt.Sprintf("%d requests on one connection", requests)
}

func (c *checker) httpEcho() (string, string) {
	sizes := []int{0, 1, 64, 1000}
	for _, n := range sizes {
		a, err := c.once(echo.Method, echo.Path, pattern(n))
		if err == nil {
			err = a.want(string(pattern(n)))
		}
		if err != nil {
			return Fail, fmt.Sprintf("a body of %d bytes: %v", n, err)
		}
	}
	c.has[echo.Name] = true
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
	a, err := c.once(echo.Method, echo.Path, pattern(load.MaxPayloadBytes))
	if err == nil && a.missing() {
		return Absent, fmt.Sprintf("status %d", a.status)
	}
	if err == nil {
		err = a.want(string(pattern(load.MaxPayloadBytes)))
	}
	return verdict(err, fmt.Sprintf("%d bytes came back", load.MaxPayloadBytes))
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
			if err := c.allAccepted(); err != nil {
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

// allAccepted fails unless the server's processes have as many connections as there are
// clients. All have been answered, so none is waiting to be accepted.
func (c *checker) allAccepted() error {
	established, accepted, err := c.server.Connections()
	if err != nil {
		return err
	}
	if accepted != c.opt.Clients {
		return fmt.Errorf("of %d connections, %d are established and %d belong to the server's group", c.opt.Clients, established, accepted)
	}
	return nil
}

func (c *checker) pipelining() (string, string) {
	if c.closes {
		return Absent, "it closes the connection after each answer"
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

// missing reports whether the server does not have the route.
func (a answer) missing() bool {
	return a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotImplemented
}

// sample is a short request for a workload.
func sample(w load.Workload) load.Request {
	r := load.Request{Workload: w.Name}
	switch {
	case w.Echoes:
		r.PayloadBytes = load.DefaultPayloadBytes
	case w.Time.Spent == load.Computing:
		r.Time = time.Millisecond
	default:
		r.Time = 50 * time.Millisecond
	}
	r.Time = max(r.Time, w.Time.Unit)
	return r
}

// workloadRule returns the rule of an optional workload.
func workloadRule(w load.Workload) rule {
	r := sample(w)
	answered := "is answered with " + w.Answer
	switch {
	case w.Echoes:
		answered = "is answered with the same body"
	case w.Time.Spent != load.Computing:
		answered = "is answered after that time, with " + w.Answer
	case w.Counter != "":
		answered += fmt.Sprintf(", GET %s with the count and the id of the process that counted", w.Counter)
	}
	return rule{w.Name, fmt.Sprintf("%s %s %s", w.Method, w.URI(r), answered), func(c *checker) (string, string) {
		payload := pattern(r.PayloadBytes)
		want := w.Answer
		if w.Echoes {
			want = string(payload)
		}
		began := time.Now()
		a, err := c.once(w.Method, w.URI(r), payload)
		took := time.Since(began)
		if err == nil && a.missing() {
			return Absent, fmt.Sprintf("status %d", a.status)
		}
		if err == nil {
			err = a.want(want)
		}
		// Each server calibrates by itself how much work takes a microsecond.
		if err == nil && w.Time.Spent != load.Computing && took < r.Time {
			err = fmt.Errorf("answered after %v, want at least %v", took.Round(time.Millisecond/10), r.Time)
		}
		c.has[w.Name] = err == nil
		if w.Counter == "" {
			return verdict(err, fmt.Sprintf("answered after %.1f ms", took.Seconds()*1000))
		}
		if err != nil {
			return Fail, w.Method + ": " + err.Error()
		}
		a, err = c.once("GET", w.Counter, nil)
		if err == nil {
			err = a.wantReading()
		}
		if err != nil {
			return Fail, "GET: " + err.Error()
		}
		return Pass, "it counted " + short(a.body)
	}}
}

// wantReading fails unless an answer has status 200 and the value of a counter.
func (a answer) wantReading() error {
	if a.status != http.StatusOK {
		return fmt.Errorf("status %d, want 200", a.status)
	}
	if _, _, ok := load.ParseReading(a.body); !ok {
		return fmt.Errorf(`body %s, want the count, a space, a process id and a line feed, such as "1 4711\n"`, short(a.body))
	}
	return nil
}

// bad returns invalid requests, as clients and scanners send them by mistake or on purpose.
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
		_, _ = s.Write(b) // fails if the server closes the connection first
		_ = s.SetDeadline(time.Now().Add(150 * time.Millisecond))
		switch a, err := s.read(); {
		case err == nil:
			seen[fmt.Sprintf("status %d", a.status)]++
		default:
			seen["no answer"]++
		}
		_ = s.Conn.(*net.TCPConn).SetLinger(0) // Close resets the connection
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
		time.Sleep(settle)
	}
	var counts []string
	for _, reaction := range slices.Sorted(maps.Keys(seen)) {
		counts = append(counts, fmt.Sprintf("%s to %d", reaction, seen[reaction]))
	}
	return Pass, strings.Join(counts, ", ") + "; it continues to serve"
}
