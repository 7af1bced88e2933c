package all

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/servers"
)

// These tests look at processes through /proc.

// processes returns the pids of p's process group, which is all that p has started.
func (p *process) processes() []int {
	p.t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		p.t.Fatal(err)
	}
	var pids []int
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		// "pid (name) state ppid pgrp …", where name may contain anything
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[0] != "Z" && f[2] == strconv.Itoa(p.cmd.Process.Pid) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// count adds up the entries of a folder of /proc over all processes: fd, task.
func (p *process) count(folder string) int {
	p.t.Helper()
	n := 0
	for _, pid := range p.processes() {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", pid, folder))
		if err == nil {
			n += len(entries)
		}
	}
	return n
}

// memory is the proportional set size of all processes, in bytes.
func (p *process) memory() int {
	p.t.Helper()
	total := 0
	for _, pid := range p.processes() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				kb, _ := strconv.Atoi(f[1])
				total += kb << 10
			}
		}
	}
	return total
}

// TestThousandConnections: a thousand at once are all answered, again and again, and nothing is
// left of them: no descriptor, no thread. For thread it is also the proof that there is a kernel
// thread for each of them.
func TestThousandConnections(t *testing.T) {
	eachModelInTurn(t, servers.Protocols, func(t *testing.T, model, protocol string) {
		const conns = 1000
		if closesEach(model) || model == "process" {
			return // see TestTurns and TestProcessPerConnection
		}
		p := start(t, model, protocol)
		send, want := "ping", "ping"
		if protocol == servers.HTTP {
			send, want = "GET /plaintext HTTP/1.1\r\n"+host+"\r\n", hello
		}
		p.settle()
		// The first round fills pools and starts what threads the runtime wants for itself.
		var fds, threads int
		for round := range 3 {
			if round == 1 {
				fds, threads = p.count("fd"), p.count("task")
			}
			var open []net.Conn
			for range conns {
				open = append(open, p.dial())
			}
			var all sync.WaitGroup
			for _, c := range open {
				all.Go(func() {
					for range 3 {
						if err := exchange(c, send, want); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			if model == "thread" {
				if n := p.count("task"); n < conns {
					t.Errorf("%d threads for %d connections, want one for each", n, conns)
				}
			}
			for _, c := range open {
				_ = c.Close()
			}
			if round == 0 {
				waitFor(t, "the first thousand to be closed", func() bool { return p.count("fd") < conns/2 && p.count("task") < conns/2 })
			}
		}
		waitFor(t, fmt.Sprintf("descriptors to be %d again", fds), func() bool { return p.count("fd") <= fds })
		// Go keeps threads of its own for next time, at most a few more than it has processors,
		// which thread raises to 64. After three thousand connections a leak would be much larger.
		most := threads + conns/5
		waitFor(t, fmt.Sprintf("threads to be at most %d", most), func() bool { return p.count("task") <= most })
		p.signal(terminate)
		p.stopped()
	})
}

// TestSlowReader: a client that asks for much and reads nothing is no longer read from, so that it
// takes only a bounded amount of memory; others are served meanwhile; and when it reads at last,
// all answers are there.
func TestSlowReader(t *testing.T) {
	const bodySize = 64 << 10
	body := strings.Repeat("0123456789abcdef", bodySize/16)
	post := fmt.Sprintf("POST /echo HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", host, bodySize, body)
	eachKeeping(t, servers.Protocols, func(t *testing.T, model, protocol string) {
		// However slow the test is, the slow readers are not given up.
		long := (10 * patience).String()
		p := start(t, model, protocol, "--read-timeout", long, "--write-timeout", long, "--idle-timeout", long)
		message, want := body, body
		if protocol == servers.HTTP {
			message, want = post, echoed(body)
		}
		const slow, room = 4, 32 << 20 // sockets hold some megabytes on each side
		p.settle()
		before := p.memory()

		var readers sync.WaitGroup
		read := make(chan struct{})
		for range slow {
			c := p.dial()
			sent := 0
			// Sending stops when both directions are full.
			for {
				_ = c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				n, err := io.WriteString(c, message[sent%len(message):])
				if sent += n; errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if sent > 2*room {
					t.Fatalf("the server has taken %d bytes from a client that reads nothing", sent)
				}
			}
			readers.Go(func() {
				<-read
				_ = c.SetDeadline(time.Now().Add(patience))
				rest := (len(message) - sent%len(message)) % len(message)
				done := make(chan error, 1)
				go func() {
					_, err := io.WriteString(c, message[len(message)-rest:])
					done <- err
				}()
				for range (sent + rest) / len(message) {
					if err := expect(c, want); err != nil {
						t.Error(err)
						break
					}
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		}
		if grown := p.memory() - before; grown > slow*room {
			t.Errorf("%d slow readers take %d bytes", slow, grown)
		}
		for range 100 {
			c := p.dial()
			if err := exchange(c, message, want); err != nil {
				t.Fatalf("another client: %v", err)
			}
			_ = c.Close()
		}
		close(read)
		readers.Wait()
	})
}

// TestTimeouts: a client that is silent for too long is closed. Nothing is asserted on how long it
// takes, but what comes before what.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	t.Run("idle", func(t *testing.T) {
		eachModel(t, servers.Protocols, func(t *testing.T, model, protocol string) {
			p := start(t, model, protocol, "--idle-timeout", "300ms")
			silent := p.dial()
			if err := end(silent); err != nil {
				t.Errorf("a silent connection: %v", err)
			}
		})
	})
	t.Run("read", func(t *testing.T) {
		eachKeeping(t, onlyHTTP, func(t *testing.T, model, protocol string) {
			p := start(t, model, protocol, "--read-timeout", "300ms", "--idle-timeout", "1h")
			idle := p.dial()
			// A byte now and then keeps a connection busy for ever, if each of them extended the
			// time.
			for _, begin := range []string{"GET /plaintext HTTP/1.1\r\nX: ", "POST /echo HTTP/1.1\r\n" + host + "Content-Length: 100000\r\n\r\n"} {
				drip := p.dial()
				if _, err := io.WriteString(drip, begin); err != nil {
					t.Fatal(err)
				}
				waitFor(t, "the dripping connection to end", func() bool {
					_, err := io.WriteString(drip, "x")
					time.Sleep(10 * time.Millisecond)
					return err != nil
				})
			}
			if err := exchange(idle, "GET /plaintext HTTP/1.1\r\n"+host+"\r\n", hello); err != nil {
				t.Errorf("the read timeout closed a connection without a request: %v", err)
			}
		})
	})
	t.Run("a request after a slow one has its own time", func(t *testing.T) {
		eachKeeping(t, onlyHTTP, func(t *testing.T, model, protocol string) {
			p := start(t, model, protocol, "--read-timeout", "1h", "--idle-timeout", "1s")
			c := p.dial()
			// In the middle of a request the idle timeout does not hold; after it, it does again.
			if _, err := io.WriteString(c, "GET /plain"); err != nil {
				t.Fatal(err)
			}
			if err := end(p.dial()); err != nil { // which takes the idle timeout
				t.Error(err)
			}
			if err := exchange(c, "text HTTP/1.1\r\n"+host+"\r\n", hello); err != nil {
				t.Error(err)
			}
			if err := end(c); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("the idle time of a connection begins with it, not with the server", func(t *testing.T) {
		const idle = 2 * time.Second
		eachKeeping(t, servers.Protocols, func(t *testing.T, model, protocol string) {
			// Not asked whether it answers: this must be its first connection.
			launched := func(addr string, args ...string) *process { return launch(t, serverBinary, addr, args...) }
			p := startWhen(t, launched, "listen", func(p *process) bool { return p.log.count(`"listening"`) > 0 },
				"--model", model, "--protocol", protocol, "--idle-timeout", idle.String())
			time.Sleep(idle + idle/4) // without any connection
			c := p.dial()
			begin := time.Now()
			time.Sleep(idle / 4)
			send, want := "ping", "ping"
			if protocol == servers.HTTP {
				send, want = "GET /plaintext HTTP/1.1\r\n"+host+"\r\n", hello
			}
			if err := exchange(c, send, want); err != nil && time.Since(begin) < idle {
				t.Errorf("a connection %v old: %v", time.Since(begin), err)
			}
		})
	})
	t.Run("write", func(t *testing.T) {
		eachKeeping(t, servers.Protocols, func(t *testing.T, model, protocol string) {
			p := start(t, model, protocol, "--write-timeout", "300ms")
			p.settle()
			fds := p.count("fd")
			c := p.dial()
			message := strings.Repeat("x", 64<<10)
			if protocol == servers.HTTP {
				message = fmt.Sprintf("POST /echo HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s", host, len(message), message)
			}
			_ = c.SetWriteDeadline(time.Now().Add(patience))
			waitFor(t, "sending to fail", func() bool {
				_, err := io.WriteString(c, message)
				return err != nil
			})
			waitFor(t, "the connection to be closed", func() bool { return p.count("fd") <= fds })
		})
	})
}

// TestLimit: at the limit new connections are refused, in a way that they see, and the others go
// on; the log says so once.
func TestLimit(t *testing.T) {
	const limit = 20
	eachKeeping(t, servers.Protocols, func(t *testing.T, model, protocol string) {
		p := start(t, model, protocol, "--max-conns", strconv.Itoa(limit), "--workers", "1")
		send, want := "ping", "ping"
		if protocol == servers.HTTP {
			send, want = "GET /plaintext HTTP/1.1\r\n"+host+"\r\n", hello
		}
		var open []net.Conn
		for range limit {
			// The one that start has used may not have ended yet.
			waitFor(t, "a connection", func() bool {
				c := p.dial()
				if exchange(c, send, want) != nil {
					_ = c.Close()
					return false
				}
				open = append(open, c)
				return true
			})
		}
		for range 3 * limit {
			c, err := net.Dial("tcp", p.addr)
			if err != nil {
				continue // reset before connect returned
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a connection over the limit: %d bytes, error %v; want it refused", n, err)
			}
			_ = c.Close()
		}
		for _, c := range open {
			if err := exchange(c, send, want); err != nil {
				t.Errorf("an existing connection: %v", err)
			}
		}
		waitFor(t, "the log to tell", func() bool { return p.log.count("connection limit reached") > 0 })
		if n := p.log.count("connection limit reached"); n > 2 { // start's connection may have made it flap once
			t.Errorf("the log has %d lines on it, want one", n)
		}
		for _, c := range open {
			_ = c.Close()
		}
		waitFor(t, "room", func() bool { return p.answers(protocol) })
		waitFor(t, "the log to tell", func() bool { return p.log.count("accepting connections again") > 0 })
	})
}

// TestBurstAtTheDescriptorLimit: more connections at once than the process has descriptors for must
// not end the server.
func TestBurstAtTheDescriptorLimit(t *testing.T) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	const descriptors = 400
	if l.Max < 4*descriptors {
		t.Skipf("this machine's hard limit on descriptors (ulimit -Hn) is %d, the test needs %d", l.Max, 4*descriptors)
	}
	eachModelInTurn(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		p := startLimited(t, model, descriptors)
		var open []net.Conn
		for range 2 * descriptors {
			if c, err := net.Dial("tcp", p.addr); err == nil {
				open = append(open, c)
			}
		}
		for _, c := range open {
			_ = c.Close()
		}
		waitFor(t, "the server to answer again", func() bool { return p.answers(protocol) })
		p.signal(terminate)
		p.stopped()
	})
}

// startLimited starts model with a hard limit of descriptors.
func startLimited(t *testing.T, model string, descriptors int) *process {
	t.Helper()
	wrapper := filepath.Join(t.TempDir(), "limited")
	script := fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec %s \"$@\"\n", descriptors, serverBinary)
	if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return startBinary(t, wrapper, model, servers.HTTP)
}

// TestPreforkReplacesWorkers: no number of crashes ends the server, and no process is left.
func TestPreforkReplacesWorkers(t *testing.T) {
	eachPrefork(t, replacesWorkers)
}

func replacesWorkers(t *testing.T, model string) {
	const workers, crashes = 2, 12
	p := start(t, model, servers.HTTP, "--workers", strconv.Itoa(workers))
	waitFor(t, "all workers", func() bool { return p.log.count(`"listening"`) == workers })
	seen := make(map[int]bool)
	for i := range crashes {
		worker := 0
		for _, pid := range p.processes() {
			if pid != p.cmd.Process.Pid {
				worker = pid
			}
		}
		if worker == 0 {
			t.Fatal("no worker is running")
		}
		seen[worker] = true
		if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the worker to be replaced", func() bool {
			return len(p.processes()) == 1+workers && p.log.count(`"listening"`) == workers+i+1
		})
		if !p.answers(servers.HTTP) {
			t.Fatal("no answer")
		}
	}
	if len(seen) < crashes/2 {
		t.Errorf("only %d workers were killed", len(seen))
	}
	p.signal(terminate)
	p.stopped()
}

// A worker that has been stopped does not hear that it is to end.
func TestPreforkEndsWithoutItsWorkersDoing(t *testing.T) {
	t.Parallel()
	p := start(t, "prefork-eventloop", servers.Echo, "--workers", "2", "--drain-timeout", "300ms")
	waitFor(t, "all workers", func() bool { return p.log.count(`"listening"`) == 2 })
	for _, pid := range p.processes() {
		if pid == p.cmd.Process.Pid {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	p.signal(syscall.SIGTERM)
	p.exitCode()
	p.groupGone()
}

// TestPreforkMasterIsKilled: workers that outlive their master would go on answering on its port.
func TestPreforkMasterIsKilled(t *testing.T) {
	eachPrefork(t, func(t *testing.T, model string) {
		p := start(t, model, servers.HTTP)
		waitFor(t, "workers", func() bool { return len(p.processes()) > 1 })
		p.signal(syscall.SIGKILL)
		<-p.done
		p.groupGone()
		if c, err := net.Dial("tcp", p.addr); err == nil {
			_ = c.Close()
			t.Error("a worker still listens")
		}
	})
}

// eachPrefork runs f for prefork over each of the models.
func eachPrefork(t *testing.T, f func(t *testing.T, model string)) {
	eachModel(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		if strings.HasPrefix(model, "prefork") {
			f(t, model)
		}
	})
}

// TestCloseWhileWaiting: clients that go away while their answers are waited for leave nothing
// behind.
func TestCloseWhileWaiting(t *testing.T) {
	const conns = 300
	eachKeeping(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		if model == "process" {
			return // its workers stay, with their descriptors: see TestProcessPerConnection
		}
		p := start(t, model, protocol)
		p.settle()
		fds := p.count("fd")
		for i := range conns {
			c := p.dial()
			// Answered first, so that the wait has begun.
			if err := exchange(c, get("/plaintext")+get("/wait?ms=300")+get("/wait?ms=1"), hello); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				_ = c.SetLinger(0) // a reset, and not the end of a stream
			}
			_ = c.Close()
		}
		waitFor(t, "the connections to end", func() bool { return p.count("fd") <= fds })
		if !p.answers(protocol) {
			t.Error("no answer")
		}
		p.signal(terminate)
		p.stopped()
	})
}

// TestPoolIsBounded: however many calls block, they are made by as many threads as the flag says.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	const threads, clients = 3, 40
	for _, model := range []string{"eventloop", "multiloop"} {
		p := start(t, model, servers.HTTP, "--offload", "--offload-threads", strconv.Itoa(threads))
		// A few at once have the runtime start the threads that it wants for itself.
		_ = together(t, p, 2*threads, "/block?ms=20")
		before := p.count("task")
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				if err := exchange(p.dial(), get("/block?ms=50"), done); err != nil {
					t.Error(err)
				}
			})
		}
		most := 0
		ended := make(chan struct{})
		go func() {
			all.Wait()
			close(ended)
		}()
		for running := true; running; {
			select {
			case <-ended:
				running = false
			case <-time.After(10 * time.Millisecond):
				most = max(most, p.count("task"))
			}
		}
		if most > before+threads+clients/4 {
			t.Errorf("%s: %d threads before, %d while %d calls blocked; the pool may have %d", model, before, most, clients, threads)
		}
	}
}

// TestManyWaitsOnALoop: a thousand answers that are waited for at once take no thread each, and
// little memory.
func TestManyWaitsOnALoop(t *testing.T) {
	t.Parallel()
	const conns = 1000
	for _, model := range []string{"eventloop", "multiloop"} {
		p := start(t, model, servers.HTTP)
		_ = together(t, p, 10, "/wait?ms=10")
		before := p.count("task")
		memory := p.memory()
		var open []net.Conn
		for range conns {
			c := p.dial()
			if err := exchange(c, get("/plaintext")+get("/wait?ms=3000"), hello); err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
		}
		if n := p.count("task"); n > before+conns/20 {
			t.Errorf("%s: %d threads before and %d while %d answers are waited for", model, before, n, conns)
		}
		if grown := p.memory() - memory; grown > conns*32<<10 {
			t.Errorf("%s: %d bytes for each answer that is waited for", model, grown/conns)
		}
		for _, c := range open {
			if err := expect(c, done); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		}
	}
}
