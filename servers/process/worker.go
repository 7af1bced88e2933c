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
	// controlFD is where a worker finds the socket to its master.
	controlFD = 3

	// workerGOGC has a worker collect garbage early: it has next to none, and there are many workers.
	workerGOGC = "20"

	// workerBytes is what is set aside for a worker. An idle one has a PSS of 1.7 MB, nearly all of it Go's heap, stacks and
	// tables, and the kernel has some hundred KB for its threads and page tables. (By the command line, without GOMAXPROCS 1,
	// it was 2.3 MB and six threads instead of 1.7 MB and four or five.)
	workerBytes = 4 << 20
	// workerTasks is how many threads a worker has: the one that serves, and those that Go has for itself.
	workerTasks = 6
)

// work serves one connection after the other, as the master hands them over, until the master has no more of them.
func work(cfg servers.Config) error {
	control, err := handover.Conn(os.NewFile(controlFD, "control"))
	if err != nil {
		return fmt.Errorf("take up the socket to the master: %w", err)
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
	debug.FreeOSMemory() // what starting has left
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
