package attack

import (
	"net/http"
	"runtime"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// slice is how long a turn of a shard takes: how often vegeta is asked whether
// to go on.
const slice = 10 * time.Millisecond

// turns makes a shard the whole work of an attacker of vegeta: a hit is a turn of
// the shard's event loop.
type turns struct {
	shard *shard
	begun bool // the clients have asked for the first time
}

var _ http.RoundTripper = (*turns)(nil)

// attack starts the attacker. Each of its results is a turn, and says nothing:
// what was measured is in the shard. The last turn has ended when they end.
func (sh *shard) attack() (*vegeta.Attacker, <-chan *vegeta.Result) {
	t := &turns{shard: sh}
	a := vegeta.NewAttacker(vegeta.Client(&http.Client{Transport: t}), vegeta.Workers(1), vegeta.MaxWorkers(1))
	// The zero Rate is as fast as the worker can; the duration 0 is until Stop:
	// the window is cut out of the attack by the clock.
	return a, a.Attack(t.Target, vegeta.Rate{}, 0, "")
}

// Target is a vegeta.Targeter. It names the server: the shard decides what to
// ask.
func (t *turns) Target(target *vegeta.Target) error {
	target.Method, target.URL = http.MethodGet, "http://"+t.shard.of.target.Addr+"/"
	return nil
}

// turned is what RoundTrip returns for a turn. net/http and vegeta only read it.
var turned = &http.Response{
	Status: "200 OK", StatusCode: http.StatusOK,
	Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	Header: http.Header{}, Body: http.NoBody,
}

// RoundTrip is a turn. It implements http.RoundTripper for vegeta's http.Client.
func (t *turns) RoundTrip(*http.Request) (*http.Response, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	wakeOnTime()
	sh := t.shard
	if !t.begun {
		t.begun = true
		for i := range sh.clients {
			if cl := &sh.clients[i]; cl.live {
				sh.next(cl, sh.of.clock.now())
			}
		}
	}
	sh.work(sh.of.clock.now()+slice, sh.of.stopping.Load)
	if sh.failed != nil {
		return nil, sh.failed
	}
	return turned, nil
}
