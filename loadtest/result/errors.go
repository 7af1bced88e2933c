package result

// Kinds of errors of requests and connects, which are the keys of Repeat.Errors.
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

// OutOfMemory is the kind of failure of a repeat whose server used up the memory of its box.
const OutOfMemory = "memory"

// Interrupted is the kind of failure of a repeat that an interrupt ended. The repeat is
// measured again when the run is resumed.
const Interrupted = "interrupted"
