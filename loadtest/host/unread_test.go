//go:build linux

package host

import (
	"io"
	"net"
	"testing"
)

func TestUnreadOn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	unread := func(want int64) {
		t.Helper()
		if got, err := UnreadOn(port); got != want || err != nil {
			t.Errorf("%d bytes unread, err %v; want %d", got, err, want)
		}
	}
	unread(0) // a connection that waits to be accepted is no byte
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	unread(5)
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := io.ReadFull(server, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	unread(2)
	if _, err := io.ReadFull(server, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	unread(0)
}
