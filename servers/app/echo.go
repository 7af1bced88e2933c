package app

// echo sends the body back.
var echo = workload{path: "/echo", method: "POST", serve: func(req *Request, resp *Response) {
	resp.ContentType = "application/octet-stream"
	resp.Body = req.Body
}}
