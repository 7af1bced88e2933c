package all

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/servers"
)

const terminate = syscall.SIGTERM

// Without connections, a server has nothing to wait for, and the port is free again.
func TestStopsWithoutConnections(t *testing.T) {
	eachModel(t, servers.Protocols, func(t *testing.T, model, protocol string) {
		p := start(t, model, protocol)
		p.signal(terminate)
		p.stopped()
		if c, err := net.Dial("tcp", p.addr); err == nil {
			_ = c.Close()
			t.Error("something still listens")
		}
	})
}

// TestStopsUnderLoad: clients that ask one request after the other see each of them answered, until
// an answer says that it is the last. What they must never see is a request without an
// answer.
func TestStopsUnderLoad(t *testing.T) {
	const clients = 50
	get := "GET /plaintext HTTP/1.1\r\n" + host + "\r\n"
	last := answer(200, "text/plain", "Hello, World!", closing)
	eachModel(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		p := start(t, model, protocol)
		var all sync.WaitGroup
		var begun, answers, lasts, silent atomic.Int64
		for range clients {
			all.Go(func() {
				for {
					c, err := net.Dial("tcp", p.addr)
					if errors.Is(err, syscall.ECONNREFUSED) {
						return
					}
					if err != nil {
						// In the accept queue at the moment it was closed: no request was sent.
						if !p.exited() && !errors.Is(err, syscall.ECONNRESET) {
							t.Errorf("connect: %v", err)
						}
						return
					}
					_ = c.SetDeadline(time.Now().Add(patience))
					how, err := askUntilClosed(c, get, last, &begun, &answers)
					_ = c.Close()
					if err != nil {
						t.Error(err)
						return
					}
					switch how {
					case toldLast:
						lasts.Add(1)
					case wasSilent:
						silent.Add(1)
					}
				}
			})
		}
		// All of them have been accepted: a client in the accept queue when it is closed is told
		// nothing.
		waitFor(t, "some load", func() bool { return begun.Load() >= clients && answers.Load() > 20*clients })
		p.signal(terminate)
		p.stopped()
		all.Wait()
		if lasts.Load()+silent.Load() < clients {
			t.Errorf("%d connections were told that they end, and %d were silent for too long, want all of the %d", lasts.Load(), silent.Load(), clients)
		}
		t.Logf("%d answers", answers.Load())
	})
}

// How a connection ended.
const (
	notAccepted = iota // it was reset in the accept queue
	toldLast           // an answer said that it was the last
	wasSilent          // the test, on a busy machine, left it silent for the grace time
)

// askUntilClosed asks until an answer says that it is the last. It counts the answers, and the
// connections that have had one.
func askUntilClosed(c net.Conn, get, last string, begun, answers *atomic.Int64) (how int, err error) {
	buf := make([]byte, len(last))
	for before, n := time.Now(), 0; ; n++ {
		// The server counts the silence from its last answer, which was sent after the last request.
		previous := before
		before = time.Now()
		_, err := io.WriteString(c, get)
		if err == nil {
			_, err = io.ReadFull(c, buf[:len(hello)])
		}
		if err != nil {
			switch {
			case n == 0:
				return notAccepted, nil
			case time.Since(previous) > servers.DrainGrace/2:
				return wasSilent, nil
			}
			return 0, fmt.Errorf("request %d on a connection was not answered: %w", n, err)
		}
		if n == 0 {
			begun.Add(1)
		}
		answers.Add(1)
		if string(buf[:len(hello)]) == hello {
			continue
		}
		if _, err := io.ReadFull(c, buf[len(hello):]); err != nil || string(buf) != last {
			return 0, fmt.Errorf("got %s (%v), want the last answer", short(buf), err)
		}
		return toldLast, end(c)
	}
}

