// Package conform tests whether a server in any language keeps the contract of the
// README: what it must answer, and how it must stop. The package is only a client; its
// caller says how to start the server.
package conform

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Outcomes of a rule.
const (
	Pass   = "pass"
	Fail   = "fail"
	Absent = "absent" // the server lacks something that the contract makes optional
)

// A Finding is the outcome of one rule.
type Finding struct {
	Protocol string `json:"protocol"`
	Rule     string `json:"rule"`
	Want     string `json:"want"`
	Outcome  string `json:"outcome"`
	Seen     string `json:"seen"`
}

// A Server is a running server that answers.
type Server interface {
	Addr() string
	// Connections counts the established connections to the server, and how many of them
	// a process of its group has accepted.
	Connections() (established, accepted int, err error)
	Unread() (int64, error)    // bytes that have arrived but that it has not read
	Processes() ([]int, error) // the living processes of its group
	Terminate() error          // sends SIGTERM to its first process
	Exited() <-chan struct{}   // closed when its first process has ended
	ExitError() error          // nil if its first process ended with status 0
	Kill() error               // kills the whole group and waits for its end
}

// A Start starts the server for a protocol, "http" or "echo", and returns when
// it is ready. Its error says why it is not.
type Start func(ctx context.Context, protocol string) (Server, error)

// Options are the limits of the test. Zero values mean the defaults.
type Options struct {
	Clients  int           // connections for the rule on many connections; 100
	Patience time.Duration // the longest wait for an answer; 10 s
}

const (
	defaultClients  = 100
	defaultPatience = 10 * time.Second
	// stopTimeout is the contract's.
	stopTimeout = 5 * time.Second
	// lateAccept is how long after SIGTERM a new connection may still be served: on a busy
	// machine it takes a while until the server handles the signal.
	lateAccept = 2 * time.Second
)

// A rule is one sentence of the contract and its test.
type rule struct {
	name, want string
	try        func(*checker) (outcome, seen string)
}

// Check tests every rule of a protocol on servers that it starts itself. It leaves no
// server running. It returns an error only if ctx is done.
func Check(ctx context.Context, protocol string, start Start, opt Options) ([]Finding, error) {
	if opt.Clients == 0 {
		opt.Clients = defaultClients
	}
	if opt.Patience == 0 {
		opt.Patience = defaultPatience
	}
	c := &checker{ctx: ctx, protocol: protocol, start: start, opt: opt, has: map[string]bool{}}
	defer c.kill()
	want := "listens on its address and gives an echoed byte back"
	rules := echoRules
	if protocol == "http" {
		want = "listens on its address and answers GET /healthz with status 200"
		rules = httpRules()
	}
	began := time.Now()
	if err := c.ensure(); err != nil {
		c.add("ready", want, Fail, err.Error())
		return c.findings, ctx.Err()
	}
	c.add("ready", want, Pass, fmt.Sprintf("after %.2f s", time.Since(began).Seconds()))
	for _, r := range rules {
		if err := ctx.Err(); err != nil {
			return c.findings, err
		}
		outcome, seen := c.tryOn(r)
		c.add(r.name, r.want, outcome, seen)
	}
	c.kill()
	c.stops()
	return c.findings, ctx.Err()
}

type checker struct {
	ctx      context.Context
	protocol string
	start    Start
	opt      Options
	server   Server // nil when none runs
	findings []Finding

	closes bool            // the server closes each connection after one answer
	has    map[string]bool // the workloads that it has
}

func (c *checker) add(rule, want, outcome, seen string) {
	c.findings = append(c.findings, Finding{c.protocol, rule, want, outcome, seen})
}

// ensure starts a server unless one is running.
func (c *checker) ensure() error {
	if c.server != nil && !c.exited() {
		return nil
	}
	c.kill()
	s, err := c.start(c.ctx, c.protocol)
	if err != nil {
		return err
	}
	c.server = s
	return nil
}

func (c *checker) kill() {
	if c.server != nil {
		_ = c.server.Kill()
		c.server = nil
	}
}

func (c *checker) exited() bool {
	select {
	case <-c.server.Exited():
		return true
	default:
		return false
	}
}

// tryOn tests a rule on a running server. If the server ends, the rule fails, so that the
// failure is not blamed on the next rule.
func (c *checker) tryOn(r rule) (outcome, seen string) {
	if err := c.ensure(); err != nil {
		return Fail, "it could not be started again: " + err.Error()
	}
	outcome, seen = r.try(c)
	if r.name == "connections" {
		time.Sleep(settle) // until the server has noticed that they are closed
	}
	if c.exited() {
		ended := "the server ended"
		if err := c.server.ExitError(); err != nil {
			ended += ": " + err.Error()
		}
		if outcome != Fail {
			return Fail, ended
		}
		seen += "; " + ended
	}
	return outcome, seen
}

func (c *checker) dial() (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", c.server.Addr(), c.opt.Patience)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(c.opt.Patience)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func closeAll[C net.Conn](conns []C) {
	for _, c := range conns {
		c.Close()
	}
}

// verdict returns the outcome of a rule. If err is not nil, the rule failed with it.
func verdict(err error, seen string) (string, string) {
	if err != nil {
		return Fail, err.Error()
	}
	return Pass, seen
}

// pattern returns n bytes with all values.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// short quotes the beginning of the received bytes.
func short(b []byte) string {
	const most = 60
	if len(b) > most {
		return fmt.Sprintf("%q… (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%q", b)
}
