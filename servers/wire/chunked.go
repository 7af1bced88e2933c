package wire

import "net/http"

// chunked decodes a chunked body (RFC 9112, 7.1) that arrives in pieces. It accepts only the
// grammar of the RFC: no bare line feeds, no spaces before a size. Extensions and trailers are
// bounded and dropped.
type chunked struct {
	state  chunkState
	digits int // of the current size
	size   int // of the current chunk; later the rest of it
	extra  int // bytes of extensions and trailers so far
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExt
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerName
	trailerValue
	trailerLF
	chunkEndLF
)

// maxSizeDigits allows for leading zeros: some senders reserve room for a size that they fill in
// later.
const maxSizeDigits = 16

// feed decodes in and appends to body. If done, the body has ended, and rest is the input after it.
// Otherwise feed has taken all of in, or status is that of an error: 413 for a body larger than
// maxBody, 431 for trailers larger than maxExtra, else 400.
func (d *chunked) feed(in, body []byte, maxBody, maxExtra int) (rest, newBody []byte, done bool, status int) {
	bad := func(status int) ([]byte, []byte, bool, int) { return nil, body, false, status }

	for i := 0; i < len(in); i++ {
		c := in[i]
		switch d.state {
		case chunkSize:
			v, ok := hexValue(c)
			switch {
			case ok:
				d.digits++
				if d.digits > maxSizeDigits {
					return bad(http.StatusBadRequest)
				}
				// size was at most maxBody before: this cannot overflow.
				d.size = d.size<<4 | v
				if d.size > maxBody-len(body) {
					return bad(http.StatusRequestEntityTooLarge)
				}
			case d.digits == 0:
				return bad(http.StatusBadRequest)
			case c == '\r':
				d.state = chunkSizeLF
			case c == ';' || c == ' ' || c == '\t':
				d.state = chunkExt
			default:
				return bad(http.StatusBadRequest)
			}
		case chunkExt:
			d.extra++
			switch {
			case c == '\r':
				d.state = chunkSizeLF
			case c < ' ' && c != '\t' || c == 0x7f || d.extra > maxExtra:
				return bad(http.StatusBadRequest)
			}
		case chunkSizeLF:
			if c != '\n' {
				return bad(http.StatusBadRequest)
			}
			d.digits = 0
			d.state = chunkData
			if d.size == 0 {
				d.state = trailerStart
			}
		case chunkData:
			n := min(d.size, len(in)-i)
			body = append(body, in[i:i+n]...)
			i += n - 1
			if d.size -= n; d.size == 0 {
				d.state = chunkDataCR
			}
		case chunkDataCR:
			if c != '\r' {
				return bad(http.StatusBadRequest)
			}
			d.state = chunkDataLF
		case chunkDataLF:
			if c != '\n' {
				return bad(http.StatusBadRequest)
			}
			d.state = chunkSize
		case trailerStart:
			switch {
			case c == '\r':
				d.state = chunkEndLF
			case tokenByte[c]:
				d.extra++
				d.state = trailerName
			default:
				return bad(http.StatusBadRequest)
			}
		case trailerName:
			d.extra++
			switch {
			case d.extra > maxExtra:
				return bad(http.StatusRequestHeaderFieldsTooLarge)
			case c == ':':
				d.state = trailerValue
			case !tokenByte[c]:
				return bad(http.StatusBadRequest)
			}
		case trailerValue:
			d.extra++
			switch {
			case d.extra > maxExtra:
				return bad(http.StatusRequestHeaderFieldsTooLarge)
			case c == '\r':
				d.state = trailerLF
			case c < ' ' && c != '\t' || c == 0x7f:
				return bad(http.StatusBadRequest)
			}
		case trailerLF:
			if c != '\n' {
				return bad(http.StatusBadRequest)
			}
			d.state = trailerStart
		case chunkEndLF:
			if c != '\n' {
				return bad(http.StatusBadRequest)
			}
			return in[i+1:], body, true, 0
		}
	}
	return nil, body, false, 0
}

func hexValue(c byte) (int, bool) {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0'), true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10, true
	}
	return 0, false
}
