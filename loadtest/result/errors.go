package result

import (
	"strconv"
	"strings"
)

// Kinds of errors of requests and connects, which are the keys of Repeat.Errors.
const (
	KindRefused   = "refused"   // nothing listens
	KindReset     = "reset"     // the connection was torn down
	KindTimeout   = "timeout"   // no answer in time
	KindEOF       = "eof"       // closed where an answer was due
	KindTruncated = "truncated" // closed in the middle of an answer
	KindFDs       = "emfile"    // the generator has no descriptors left
	KindPorts     = "no-port"   // no local port left to connect from
	KindStatus    = "status"    // an HTTP status other than 200 that the generator does not name
	KindBytes     = "wrong-bytes"
	KindUnasked   = "unasked-bytes"
	KindMalformed = "malformed"
	KindOther     = "other"
)

// OutOfMemory is the kind of failure of a repeat whose server used up the memory of its box.
const OutOfMemory = "memory"

// KindOfStatus returns the kind of an HTTP status other than 200: "status-503".
func KindOfStatus(code int) string { return KindStatus + "-" + strconv.Itoa(code) }

// IsStatus reports whether a kind of errors is an HTTP status.
func IsStatus(kind string) bool { return strings.HasPrefix(kind, KindStatus) }

// Interrupted is the kind of failure of a repeat that an interrupt ended. The repeat is
// measured again when the run is resumed.
const Interrupted = "interrupted"
