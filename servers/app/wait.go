package app

import (
	"fmt"
	"net/http"
	"time"
)

const maxDelay = 10 * time.Second

var done = []byte("done")

// wait answers after ms milliseconds in which the server has nothing to do for it. The model waits as it waits for
// everything.
var wait = workload{path: "/wait", method: "GET", serve: func(req *Request, resp *Response) {
	delay(req, resp, Wait)
}}

// block answers after a system call that blocks its thread for ms milliseconds, whatever else that thread has to do.
var block = workload{path: "/block", method: "GET", serve: func(req *Request, resp *Response) {
	delay(req, resp, Block)
}}

func delay(req *Request, resp *Response, kind Kind) {
	ms, ok := number(req.Query, "ms", maxDelay.Milliseconds())
	if !ok {
		badParameter(resp, "ms", "milliseconds", maxDelay.Milliseconds())
		return
	}
	resp.Body = done
	if ms > 0 {
		resp.Delay = Delay{Kind: kind, Time: time.Duration(ms) * time.Millisecond}
	}
}

// number returns the parameter name of query: decimal digits, at most limit. It is the first of that name that counts,
// and other parameters do not matter.
func number(query []byte, name string, limit int64) (n int64, ok bool) {
	for len(query) > 0 {
		pair := query
		query = nil
		for i, c := range pair {
			if c == '&' {
				pair, query = pair[:i], pair[i+1:]
				break
			}
		}
		if len(pair) <= len(name) || string(pair[:len(name)]) != name || pair[len(name)] != '=' {
			continue
		}
		digits := pair[len(name)+1:]
		for _, c := range digits {
			if c < '0' || c > '9' {
				return 0, false
			}
			if n = n*10 + int64(c-'0'); n > limit {
				return 0, false
			}
		}
		return n, len(digits) > 0
	}
	return 0, false
}

func badParameter(resp *Response, name, unit string, limit int64) {
	resp.Status = http.StatusBadRequest
	resp.Body = fmt.Appendf(nil, "%s must be a whole number of %s from 0 to %d", name, unit, limit)
}
