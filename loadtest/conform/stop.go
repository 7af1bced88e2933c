package conform

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// An ending is how a server stopped.
type ending struct {
	after      time.Duration // from SIGTERM to the end
	ended      bool          // within the contract's time
	err        error         // of its first process
	left       []int         // processes
	lastServed time.Duration // from SIGTERM to the last connect that was served
	refused    bool
}

const (
	wantFlight    = "on SIGTERM it finishes what is in flight"
	wantAccepting = "on SIGTERM it stops to accept"
	wantExit      = "on SIGTERM it exits with status 0 within 5 s, whoever is connected"
	wantNothing   = "it leaves no process behind"
)

// stops stops one server with clients that are idle and one with requests in
// flight, and judges both endings.
func (c *checker) stops() {
	flight, seen := Fail, ""
	var endings []ending
	for _, during := range []string{"idle", "flight"} {
		if err := c.ensure(); err != nil {
			for _, r := range [][2]string{{"in-flight", wantFlight}, {"stops-accepting", wantAccepting}, {"exits", wantExit}, {"leaves-nothing", wantNothing}} {
				c.add(r[0], r[1], Fail, "it could not be started again: "+err.Error())
			}
			return
		}
		var e ending
		if during == "idle" {
			e = c.stopIdle()
		} else {
			e, flight, seen = c.stopInFlight()
		}
		endings = append(endings, e)
		c.kill()
	}
	c.add("in-flight", wantFlight, flight, seen)
	c.judge(endings)
}

func (c *checker) judge(endings []ending) {
	var accepting, exit, left []string
	var longest time.Duration
	refused, all := false, true
	for i, e := range endings {
		with := [...]string{"with idle clients", "with requests in flight"}[i]
		if !e.ended {
			all = false
			exit = append(exit, fmt.Sprintf("%s it was still there after %v", with, stopTimeout))
			continue
		}
		longest = max(longest, e.after)
		refused = refused || e.refused
		if e.err != nil {
			exit = append(exit, fmt.Sprintf("%s %v", with, e.err))
		}
		if len(e.left) > 0 {
			left = append(left, fmt.Sprintf("%s %d processes of its group were left", with, len(e.left)))
		}
		if e.lastServed > lateAccept {
			accepting = append(accepting, fmt.Sprintf("%s a client that came %.1f s later was served", with, e.lastServed.Seconds()))
		}
	}
	say := func(rule, want string, wrong []string, right string) {
		switch {
		case len(wrong) > 0:
			c.add(rule, want, Fail, strings.Join(wrong, "; "))
		case !all && rule != "exits":
			c.add(rule, want, Absent, "not to be told: it did not end")
		default:
			c.add(rule, want, Pass, right)
		}
	}
	how := "the port was closed with it"
	if refused {
		how = "new connections were refused"
	}
	say("stops-accepting", wantAccepting, accepting, how)
	say("exits", wantExit, exit, fmt.Sprintf("status 0 after %.2f s at most", longest.Seconds()))
	say("leaves-nothing", wantNothing, left, "its group was empty")
}

func (c *checker) stopIdle() ending {
	const clients = 5
	var conns []net.Conn
	defer func() { closeAll(conns) }()
	for range clients {
		conn, err := c.dial()
		if err != nil {
			break // the rule on connections has said so
		}
		conns = append(conns, conn)
	}
	return c.stop()
}

// stopInFlight has requests on their way that take their time, where the server
// has a route for that, and sends SIGTERM. They were sent before, on connections
// that had been accepted, so they must be answered.
func (c *checker) stopInFlight() (e ending, outcome, seen string) {
	path, clients := known, 10
	for _, route := range []string{"block", "wait"} {
		if c.has[route] {
			// One after the other they must fit into the time there is.
			path, clients = "/"+route+"?ms=500", 4
		}
	}
	if c.closes {
		clients = 1
	}
	message := []byte("in flight")
	var sessions []*session
	defer func() {
		for _, s := range sessions {
			s.Close()
		}
	}()
	fail := func(err error) (ending, string, string) {
		return c.stop(), Fail, "before SIGTERM: " + err.Error()
	}
	for range clients {
		s, err := c.session()
		if err != nil {
			return fail(err)
		}
		sessions = append(sessions, s)
		switch {
		case c.protocol == "echo":
			err = exchange(s, message)
		case !c.closes:
			_, err = c.ask(s, "GET", known, nil)
		}
		if err != nil {
			return fail(err)
		}
	}
	for _, s := range sessions {
		request := message
		if c.protocol == "http" {
			request = c.request("GET", path, nil)
		}
		if _, err := s.Write(request); err != nil {
			return fail(err)
		}
	}
	if c.closes {
		c.accepted(clients)
	}
	errs := make([]error, clients)
	var reading sync.WaitGroup
	for i, s := range sessions {
		reading.Go(func() {
			if c.protocol == "echo" {
				errs[i] = expect(s, message)
				return
			}
			a, err := s.read()
			if err == nil && a.status != 200 {
				err = fmt.Errorf("status %d, want 200", a.status)
			}
			errs[i] = err
		})
	}
	e = c.stop()
	reading.Wait()
	lost := 0
	for _, err := range errs {
		if err != nil {
			lost++
		}
	}
	what := "GET " + path
	if c.protocol == "echo" {
		what = "messages"
	}
	switch err := errors.Join(errs...); {
	case lost > 0 && !e.ended:
		return e, Absent, "not to be told: it did not end"
	case lost > 0:
		first, _, _ := strings.Cut(err.Error(), "\n")
		return e, Fail, fmt.Sprintf("%d of %d were not answered (%s): %s", lost, clients, what, first)
	}
	return e, Pass, fmt.Sprintf("%d of %d were answered (%s)", clients, clients, what)
}

// accepted waits until the server's processes hold this many connections.
func (c *checker) accepted(n int) {
	for end := time.Now().Add(c.opt.Patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, held, err := c.server.Held(); err != nil || held >= n || c.exited() {
			return
		}
	}
}

// stop sends SIGTERM, watches the end, and has nothing left after it.
func (c *checker) stop() ending {
	var e ending
	if err := c.server.Terminate(); err != nil {
		e.ended, e.err = true, err
		return e
	}
	began := time.Now()
	var watching sync.WaitGroup
	watching.Go(func() { c.watch(&e, began) })
	select {
	case <-c.server.Exited():
		e.ended, e.after = true, time.Since(began)
		e.err = c.server.ExitError()
		e.left, _ = c.server.Processes()
	case <-time.After(stopTimeout):
	}
	_ = c.server.Kill()
	watching.Wait()
	return e
}

// watch tries to connect until the port is closed, and asks who lets it in.
func (c *checker) watch(e *ending, began time.Time) {
	for ; ; time.Sleep(20 * time.Millisecond) {
		select {
		case <-c.server.Exited():
			return
		default:
		}
		came := time.Since(began)
		conn, err := net.DialTimeout("tcp", c.server.Addr(), time.Second)
		if errors.Is(err, syscall.ECONNREFUSED) {
			e.refused = true
			return
		}
		if err != nil {
			continue
		}
		if served(conn, c.protocol) {
			e.lastServed = came
		}
		conn.Close()
	}
}

func served(conn net.Conn, protocol string) bool {
	_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
	ask := "?"
	if protocol == "http" {
		ask = "GET " + known + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	}
	if _, err := conn.Write([]byte(ask)); err != nil {
		return false
	}
	_, err := conn.Read(make([]byte, 1))
	return err == nil
}
