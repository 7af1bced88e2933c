//go:build !linux

package attack

import (
	"context"
	"errors"
)

// ServeNull is the server that does the least; it waits with epoll, which is
// Linux's.
func ServeNull(context.Context, string, string, int) error { return errors.ErrUnsupported }
