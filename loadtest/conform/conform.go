// Package conform tests whether a server, in whatever language, keeps the
// contract of the README: what the harness will ask of it, and how it must stop.
// It is a client and nothing else; how a server is started is handed to it.
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
	Absent = "absent" // the server does not have what the contract leaves open
)

// A Finding is what came of one rule.
type Finding struct {
	Protocol string `json:"protocol"`
	Rule     string `json:"rule"`
	Want     string `json:"want"`
	Outcome  string `json:"outcome"`
	Seen     string `json:"seen"`
}

// A Server is one that runs and answers.
type Server interface {
	Addr() string
	// Held counts the established connections to the server, and those of them
	// that a process of its group holds.
	Held() (established, held int, err error)
	Unread() (int64, error)    // bytes that it was sent and has not read
	Processes() ([]int, error) // of its group that live
	Terminate() error          // SIGTERM, to its first process
	Exited() <-chan struct{}   // closed when its first process has ended
	ExitError() error          // how that ended: nil with status 0
	Kill() error               // ends the whole group; nothing is left
}

// A Start starts the server for a protocol, "http" or "echo", and returns when
// it is ready. Its error says why it is not.
type Start func(ctx context.Context, protocol string) (Server, error)

// Options bound the test. Zero values mean the defaults.
type Options struct {
	Clients  int           // of the rule on many connections; 100
	Patience time.Duration // with which an answer is waited for; 10 s
}

const (
	defaultClients  = 100
	defaultPatience = 10 * time.Second
	// stopTimeout is the contract's.
	stopTimeout = 5 * time.Second
	// lateAccept is how long after SIGTERM a new connection may still be served:
	// a server on a busy machine needs its time to hear of the signal.
	lateAccept = 2 * time.Second
)

// A rule is one sentence of the contract and the way to try it.
type rule struct {
	name, want string
	try        func(*checker) (outcome, seen string)
}

// Check tries every rule of a protocol on servers that it starts itself. It
// leaves none of them. An error says that ctx has ended.
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

	closes bool            // the server closes each connection after one answer, and says so
	has    map[string]bool // workloads that it has
}

func (c *checker) add(rule, want, outcome, seen string) {
	c.findings = append(c.findings, Finding{c.protocol, rule, want, outcome, seen})
}

// ensure starts a server unless one runs.
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

// tryOn tries a rule on a server that runs. One that ends of it fails it, so
// that the next rule is not to blame.
func (c *checker) tryOn(r rule) (outcome, seen string) {
	if err := c.ensure(); err != nil {
		return Fail, "it could not be started again: " + err.Error()
	}
	outcome, seen = r.try(c)
	if r.name == "connections" {
		time.Sleep(aftermath) // it has to hear that they are gone
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

// verdict is a rule's outcome where an error is what was seen.
func verdict(err error, seen string) (string, string) {
	if err != nil {
		return Fail, err.Error()
	}
	return Pass, seen
}

// pattern is n bytes in which each value comes up.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// short quotes the beginning of what was received.
func short(b []byte) string {
	const most = 60
	if len(b) > most {
		return fmt.Sprintf("%q… (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%q", b)
}
