package app

var ok = []byte("ok")

// healthz shows that the server answers.
var healthz = workload{path: "/healthz", method: "GET", serve: func(_ *Request, resp *Response) {
	resp.Body = ok
}}
