package app

var helloWorld = []byte("Hello, World!")

// plaintext costs nearly nothing to answer: what is measured is the server.
var plaintext = workload{path: "/plaintext", method: "GET", serve: func(_ *Request, resp *Response) {
	resp.Body = helloWorld
}}
