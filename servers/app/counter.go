package app

import (
	"net/http"
	"os"
	"strconv"
)

// count adds one to the state that all requests share.
var count = workload{path: "/counter", method: "POST", serve: func(req *Request, resp *Response) {
	switch {
	case req.Counter == nil:
		resp.Status = http.StatusNotFound
	default:
		if err := req.Counter.Add(); err != nil {
			failed(resp, err)
			return
		}
		resp.Body = ok
	}
}}

// value returns the count and the pid of the process that answers: processes that share no state
// have a count each.
var value = workload{path: "/counter", method: "GET", serve: func(req *Request, resp *Response) {
	if req.Counter == nil {
		resp.Status = http.StatusNotFound
		return
	}
	n, err := req.Counter.Value()
	if err != nil {
		failed(resp, err)
		return
	}
	b := strconv.AppendInt(nil, n, 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(os.Getpid()), 10)
	resp.Body = append(b, '\n')
}}

// failed reports why nothing was counted: an experiment must not mistake a broken pipe for a slow
// one.
func failed(resp *Response, err error) {
	resp.Status = http.StatusInternalServerError
	resp.Body = []byte(err.Error())
}
