// Package app is what every server answers, written once for all models: the workloads. It knows no sockets and
// no protocol; it gets a request that has arrived whole and says what the answer is.
package app

import "net/http"

// A Request has arrived whole. Its slices are valid only during the call.
type Request struct {
	Path  []byte
	Query []byte // what follows the question mark, as sent
	Body  []byte
}

// A Response is filled in by a Handler. Status and ContentType start as 200 and "text/plain".
type Response struct {
	Status      int
	ContentType string
	Body        []byte // may alias the request's Body
}

// A Handler answers one request. It must not block: on an event loop everybody else would wait for it.
// It is called by many threads at once.
type Handler func(*Request, *Response)

// A workload is one thing a request can ask for: one file of this package, one line in workloads.
type workload struct {
	path   string
	method string // GET allows HEAD too
	serve  Handler
}

var workloads = [...]workload{plaintext, echo, healthz}

// Lookup finds the handler of method at path. When there is none, status says why (404 or 405), and allow names
// the methods that path has.
func Lookup(method, path []byte) (h Handler, status int, allow string) {
	for i := range workloads {
		w := &workloads[i]
		if string(path) != w.path {
			continue
		}
		if string(method) == w.method || w.method == "GET" && string(method) == "HEAD" {
			return w.serve, http.StatusOK, ""
		}
		if w.method == "GET" {
			return nil, http.StatusMethodNotAllowed, "GET, HEAD"
		}
		return nil, http.StatusMethodNotAllowed, w.method
	}
	return nil, http.StatusNotFound, ""
}
