//go:build unix && !linux

package loop

import (
	"errors"
	"fmt"

	"github.com/panjf2000/gnet/v2"
)

// A poller would change what gnet's own kqueue waits for, but only Linux shows which one that is.
type poller struct {
	fd int
}

func (*poller) find(int) error {
	return fmt.Errorf("find gnet's kqueue: %w", errors.ErrUnsupported)
}

func (*poller) writeOnly(int) bool { return false }

func (*poller) silence(int) bool { return false }

func (*poller) listen(int) {}

func (*poller) stopListening(gnet.Engine) (more bool, err error) {
	return false, fmt.Errorf("find gnet's kqueue: %w", errors.ErrUnsupported)
}

// writeNow leaves writing to gnet: only Linux has stable system calls.
func writeNow(int, []byte) int { return 0 }
