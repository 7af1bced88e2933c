package loop

import (
	"context"
	"testing"
	"time"

	"github.com/panjf2000/gnet/v2"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
)

// blocked is a loop that runs nothing, as one in a blocking call.
type blocked struct{ gnet.EventLoop }

func (blocked) Execute(context.Context, gnet.Runnable) error { return nil }

// The time that is spent on waiting for the accept queue to become empty counts: with a drain
// timeout more, a server took longer to stop than the contract gives it.
func TestStopListeningKeepsToTheDrainTimeout(t *testing.T) {
	cfg := servers.Config{Protocol: servers.Echo, DrainTimeout: time.Hour}
	l := newLoop(cfg, &admit.Limiter{Max: 1}, nil, nil)
	var ev gnet.EventLoop = blocked{}
	l.ev.Store(&ev)
	if !l.stopListening(time.Now()) {
		t.Error("it asks for another try, when there is no time left")
	}
}
