package wire

import (
	"bytes"
	"net/http"
)

// A head finds the end of a header block that arrives in pieces. It resumes where it stopped, so
// that it reads each byte once. It also notes the fields that decide on framing, because fasthttp's
// parser does not report all of them.
type head struct {
	pos   int // where to look for the next line feed
	line  int // where the current line starts
	start int // where the block starts: some clients send an empty line after a body
	lines int

	contentLength    bool
	transferEncoding bool
	expect           expectation
}

type expectation uint8

const (
	expectNothing expectation = iota
	expectContinue
	expectUnknown
)

// scan reads b, which contains the b of the last call and more. It returns the end of the block, or
// 0 if that has not arrived, or the status of an error.
func (h *head) scan(b []byte, limit int) (end, status int) {
	if h.pos == 0 && b[0] != '\r' && !tokenByte[b[0]] {
		return 0, http.StatusBadRequest // not HTTP but TLS, say: a line feed may never come
	}
	for {
		i := bytes.IndexByte(b[h.pos:], '\n')
		if i < 0 {
			h.pos = len(b)
			if len(b) > limit {
				return 0, http.StatusRequestHeaderFieldsTooLarge
			}
			return 0, 0
		}
		lf := h.pos + i
		if lf+1 > limit {
			return 0, http.StatusRequestHeaderFieldsTooLarge
		}
		// A line feed alone ends a line for some parsers and not for others: a proxy and a server
		// could disagree on where a request ends.
		if lf == h.line || b[lf-1] != '\r' {
			return 0, http.StatusBadRequest
		}
		line := b[h.line : lf-1]
		h.pos, h.line = lf+1, lf+1
		switch {
		case len(line) > 0:
			h.lines++
			if h.lines > 1 && !h.field(line) {
				return 0, http.StatusBadRequest
			}
		case h.lines > 0:
			return lf + 1, 0
		case h.start > 0:
			return 0, http.StatusBadRequest
		default:
			h.start = lf + 1
		}
	}
}

// field notes what line says about framing. It returns false for a folded line.
func (h *head) field(line []byte) bool {
	switch line[0] {
	case ' ', '\t':
		return false
	case 'c', 'C':
		if _, ok := fieldValue(line, "content-length:"); ok {
			h.contentLength = true
		}
	case 't', 'T':
		if _, ok := fieldValue(line, "transfer-encoding:"); ok {
			h.transferEncoding = true
		}
	case 'e', 'E':
		if v, ok := fieldValue(line, "expect:"); ok {
			h.expect = expectUnknown
			if equalFold(bytes.Trim(v, " \t"), "100-continue") {
				h.expect = expectContinue
			}
		}
	}
	return true
}

// fieldValue returns what follows name in line. name is in lower case and ends in a colon.
func fieldValue(line []byte, name string) ([]byte, bool) {
	if len(line) < len(name) || !equalFold(line[:len(name)], name) {
		return nil, false
	}
	return line[len(name):], true
}

// equalFold reports whether b, in ASCII letters of either case, equals lower.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// tokenByte is true for the bytes of a token (RFC 9110, 5.6.2): of a method or a field name.
var tokenByte = func() (t [256]bool) {
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-0x20] = true, true
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()
