package conform

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tierbench/tierbench/loadtest/load"
)

var echoRules = []rule{
	{"echo", "bytes come back, whatever is in them", (*checker).rawEcho},
	{"keep-alive", "a connection serves one message after the other", (*checker).rawKeepAlive},
	{"split", "bytes that arrive in pieces come back in order", (*checker).rawSplit},
	{"large", "64 KiB, the most that the harness sends, come back", (*checker).rawLarge},
	{"connections", "many connections at a time are served, and they belong to processes of the server's own group", (*checker).rawConnections},
	{"bad-clients", "a client that sends nothing, or resets its connection, does not end the server", (*checker).badClients},
}

// exchange sends a message and reads it back.
func exchange(conn net.Conn, message []byte) error {
	if _, err := conn.Write(message); err != nil {
		return err
	}
	return expect(conn, message)
}

func expect(conn net.Conn, message []byte) error {
	got := make([]byte, len(message))
	n, err := io.ReadFull(conn, got)
	if !bytes.Equal(got[:n], message[:n]) {
		return fmt.Errorf("sent %s, got %s", short(message), short(got[:n]))
	}
	if err != nil {
		return fmt.Errorf("%d of %d bytes came back: %w", n, len(message), plain(err))
	}
	return nil
}

// raw calls do with a new connection.
func (c *checker) raw(do func(net.Conn) error, seen string) (string, string) {
	conn, err := c.dial()
	if err == nil {
		defer conn.Close()
		err = do(conn)
	}
	return verdict(err, seen)
}

func (c *checker) rawEcho() (string, string) {
	sizes := []int{1, 64, 1000}
	for _, n := range sizes {
		if outcome, seen := c.raw(func(conn net.Conn) error { return exchange(conn, pattern(n)) }, ""); outcome != Pass {
			return outcome, seen
		}
	}
	return Pass, fmt.Sprintf("messages of %d bytes came back", sizes)
}

func (c *checker) rawKeepAlive() (string, string) {
	const messages = 20
	conn, err := c.dial()
	if err != nil {
		return Fail, err.Error()
	}
	defer conn.Close()
	for i := range messages {
		if err := exchange(conn, fmt.Appendf(nil, "message %d", i)); err != nil && i == 1 {
			c.closes = true
			return Absent, "it closes the connection after each message; its config needs closes_each: true"
		} else if err != nil {
			return Fail, fmt.Sprintf("message %d on a connection: %v", i+1, err)
		}
	}
	return Pass, fmt.Sprintf("%d messages on one connection", messages)
}

func (c *checker) rawSplit() (string, string) {
	if c.closes {
		return Absent, "it closes the connection after the first piece"
	}
	message := pattern(100)
	return c.raw(func(conn net.Conn) error {
		if err := inPieces(conn, message); err != nil {
			return err
		}
		return expect(conn, message)
	}, fmt.Sprintf("%d pieces came back", pieces))
}

// inPieces writes a message in pieces with pauses, so that a server reads the pieces one
// by one unless it is very slow.
func inPieces(w io.Writer, message []byte) error {
	for i := range pieces {
		if i > 0 {
			time.Sleep(pause)
		}
		if _, err := w.Write(message[len(message)*i/pieces : len(message)*(i+1)/pieces]); err != nil {
			return err
		}
	}
	return nil
}

const (
	pieces = 8
	pause  = 30 * time.Millisecond
	// settle is long enough for a server to react to what it was sent, or to crash.
	settle = 100 * time.Millisecond
)

func (c *checker) rawLarge() (string, string) {
	if c.closes {
		return Absent, "it closes the connection after the first piece"
	}
	return c.raw(func(conn net.Conn) error { return exchange(conn, pattern(load.MaxPayloadBytes)) }, fmt.Sprintf("%d bytes came back", load.MaxPayloadBytes))
}

func (c *checker) rawConnections() (string, string) {
	var conns []net.Conn
	defer func() { closeAll(conns) }()
	for range c.opt.Clients {
		conn, err := c.dial()
		if err != nil {
			return Fail, fmt.Sprintf("connection %d: %v", len(conns)+1, err)
		}
		conns = append(conns, conn)
	}
	rounds := 2
	if c.closes {
		rounds = 1
	}
	for round := range rounds {
		for i, conn := range conns {
			if _, err := fmt.Fprintf(conn, "client %5d", i); err != nil {
				return Fail, fmt.Sprintf("connection %d: %v", i+1, err)
			}
		}
		for i, conn := range conns {
			if err := expect(conn, fmt.Appendf(nil, "client %5d", i)); err != nil {
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

func (c *checker) badClients() (string, string) {
	const clients = 10
	for i := range clients {
		conn, err := c.dial()
		if err != nil {
			return Fail, err.Error()
		}
		if i%2 == 0 {
			_, _ = conn.Write(pattern(100))
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // Close resets the connection
		conn.Close()
	}
	for range 2 {
		if outcome, seen := c.raw(func(conn net.Conn) error { return exchange(conn, []byte("after")) }, ""); outcome != Pass {
			return outcome, "after them: " + seen
		}
		time.Sleep(settle)
	}
	return Pass, fmt.Sprintf("%d of them; it continues to serve", clients)
}
