package all

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tierbench/tierbench/servers"
)

// many is how many clients a model with a process for each gets here, more than any machine has
// processors: each start and end takes the kernel some tens of milliseconds. A program with the
// race detector takes some tens of megabytes, which a machine may not have.
func many() int {
	if raceEnabled {
		return 60
	}
	return 200
}

// TestProcessPerConnection: each open connection has a process of its own; when it has ended, the
// process is there for another one, or ends too, as the flag says; and when the server stops, none
// is left.
func TestProcessPerConnection(t *testing.T) {
	for _, spawn := range []string{servers.SpawnReuse, servers.SpawnFresh} {
		t.Run(spawn, func(t *testing.T) {
			conns := many()
			if spawn == servers.SpawnFresh {
				conns /= 20
			}
			p := start(t, "process", servers.HTTP, "--spawn", spawn, "--idle-timeout", "10m")
			for range 2 {
				var open []*net.TCPConn
				for range conns {
					open = append(open, p.dial())
				}
				for _, c := range open {
					if err := exchange(c, get("/plaintext"), hello); err != nil {
						t.Fatal(err)
					}
				}
				if n := len(p.processes()); n < 1+conns {
					t.Errorf("%d processes for %d connections", n, conns)
				}
				for _, c := range open {
					_ = c.CloseWrite()
					if err := end(c); err != nil {
						t.Error(err)
					}
					_ = c.Close()
				}
				if spawn == servers.SpawnFresh {
					waitFor(t, "the processes to end", func() bool { return len(p.processes()) == 1 })
				}
			}
			// The second round, and the one that start has asked with, find processes; a few
			// connections may have come before the master had heard that others had ended.
			if n := len(p.processes()); n > 1+conns+conns/2+2 {
				t.Errorf("%d processes after %d connections at once", n, conns)
			}
			p.signal(terminate)
			p.stopped()
			if !strings.Contains(p.log.String(), "workers were started") {
				t.Error("the log does not say what starting workers took")
			}
		})
	}
}

// A worker that dies takes its own connection with it and no other, and the next connection finds
// another one.
func TestProcessCrash(t *testing.T) {
	t.Parallel()
	p := start(t, "process", servers.HTTP, "--spawn", servers.SpawnFresh)
	waitFor(t, "the first worker to end", func() bool { return len(p.processes()) == 1 })
	target, other := p.dial(), p.dial()
	if err := exchange(target, get("/plaintext"), hello); err != nil {
		t.Fatal(err)
	}
	_, pid := ask(t, target)
	if err := exchange(other, get("/plaintext"), hello); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if n, err := target.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection of the worker that was killed: %d bytes, %v", n, err)
	}
	for range 3 {
		if err := exchange(other, get("/plaintext"), hello); err != nil {
			t.Errorf("another connection: %v", err)
		}
	}
	if !p.answers(servers.HTTP) {
		t.Error("no answer after a crash")
	}
	_ = other.Close()
	p.signal(terminate)
	p.stopped()
}

func TestProcessMasterIsKilled(t *testing.T) {
	t.Parallel()
	p := start(t, "process", servers.HTTP)
	c := p.dial()
	if err := exchange(c, get("/plaintext"), hello); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGKILL)
	<-p.done
	p.groupGone()
}

// TestTurns: where one is served after the other, a thousand clients at once are all served, again
// and again.
func TestTurns(t *testing.T) {
	const clients, rounds = 1000, 3
	eachModelInTurn(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		if !closesEach(model) {
			return
		}
		p := start(t, model, protocol)
		p.settle()
		fds, threads := p.count("fd"), p.count("task")
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				for range rounds {
					c := p.dial()
					err := exchange(c, get("/plaintext"), by(model, hello))
					if err == nil {
						err = end(c)
					}
					_ = c.Close()
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		waitFor(t, "the connections to be gone", func() bool { return p.count("fd") <= fds })
		if n := p.count("task"); n > threads+clients/20 {
			t.Errorf("%d threads before and %d after %d clients", threads, n, clients)
		}
		p.signal(terminate)
		p.stopped()
	})
}

