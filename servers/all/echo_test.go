package all

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tierbench/tierbench/servers"
)

func TestEcho(t *testing.T) {
	eachKeeping(t, []string{servers.Echo}, func(t *testing.T, model, protocol string) {
		p := use(t, model, protocol)
		for _, row := range []struct{ reason, send string }{
			{"one byte", "x"},
			{"what would be HTTP elsewhere", "GET / HTTP/1.1\r\n\r\n"},
			{"bytes are bytes", "\x00\xff\r\n\x00"},
			{"as much as the small buffer of thread", strings.Repeat("a", 1024)},
			{"one more", strings.Repeat("b", 1025)},
			{"as much as the largest read", strings.Repeat("c", 64<<10)},
			{"more than sockets hold", strings.Repeat("0123456789abcdef", 1<<18)},
		} {
			c := p.dial()
			for range 2 { // the second finds the connection as the first left it
				sent := make(chan error, 1)
				go func() {
					_, err := io.WriteString(c, row.send)
					sent <- err
				}()
				if err := expect(c, row.send); err != nil {
					t.Errorf("%s: %v", row.reason, err)
				}
				if err := <-sent; err != nil {
					t.Errorf("%s: send: %v", row.reason, err)
				}
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
			if err := end(c); err != nil {
				t.Errorf("%s: after the client's end: %v", row.reason, err)
			}
		}
		c := p.dial()
		for i := range 64 {
			b := string(rune('0' + i))
			if err := exchange(c, b, b); err != nil {
				t.Fatalf("byte %d: %v", i, err)
			}
			time.Sleep(bytePause)
		}
		_ = c.Close()
	})
}

// A model that closes each connection echoes what it has read at once, and that is all.
func TestEchoOnce(t *testing.T) {
	eachModel(t, []string{servers.Echo}, func(t *testing.T, model, protocol string) {
		if !closesEach(model) {
			return
		}
		p := use(t, model, protocol)
		for _, send := range []string{"x", "\x00\xff\r\n\x00", "GET / HTTP/1.1\r\n\r\n"} {
			c := p.dial()
			if err := exchange(c, send, send); err != nil {
				t.Error(err)
			}
			if err := end(c); err != nil {
				t.Error(err)
			}
			_ = c.Close()
		}
	})
}
