package conform

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
)

// An ending describes how a server stopped.
type ending struct {
	after      time.Duration // from SIGTERM to the end
	ended      bool          // within the time that the contract allows
	err        error         // of its first process
	left       []int         // processes that were left
	lastServed time.Duration // from SIGTERM to the last connect that was served
	refused    bool
}

const (
	wantFlight    = "on SIGTERM it finishes what is in flight"
	wantAccepting = "on SIGTERM it stops accepting connections"
	wantExit      = "on SIGTERM it exits with status 0 within 5 s, whoever is connected"
	wantNothing   = "it leaves no process behind"
)

// stops stops one server with idle clients and one with requests in flight, and judges
// how both ended.
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
			exit = append(exit, fmt.Sprintf("%s it had not ended after %v", with, stopTimeout))
			continue
		}
		longest = max(longest, e.after)
		refused = refused || e.refused
		if e.err != nil {
			exit = append(exit, fmt.Sprintf("%s %v", with, e.err))
		}
		if len(e.left) > 0 {
			left = append(left, fmt.Sprintf("%s it left %d processes of its group", with, len(e.left)))
		}
		if e.lastServed > lateAccept {
			accepting = append(accepting, fmt.Sprintf("%s a client that connected %.1f s later was served", with, e.lastServed.Seconds()))
		}
	}
	report := func(rule, want string, wrong []string, right string) {
		switch {
		case len(wrong) > 0:
			c.add(rule, want, Fail, strings.Join(wrong, "; "))
		case !all && rule != "exits":
			c.add(rule, want, Absent, "unknown, because it did not end")
		default:
			c.add(rule, want, Pass, right)
		}
	}
	how := "the port was closed with it"
	if refused {
		how = "new connections were refused"
	}
	report("stops-accepting", wantAccepting, accepting, how)
	report("exits", wantExit, exit, fmt.Sprintf("status 0 after %.2f s at most", longest.Seconds()))
	report("leaves-nothing", wantNothing, left, "its group was empty")
}

func (c *checker) stopIdle() ending {
	clients := 5
	if c.closes {
		clients = 0 // it keeps no idle connections
	}
	var sessions []*session
	defer func() { closeAll(sessions) }()
	for range clients {
		s, err := c.idle()
		if err != nil {
			break // the other rules report this
		}
		sessions = append(sessions, s)
	}
	return c.stop(nil)
}

// idle opens a connection that has been served once and stays open.
func (c *checker) idle() (*session, error) {
	s, err := c.session()
	if err != nil {
		return nil, err
	}
	if c.protocol == "echo" {
		err = exchange(s, []byte("idle"))
	} else {
		_, err = c.ask(s, "GET", known, nil)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// inFlight is how long the requests take that are in flight when SIGTERM is sent.
const inFlight = 500 * time.Millisecond

// slow returns a workload of the server whose answers take time without work.
func (c *checker) slow() (load.Workload, bool) {
	for _, w := range load.Workloads.Over("http") {
		if w.Time.Spent != load.Computing && w.Time.Max >= inFlight && c.has[w.Name] {
			return w, true
		}
	}
	return load.Workload{}, false
}

// stopInFlight stops a server while requests are in flight. If the server has a slow
// workload, they are requests for that; else they are requests of which the server has
// only the first part. It waits until the server has read what was sent, because a server
// may close connections on which no request has begun.
func (c *checker) stopInFlight() (e ending, outcome, seen string) {
	what, clients := "messages", 10
	first, rest, want := []byte("in flight"), []byte(nil), ""
	if c.protocol == "http" {
		body := "in flight"
		first = c.request(echo.Method, echo.Path, []byte(body))
		first, rest, want = first[:len(first)-4], first[len(first)-4:], body
		what = fmt.Sprintf("%s %s, half of it sent before", echo.Method, echo.Path)
		if w, ok := c.slow(); ok {
			path := w.URI(load.Request{Time: inFlight})
			// Even one after the other, they must be answered in time.
			what, clients = w.Method+" "+path, 4
			first, rest, want = c.request(w.Method, path, nil), nil, w.Answer
		} else if !c.has[echo.Name] {
			return c.stop(nil), Absent, "unknown, because it has no workload that can be kept in flight"
		}
	}
	connect := c.idle
	if c.closes {
		connect, clients = c.session, 1
	}
	var sessions []*session
	defer func() { closeAll(sessions) }()
	for range clients {
		s, err := connect()
		if err == nil {
			sessions = append(sessions, s)
			_, err = s.Write(first)
		}
		if err != nil {
			return c.stop(nil), Fail, "before SIGTERM: " + err.Error()
		}
	}
	c.allRead()
	errs := make([]error, clients)
	var reading sync.WaitGroup
	e = c.stop(func() {
		for i, s := range sessions {
			if len(rest) > 0 {
				if _, err := s.Write(rest); err != nil {
					errs[i] = err
					continue
				}
			}
			reading.Go(func() {
				if c.protocol == "echo" {
					errs[i] = expect(s, first)
					return
				}
				a, err := s.read()
				if err == nil {
					err = a.want(want)
				}
				errs[i] = err
			})
		}
	})
	reading.Wait()
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch lost := len(errs); {
	case lost > 0 && !e.ended:
		return e, Absent, "unknown, because it did not end"
	case lost > 0:
		return e, Fail, fmt.Sprintf("%d of %d were not answered (%s): %v", lost, clients, what, errs[0])
	}
	return e, Pass, fmt.Sprintf("%d of %d were answered (%s)", clients, clients, what)
}

// allRead waits until the server has read what it was sent.
func (c *checker) allRead() {
	for end := time.Now().Add(c.opt.Patience); time.Now().Before(end) && !c.exited(); time.Sleep(pollEvery) {
		if n, err := c.server.Unread(); err != nil || n == 0 {
			break
		}
	}
	time.Sleep(pollEvery) // for the server to act on what it has read
}

const pollEvery = 20 * time.Millisecond

// stop sends SIGTERM, calls then, if it is not nil, and watches the server end. It leaves
// no process behind.
func (c *checker) stop(then func()) ending {
	var e ending
	if err := c.server.Terminate(); err != nil {
		e.ended, e.err = true, err
		return e
	}
	began := time.Now()
	if then != nil {
		then()
	}
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

// watch connects again and again until the port is closed, and notes when it was last
// served.
func (c *checker) watch(e *ending, began time.Time) {
	for ; ; time.Sleep(pollEvery) {
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
