package loop

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
	"github.com/tierbench/tierbench/servers/listen"
)

// handing is how many connections may be on their way from the acceptor to their loops. Each has
// two descriptors until it has arrived.
const handing = 128

// Many listens on cfg.Addr and serves with n loops until ctx is done.
//
// One acceptor gives each connection to the loop that has the fewest, so that the loops differ by
// at most one while connections arrive. The kernel's way, a listening socket for each loop
// (SO_REUSEPORT), distributes them by a hash: of ten connections on two loops, one loop gets seven
// or more about every third time. gnet's own acceptor does not help either: it accepts more
// connections than the limit allows, and ends the server when there are no descriptors left.
func Many(ctx context.Context, cfg servers.Config, n int) error {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return err
	}
	limit, err := admit.Connections(cfg.MaxConns, handing+cfg.Offload)
	if err != nil {
		return err
	}
	ln, err := listen.TCP(cfg)
	if err != nil {
		return err
	}
	m := &many{
		cfg:     cfg,
		limiter: admit.Limiter{Max: limit, Log: cfg.Log},
		handing: make(chan struct{}, handing),
		ended:   make(chan struct{}),

		draining: make(chan struct{}),
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors(n, cfg)))
	m.log = &libraryLog{Logger: cfg.Log, ended: sync.OnceFunc(func() { close(m.ended) })}
	pool := newPool(cfg.Offload)
	for range n {
		if err := m.add(pool); err != nil {
			_ = ln.Close()
			m.stop()
			return err
		}
	}
	cfg.Listening(limit)

	// A loop that ends by an error ends the server: its connections are lost, and new ones would
	// not be served.
	accepting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-m.ended:
			cancel()
		case <-accepting.Done():
		}
	}()
	stop := context.AfterFunc(ctx, m.drain)
	defer stop()
	err = listen.Accept(accepting, ln, cfg.DrainTimeout/2, cfg.Log, m.place)
	if ctx.Err() != nil {
		<-m.draining
		awaitEnd(m.begin, cfg, &m.limiter, m.loops...)
	}
	m.stop()
	if err == nil && ctx.Err() == nil {
		err = fmt.Errorf("event loop ended: %s", m.log.cause())
	}
	return err
}

type many struct {
	cfg     servers.Config
	log     *libraryLog
	limiter admit.Limiter
	loops   []*loop
	clients []*gnet.Client
	handing chan struct{} // contains an element for each connection on its way to its loop
	ended   chan struct{} // closed when a loop has ended by an error

	draining chan struct{} // closed when the loops drain
	begin    time.Time     // of draining; set before it is closed
}

// add starts one more loop. To gnet it is a client, which is a loop without a listener.
func (m *many) add(pool *pool) error {
	var first *loop
	if len(m.loops) > 0 {
		first = m.loops[0]
	}
	l := newLoop(m.cfg, &m.limiter, pool, first)
	client, err := gnet.NewClient(l,
		gnet.WithNumEventLoop(1),
		gnet.WithTicker(true),
		gnet.WithTCPNoDelay(gnet.TCPDelay), // Go has set it when it accepted
		gnet.WithLogger(m.log),
	)
	if err == nil {
		err = client.Start()
	}
	if err != nil {
		return fmt.Errorf("start an event loop: %w", err)
	}
	m.loops = append(m.loops, l)
	m.clients = append(m.clients, client)
	return nil
}

// place gives c to the loop with the fewest connections. It is called by one goroutine.
func (m *many) place(c *net.TCPConn) {
	if !m.limiter.TryAcquire() {
		listen.Refuse(c)
		return
	}
	least := 0
	for i, l := range m.loops {
		if l.load.Load() < m.loops[least].load.Load() {
			least = i
		}
	}
	m.loops[least].load.Add(1)
	m.handing <- struct{}{}
	// A loop with a slow handler takes the connection late: the acceptor does not wait for it.
	go func() {
		defer func() { <-m.handing }()
		if _, err := m.clients[least].EnrollContext(c, nil); err != nil {
			m.cfg.Log.Warn().Err(err).Msg("cannot give a connection to its loop")
			m.loops[least].load.Add(-1)
			m.limiter.Release()
		}
	}()
}

// drain lets each loop end its connections.
func (m *many) drain() {
	m.begin = time.Now()
	defer close(m.draining)
	for _, l := range m.loops {
		l.wire.Drain()
	}
}

// stop ends the loops. A loop that a system call blocks ends with the process.
func (m *many) stop() {
	var all sync.WaitGroup
	for _, c := range m.clients {
		all.Go(func() { _ = c.Stop() })
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(servers.CutTimeout):
	}
}
