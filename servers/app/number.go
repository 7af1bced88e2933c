package app

import (
	"bytes"
	"fmt"
	"net/http"
)

// Number returns the parameter called name of req's query: decimal digits, from least to most. The
// first parameter of that name counts, and others do not matter. If it is missing or wrong, ok is
// false and resp says what is allowed.
func Number(req *Request, resp *Response, name, unit string, least, most int64) (n int64, ok bool) {
	for pair := range bytes.SplitSeq(req.Query, ampersand) {
		if len(pair) <= len(name) || string(pair[:len(name)]) != name || pair[len(name)] != '=' {
			continue
		}
		if n, ok = parse(pair[len(name)+1:], most); ok && n >= least {
			return n, true
		}
		break
	}
	resp.Status = http.StatusBadRequest
	resp.Body = fmt.Appendf(nil, "%s must be a whole number of %s from %d to %d", name, unit, least, most)
	return 0, false
}

var ampersand = []byte("&")

// parse returns the number in digits, unless it is larger than most.
func parse(digits []byte, most int64) (n int64, ok bool) {
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n > most {
			return 0, false
		}
	}
	return n, len(digits) > 0
}