// A client that says nothing has its turn no longer than a tenth of the read timeout.
func TestSilentClientsLoseTheirTurn(t *testing.T) {
	eachModel(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		if !closesEach(model) {
			return
		}
		p := start(t, model, protocol, "--read-timeout", "2s", "--idle-timeout", "1h", "--workers", "1")
		var silent []net.Conn
		for range 3 {
			silent = append(silent, p.dial())
		}
		// It waits after them in the queue, and they do not leave by themselves.
		c := p.dial()
		if err := exchange(c, get("/plaintext"), by(model, hello)); err != nil {
			t.Error(err)
		}
		for _, c := range silent {
			if err := end(c); err != nil {
				t.Errorf("a silent client: %v", err)
			}
		}
	})
}

// TestFaults: with the flag, a fault does what its name says to the process that answers: a server
// of one process ends, and one of several continues.
func TestFaults(t *testing.T) {
	eachModel(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		several := model == "process" || strings.HasPrefix(model, "prefork")
		p := start(t, model, protocol, "--faults")
		p.settle()
		c := p.dial()
		if err := exchange(c, get("/fault/recovered-panic"), fail(500, closing)); err != nil {
			t.Errorf("a panic that is recovered: %v", err)
		}
		if err := end(c); err != nil {
			t.Errorf("a panic that is recovered: %v", err)
		}
		for path, want := range map[string]string{
			"/fault/leak?mb=2": by(model, done),
			"/fault/leak":      by(model, answer(400, "text/plain", "mb must be a whole number of MiB from 1 to 1048576")),
			"/fault/nothing":   by(model, fail(404)),
		} {
			if err := exchange(p.dial(), get(path), want); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		waitFor(t, "the server to answer", func() bool { return p.answers(protocol) })
		for path, say := range map[string]string{"/fault/panic": "panic: asked to", "/fault/fatal": "fatal error: sync: unlock of unlocked mutex"} {
			if p.exited() {
				p = start(t, model, protocol, "--faults")
				p.settle()
			}
			listening := p.log.count(`"listening"`)
			c := p.dial()
			if _, err := io.WriteString(c, get(path)); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %d bytes, %v; want no answer", path, n, err)
			}
			waitFor(t, path+" to be seen in the log", func() bool { return p.log.count(say) > 0 })
			if several {
				if strings.HasPrefix(model, "prefork") {
					// Until it has ended, a connection may still get into the queue of the worker
					// from which nothing accepts any more.
					waitFor(t, "the worker to be replaced", func() bool { return p.log.count(`"listening"`) > listening })
				}
				waitFor(t, "the server to answer", func() bool { return p.answers(protocol) })
				continue
			}
			if code := p.exitCode(); code != 2 {
				t.Errorf("%s: exit code %d, want 2, as Go has it", path, code)
			}
		}
		if strings.HasSuffix(model, "loop") {
			return // gnet ends when it has no descriptor left to accept with, if a client connects just then
		}
		// The last: others may be refused as long as it lasts.
		if p.exited() {
			p = start(t, model, protocol, "--faults")
		}
		if err := exchange(p.dial(), get("/fault/descriptors?ms=50"), by(model, done)); err != nil {
			t.Errorf("descriptors: %v", err)
		}
		waitFor(t, "the server to answer", func() bool { return p.answers(protocol) })
	})
}

// With an interpreter lock the answers are the same, during computations and waits.
func TestUnderInterpreterLock(t *testing.T) {
	eachKeeping(t, servers.Protocols, func(t *testing.T, model, protocol string) {
		p := start(t, model, protocol, "--gil", "1ms")
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				c := p.dial()
				defer func() { _ = c.Close() }() // or the server would give it its time when it stops
				for range 20 {
					send, want := "ping", "ping"
					if protocol == servers.HTTP {
						path := []string{"/plaintext", "/cpu?us=5000", "/wait?ms=5", "/block?ms=5"}[i%4]
						if send, want = get(path), done; i%4 == 0 {
							want = hello
						}
					}
					if err := exchange(c, send, want); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		p.signal(terminate)
		p.stopped()
	})
}
