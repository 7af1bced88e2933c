// Package faults is routes that harm the process that answers them. They show how many clients a
// fault affects: a single process loses all of them. A server has these routes only if it is asked
// for them.
//
//	GET /fault/panic              a panic that nothing recovers: Go ends the process
//	GET /fault/recovered-panic    a panic that a wrapper recovers: 500, and the connection ends
//	GET /fault/fatal              a fatal error of the runtime, which nothing can recover
//	GET /fault/leak?mb=N          allocates N MiB, touches them and never frees them
//	GET /fault/descriptors?ms=N   uses up all descriptors, and closes them after N ms
package faults

import (
	"bytes"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers/app"
)

const (
	prefix = "/fault/"

	maxLeakMB       = 1 << 20
	maxDescriptorMS = 60_000
)

var done = []byte("done")

// Lookup finds the handler of method at path. If there is none, status and allow are as those of
// app.Lookup.
func Lookup(method, path []byte) (h app.Handler, status int, allow string) {
	name, ok := bytes.CutPrefix(path, []byte(prefix))
	if !ok {
		return nil, http.StatusNotFound, ""
	}
	switch string(name) {
	case "panic":
		h = func(*app.Request, *app.Response) { panic("asked to, by " + prefix + "panic") }
	case "recovered-panic":
		h = recovering(func(*app.Request, *app.Response) { panic("asked to, by " + prefix + "recovered-panic") })
	case "fatal":
		h = fatal
	case "leak":
		h = leak
	case "descriptors":
		h = descriptors
	default:
		return nil, http.StatusNotFound, ""
	}
	// No HEAD: the harm is what matters, not the answer.
	if string(method) != http.MethodGet {
		return nil, http.StatusMethodNotAllowed, http.MethodGet
	}
	return h, http.StatusOK, ""
}

// recovering is the wrapper of servers around handlers that may panic.
func recovering(h app.Handler) app.Handler {
	return func(req *app.Request, resp *app.Response) {
		defer func() {
			if recover() != nil {
				// The state that the handler has left is unknown, so the connection ends too.
				*resp = app.Response{Status: http.StatusInternalServerError, ContentType: "text/plain", Close: true}
			}
		}()
		h(req, resp)
	}
}

// fatal ends the process by an error that the runtime detects: no deferred function runs, and none
// can recover.
func fatal(*app.Request, *app.Response) {
	var mu sync.Mutex
	mu.Unlock() //nolint // the error is the point
}

// leaked is never freed.
var leaked struct {
	sync.Mutex
	blocks [][]byte
}

func leak(req *app.Request, resp *app.Response) {
	mb, ok := app.Number(req, resp, "mb", "MiB", 1, maxLeakMB)
	if !ok {
		return
	}
	page := os.Getpagesize()
	// In blocks of one MiB: if a limit stops the process on the way, it has used up what there was.
	for range mb {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += page {
			block[i] = 1
		}
		leaked.Lock()
		leaked.blocks = append(leaked.blocks, block)
		leaked.Unlock()
	}
	resp.Body = done
}

func descriptors(req *app.Request, resp *app.Response) {
	ms, ok := app.Number(req, resp, "ms", "milliseconds", 1, maxDescriptorMS)
	if !ok {
		return
	}
	first, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	var taken []int
	for fd := first; err == nil; fd, err = unix.FcntlInt(uintptr(first), unix.F_DUPFD_CLOEXEC, 0) {
		taken = append(taken, fd)
	}
	time.AfterFunc(time.Duration(ms)*time.Millisecond, func() {
		for _, fd := range taken {
			_ = unix.Close(fd)
		}
	})
	resp.Body = done
}
