package attack

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Kinds of error, as they are counted in the record.
const (
	KindRefused   = "refused"   // nothing listens
	KindReset     = "reset"     // the connection was torn down
	KindTimeout   = "timeout"   // no answer in time
	KindEOF       = "eof"       // closed where an answer was due
	KindTruncated = "truncated" // closed in the middle of an answer
	KindFDs       = "emfile"    // the generator has no descriptors left
	KindPorts     = "no-port"   // no local port left to connect from
	KindStatus    = "status"    // an HTTP status other than 200
	KindBytes     = "wrong-bytes"
	KindUnasked   = "unasked-bytes"
	KindMalformed = "malformed"
	KindOther     = "other"
)

// Classify names the kind of an error of a request or of a connect. It is a
// pure function of the error's chain: addresses and ports in its text do not
// matter.
func Classify(err error) string {
	for _, c := range []struct {
		is   error
		kind string
	}{
		{errStatus, KindStatus}, {errBytes, KindBytes}, {errUnasked, KindUnasked}, {errMalformed, KindMalformed},
		{syscall.ECONNREFUSED, KindRefused},
		{syscall.ECONNRESET, KindReset}, {syscall.EPIPE, KindReset}, {syscall.ECONNABORTED, KindReset},
		{syscall.EMFILE, KindFDs}, {syscall.ENFILE, KindFDs},
		{syscall.EADDRNOTAVAIL, KindPorts}, {syscall.EADDRINUSE, KindPorts},
		{os.ErrDeadlineExceeded, KindTimeout}, {context.DeadlineExceeded, KindTimeout}, {syscall.ETIMEDOUT, KindTimeout},
		{io.ErrUnexpectedEOF, KindTruncated}, {io.EOF, KindEOF},
	} {
		if errors.Is(err, c.is) {
			return c.kind
		}
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return KindTimeout
	}
	return KindOther
}
