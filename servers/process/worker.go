package process

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/tierbench/tierbench/servers"
	"github.com/tierbench/tierbench/servers/blocking"
	"github.com/tierbench/tierbench/servers/handover"
)

const (
	// controlFD is the socket of a worker to its master.
	controlFD = 3

	// workerGOGC makes a worker collect garbage early: it makes little, and there are many workers.
	workerGOGC = "20"

	// workerBytes is the memory that limit counts for a worker. An idle worker has a PSS of 1.7 MB,
	// nearly all of it Go's heap, stacks and tables; the kernel needs some hundred KB for its
	// threads and page tables. (If it parsed a command line, without GOMAXPROCS 1, it would have
	// 2.3 MB and six threads instead of four or five.)
	workerBytes = 4 << 20
	// workerTasks is how many threads a worker has: one that serves, and those of Go's runtime.
	workerTasks = 6
)

// work serves one connection after the other, as the master passes them, until the master has no
// more.
func work(cfg servers.Config) error {
	control, err := handover.Conn(os.NewFile(controlFD, "control"))
	if err != nil {
		return fmt.Errorf("open the socket to the master: %w", err)
	}
	conns := blocking.NewConns(cfg)
	next := make(chan *blocking.Conn)
	go func() {
		for c := range next {
			conns.Serve(c)
			if cfg.Spawn == servers.SpawnFresh {
				_ = control.CloseRead() // as if the master had no more
				return
			}
			_, _ = control.Write([]byte{isIdle})
		}
	}()
	debug.FreeOSMemory() // the start has left some
	if _, err := control.Write([]byte{isReady}); err != nil {
		return nil // the master has ended
	}
	for {
		fd, err := handover.Take(control)
		if err != nil {
			break
		}
		next <- conns.Add(fd)
	}
	conns.Drain()
	return nil
}
