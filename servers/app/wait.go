package app

import "time"

const maxDelay = 10 * time.Second

var done = []byte("done")

// wait answers after ms milliseconds, in which the server has nothing to do for it.
var wait = workload{path: "/wait", method: "GET", serve: func(req *Request, resp *Response) {
	delay(req, resp, Wait)
}}

// block answers after a system call that blocks its thread for ms milliseconds.
var block = workload{path: "/block", method: "GET", serve: func(req *Request, resp *Response) {
	delay(req, resp, Block)
}}

func delay(req *Request, resp *Response, kind DelayKind) {
	ms, ok := Number(req, resp, "ms", "milliseconds", 0, maxDelay.Milliseconds())
	if !ok {
		return
	}
	resp.Body = done
	if ms > 0 {
		resp.Delay = Delay{Kind: kind, Time: time.Duration(ms) * time.Millisecond}
	}
}
