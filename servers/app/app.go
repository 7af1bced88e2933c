// Package app is what every server answers, written once for all models: the workloads. It knows
// neither sockets nor a protocol: it is given a complete request and returns the answer.
package app

import (
	"net/http"
	"time"
)

// A Request is complete. Its slices are valid only during the call.
type Request struct {
	Path  []byte
	Query []byte // the part after the question mark, as sent
	Body  []byte

	Counter Counter // for /counter; nil: there is none
	// Yield, if not nil, must be called now and then by a handler that computes for long. There the
	// interpreter lock can change hands.
	Yield func()
}

// A Counter is the access to the state that requests share.
type Counter interface {
	Add() error            // adds one
	Value() (int64, error) // the whole count
}

// A Response is filled in by a Handler. It starts with status 200 and content type "text/plain".
type Response struct {
	Status      int
	ContentType string
	Body        []byte // may be the Body of the request, unless there is a Delay
	Close       bool   // the connection ends with this answer

	Delay Delay // what must happen before the answer is sent
}

// A Delay is time that must pass before an answer is sent. A handler does not wait itself, because
// each model waits in its own way.
type Delay struct {
	Kind DelayKind
	Time time.Duration
}

// A DelayKind is how a server spends the time of a Delay.
type DelayKind uint8

const (
	// NoDelay: the answer is ready.
	NoDelay DelayKind = iota
	// Wait is for an event that notifies the process, like an answer from another server. A model
	// waits as it waits for its clients: with a timer of its loop, a parked goroutine, a blocked
	// thread.
	Wait
	// Block is a system call that can only block, like a read from a disk or a call into a C
	// library. The thread that makes it can do nothing else: see BlockThread.
	Block
)

// A Handler answers one request. It must not block but ask for a Delay: on an event loop all other
// clients would wait for it. Many threads call it at the same time.
type Handler func(*Request, *Response)

// A workload is one thing that a request can ask for. Adding one takes one file of this package,
// and its name in workloads.
type workload struct {
	path   string
	method string // GET allows HEAD too
	serve  Handler
}

var workloads = [...]workload{plaintext, echo, healthz, wait, block, cpu, count, value}

// Lookup finds the handler of method at path. If there is none, status is 404 or 405, and allow
// lists the methods of path.
func Lookup(method, path []byte) (h Handler, status int, allow string) {
	for i := range workloads {
		w := &workloads[i]
		if string(path) != w.path {
			continue
		}
		if string(method) == w.method || w.method == "GET" && string(method) == "HEAD" {
			return w.serve, http.StatusOK, ""
		}
		if allow != "" {
			allow += ", "
		}
		if allow += w.method; w.method == "GET" {
			allow += ", HEAD"
		}
	}
	if allow != "" {
		return nil, http.StatusMethodNotAllowed, allow
	}
	return nil, http.StatusNotFound, ""
}
