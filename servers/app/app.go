// Package app is what every server answers, written once for all models: the workloads. It knows no sockets and
// no protocol; it gets a request that has arrived whole and says what the answer is.
package app

import (
	"net/http"
	"time"
)

// A Request has arrived whole. Its slices are valid only during the call.
type Request struct {
	Path  []byte
	Query []byte // what follows the question mark, as sent
	Body  []byte

	Counter Counter // what /counter counts with; nil: nothing
	// Yield, if not nil, is called now and then by a handler that computes for long, so that whoever holds something
	// meanwhile can hand it over.
	Yield func()
}

// A Counter is a worker's access to the state that requests share.
type Counter interface {
	Add() error            // counts one
	Value() (int64, error) // of all workers that share it
}

// A Response is filled in by a Handler. Status and ContentType start as 200 and "text/plain".
type Response struct {
	Status      int
	ContentType string
	Body        []byte // may alias the request's Body, unless there is a Delay
	Close       bool   // the connection ends with this answer

	Delay Delay // what has to happen before the answer is sent
}

// A Delay is time that has to pass before an answer is sent. A handler does not let it pass itself, because each model
// waits in its own way.
type Delay struct {
	Kind DelayKind
	Time time.Duration
}

// A DelayKind is what the time of a Delay is spent with.
type DelayKind uint8

const (
	// NoDelay: the answer is ready.
	NoDelay DelayKind = iota
	// Wait is for something elsewhere that tells when it is ready, like an answer from another server. A model waits for it
	// as it waits for everything: with a timer of its loop, a parked goroutine, a blocked thread.
	Wait
	// Block is a system call that blocks and knows no other way, like a read from a disk or a call into a C library. It
	// takes the thread that makes it out of service, whichever that is: see BlockThread.
	Block
)

// A Handler answers one request. It must not block, but ask for a Delay: on an event loop everybody else would wait for it.
// It is called by many threads at once.
type Handler func(*Request, *Response)

// A workload is one thing a request can ask for: one file of this package, one line in workloads.
type workload struct {
	path   string
	method string // GET allows HEAD too
	serve  Handler
}

var workloads = [...]workload{plaintext, echo, healthz, wait, block, cpu, count, value}

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
