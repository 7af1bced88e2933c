package wire

import (
	"sync"
	"testing"
	"time"

	"github.com/tierbench/tierbench/servers"
)

type discard struct{}

func (discard) Receive([]byte) int { return 0 }
func (discard) Send([]byte) bool   { return true }
func (discard) Wait(time.Duration) {}

func TestBlocksAreBounded(t *testing.T) {
	const blocking = "GET /block?ms=1 HTTP/1.1\r\nHost: h\r\n\r\n"
	s := withSettings(servers.HTTP, func(*servers.Config) {})
	s.Blocks = make(chan struct{}, 1)
	s.Blocks <- struct{}{} // another connection blocks

	var answered sync.WaitGroup
	done := make(chan struct{})
	answered.Go(func() {
		_, _, ok := s.exchange(&Conn{}, discard{}, []byte(blocking), nil)
		if !ok {
			t.Error("the connection is lost")
		}
		close(done)
	})
	// A request that does not block needs no place.
	if _, _, ok := s.exchange(&Conn{}, discard{}, []byte(get), nil); !ok {
		t.Error("plaintext: the connection is lost")
	}
	select {
	case <-done:
		t.Error("it blocks without a place")
	case <-time.After(20 * time.Millisecond):
	}
	<-s.Blocks
	answered.Wait()
	if len(s.Blocks) > 0 {
		t.Error("its place is not given back")
	}
}
