package attack

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/tierbench/tierbench/loadtest/result"
)

// Classify names the kind of an error of a request or of a connect. It is a
// pure function of the error's chain: addresses and ports in its text do not
// matter.
func Classify(err error) string {
	if status := statusError(0); errors.As(err, &status) {
		return result.KindOfStatus(int(status))
	}
	for _, c := range []struct {
		is   error
		kind string
	}{
		{errBytes, result.KindBytes}, {errUnasked, result.KindUnasked}, {errMalformed, result.KindMalformed},
		{syscall.ECONNREFUSED, result.KindRefused},
		{syscall.ECONNRESET, result.KindReset}, {syscall.EPIPE, result.KindReset}, {syscall.ECONNABORTED, result.KindReset},
		{syscall.EMFILE, result.KindFDs}, {syscall.ENFILE, result.KindFDs},
		{syscall.EADDRNOTAVAIL, result.KindPorts}, {syscall.EADDRINUSE, result.KindPorts},
		{os.ErrDeadlineExceeded, result.KindTimeout}, {context.DeadlineExceeded, result.KindTimeout}, {syscall.ETIMEDOUT, result.KindTimeout},
		{io.ErrUnexpectedEOF, result.KindTruncated}, {io.EOF, result.KindEOF},
	} {
		if errors.Is(err, c.is) {
			return c.kind
		}
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return result.KindTimeout
	}
	return result.KindOther
}