// TestStopAnswersWhatIsInFlight: what was sent before the signal is answered, whether it has been
// read or is still in the accept queue; a request that has begun may be finished; a connection
// without one is closed without a reset.
func TestStopAnswersWhatIsInFlight(t *testing.T) {
	// In turn, since a server has four seconds for it.
	eachModelInTurn(t, servers.Protocols, func(t *testing.T, model, protocol string) {
		queued := 200
		if model == "process" {
			queued = 10 // each takes the start of a process, and a server has five seconds to stop
		}
		p := start(t, model, protocol)
		whole, begin, rest := "ping", "pi", "ng"
		want := whole
		if protocol == servers.HTTP {
			whole = "GET /healthz HTTP/1.1\r\n" + host + "\r\n"
			begin, rest = whole[:10], whole[10:]
			want = answer(200, "text/plain", "ok", closing)
		}
		// A client that sends nothing has no answer in flight, and makes all others wait where one
		// is served after the other.
		silent := !closesEach(model)
		var idle, partial net.Conn
		if silent {
			idle, partial = p.dial(), p.dial()
		}
		if silent && protocol == servers.HTTP {
			if _, err := io.WriteString(partial, begin); err != nil {
				t.Fatal(err)
			}
		}
		var conns []net.Conn
		for range queued {
			c := p.dial()
			if _, err := io.WriteString(c, whole); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		p.signal(terminate)
		waitFor(t, "the port to close", func() bool {
			c, err := net.Dial("tcp", p.addr)
			if err != nil {
				return true
			}
			_ = c.Close()
			return false
		})
		for i, c := range conns {
			if err := expectEither(c, want, answer(200, "text/plain", "ok")); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
			if err := end(c); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
			_ = c.Close()
		}
		if silent && protocol == servers.HTTP {
			if err := exchange(partial, rest, want); err != nil {
				t.Errorf("request that had begun: %v", err)
			}
		}
		for name, c := range map[string]net.Conn{"idle": idle, "partial": partial} {
			if !silent {
				break
			}
			if err := end(c); err != nil {
				t.Errorf("%s connection: %v", name, err)
			}
			_ = c.Close()
		}
		p.stopped()
	})
}

// expectEither reads one of two texts; the longer one may begin like the shorter one.
func expectEither(r io.Reader, long, other string) error {
	first := make([]byte, min(len(long), len(other)))
	n, err := io.ReadFull(r, first)
	if err != nil {
		return fmt.Errorf("got %s: %w", short(first[:n]), err)
	}
	if string(first) == other {
		return nil
	}
	return expect(io.MultiReader(bytes.NewReader(first), r), long)
}

// A client that never finishes its request must not keep a server from stopping.
func TestStopCutsOff(t *testing.T) {
	eachModel(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		p := start(t, model, protocol, "--drain-timeout", "500ms")
		var stuck []net.Conn
		for range 10 {
			c := p.dial()
			if _, err := io.WriteString(c, "POST /echo HTTP/1.1\r\n"+host+"Content-Length: 9\r\n\r\nx"); err != nil {
				t.Fatal(err)
			}
			stuck = append(stuck, c)
		}
		p.signal(terminate)
		p.stopped()
		for _, c := range stuck {
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Error("a connection survived its server")
			}
		}
		if !strings.HasPrefix(model, "prefork") && !strings.Contains(p.log.String(), "drain timeout") {
			t.Error("the log does not say that connections were cut off")
		}
	})
}

// A whole group is signalled by harnesses and terminals: the workers then get the signal twice.
func TestStopsAsAGroup(t *testing.T) {
	eachModel(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		p := start(t, model, protocol)
		c := p.dial()
		if err := exchange(c, "GET /plaintext HTTP/1.1\r\n"+host+"\r\n", by(model, hello)); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(-p.cmd.Process.Pid, terminate); err != nil {
			t.Fatal(err)
		}
		if err := end(c); err != nil {
			t.Error(err)
		}
		_ = c.Close()
		p.stopped()
	})
}
