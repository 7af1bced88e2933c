package launch

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// probeTimeout is long enough for a server that has just started on a busy machine.
const probeTimeout = 2 * time.Second

// Probe returns an error unless the server answers: with status 200 to GET /healthz, or
// over echo by sending a byte back.
func Probe(addr, protocol string) error {
	c, err := net.DialTimeout("tcp", addr, probeTimeout)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		return err
	}
	if protocol == "echo" {
		if _, err := c.Write([]byte{'?'}); err != nil {
			return err
		}
		var b [1]byte
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return err
		}
		if b[0] != '?' {
			return fmt.Errorf("sent %q, got %q back", "?", b[:])
		}
		return nil
	}
	if _, err := fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", addr); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET /healthz: status %d, want 200", resp.StatusCode)
	}
	return nil
}
