package attack

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// Stock is vegeta as most programs use its library: one attacker, as many
// workers as clients, a hit for each request, and the transport of net/http. It
// is a peer that this package's own generator is compared with. It can only do the
// closed loop.
//
// It opens its connections when it first needs them, so they are counted by
// the kernel; its latency includes what net/http and the wait for a worker's
// turn take.
type Stock struct {
	target      load.Target
	port        int
	n           int
	established atomic.Int64
}

// NewStock prepares n clients.
func NewStock(t load.Target, n int) (*Stock, error) {
	addr, err := resolve(t.Addr)
	if err != nil {
		return nil, err
	}
	return &Stock{target: t, port: int(addr.Port()), n: n}, nil
}

// Shards is one: the attackers, not vegeta's workers.
func (s *Stock) Shards() int { return 1 }

// CPU is the time that this process has used, in seconds.
func (s *Stock) CPU() (float64, error) { return host.OwnCPU() }

// Established counts the connections by the kernel.
func (s *Stock) Established() int { return int(s.established.Load()) }

// Close does nothing: the connections end with Run.
func (s *Stock) Close() error { return nil }

func (s *Stock) count() error {
	sockets, err := host.SocketsOn(s.port)
	s.established.Store(int64(len(sockets.Established)))
	return err
}

// Run loads the server in a closed loop.
func (s *Stock) Run(ctx context.Context, work load.Work, m load.Hooks) (*load.Window, error) {
	if work.Loop != result.Closed {
		return nil, errors.New("stock vegeta is measured in the closed loop only")
	}
	asked, r, err := s.target.For(load.Stock)
	if err != nil {
		return nil, err
	}
	var body []byte
	if asked.Echoes {
		body = bytes.Repeat([]byte("a"), r.PayloadBytes)
	}
	a := vegeta.NewAttacker(
		vegeta.Workers(uint64(s.n)), vegeta.MaxWorkers(uint64(s.n)), vegeta.Connections(s.n),
		vegeta.KeepAlive(true), vegeta.HTTP2(false), vegeta.Timeout(0),
	)
	results := a.Attack(vegeta.NewStaticTargeter(vegeta.Target{
		Method: asked.Method, URL: "http://" + s.target.Addr + asked.URI(r), Body: body,
	}), vegeta.Rate{}, 0, "")
	c := &Clients{clock: clock{time.Now()}, work: work}
	all := load.NewInterval(work.Loop)
	w := &load.Window{Errors: map[string]int64{}, Intervals: []*load.Interval{all}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r := range results {
			if !c.edges.contain(r.End().Sub(c.clock.base)) || c.aborted.Load() {
				continue
			}
			if r.Error != "" {
				w.Errors[result.KindOther]++
				all.Errored++
				continue
			}
			_ = all.Service.RecordValue(trackable(r.Latency))
			w.BytesIn += int64(r.BytesIn)
		}
	}()
	err = c.window(ctx, w, load.Hooks{
		Open: func() error { return errors.Join(s.count(), call(m.Open)) },
		Close: func() error {
			if ctx.Err() != nil {
				c.aborted.Store(true)
				return call(m.Close)
			}
			return errors.Join(s.count(), call(m.Close))
		},
		Second: m.Second,
	})
	a.Stop()
	<-done
	return w, err
}
