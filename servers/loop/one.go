package loop

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/panjf2000/gnet/v2"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/admit"
	"github.com/tierbench/tierbench/servers/listen"
)

// One listens on cfg.Addr and serves with one loop until ctx is done. The loop accepts its
// connections itself.
//
// gnet does that only with SO_REUSEPORT. Otherwise a second thread accepts, ahead of the loop by
// any number of connections, and no limit could be kept. So the option is set, and listen.Exclusive
// makes sure that no other process listens on the port.
func One(ctx context.Context, cfg servers.Config) error {
	cfg = cfg.WithDefaults()
	if err := cfg.Check(); err != nil {
		return err
	}
	limit, err := admit.Connections(cfg.MaxConns, cfg.Offload)
	if err != nil {
		return err
	}
	if !cfg.SharePort {
		if err := listen.Exclusive(cfg.Addr); err != nil {
			return err
		}
	}
	l := newLoop(cfg, &admit.Limiter{Max: limit, Log: cfg.Log}, newPool(cfg.Offload), nil)
	l.accepts = true
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors(1, cfg)))
	log := &libraryLog{Logger: cfg.Log}
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		l.drain()
		close(drained)
	})
	ended := make(chan error, 1)
	go func() {
		ended <- gnet.Run(l, "tcp://"+cfg.Addr,
			gnet.WithNumEventLoop(1),
			gnet.WithTicker(true),
			gnet.WithTCPNoDelay(gnet.TCPNoDelay),
			gnet.WithReusePort(true),
			gnet.WithReuseAddr(true), // also a port in TIME_WAIT, as Go's own listeners
			gnet.WithLogger(log),
		)
	}()
	select {
	case err = <-ended:
		if !stop() {
			<-drained
		}
	case <-drained:
		// A loop that a system call blocks ends with the process.
		select {
		case err = <-ended:
		case <-time.After(servers.CutTimeout):
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("listen on %s: %w", cfg.Addr, err)
	case ctx.Err() == nil:
		// gnet logs why it ended, and returns nil.
		return fmt.Errorf("event loop ended: %s", log.cause())
	}
	return nil
}

// processors returns GOMAXPROCS for n loops: one for each, because nothing else runs. With more,
// each time a loop yields, Go wakes another thread that looks for work, finds the loop, and moves
// it to another core. The pool needs one more: a thread that returns from a blocking call must not
// wait until Go takes the processor away from a loop.
func processors(n int, cfg servers.Config) int {
	if cfg.Offload > 0 {
		return n + 1
	}
	return n
}
