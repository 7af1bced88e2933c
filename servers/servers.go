// Package servers holds the contract between cmd/server and the models: what a model is, and what it is told.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/rs/zerolog"
)

// A Model is one way of mapping connections onto CPUs.
type Model struct {
	Name string // key in configs, results and legends; never renamed
	Doc  string // one sentence, shown by --list and in the report

	// ClosesEach says that the model serves one connection at a time: it answers one request and closes, so that the next
	// waiting connection gets its turn. Its clients connect for each request.
	ClosesEach bool
	// Offloads says that Config.Offload means something here: its connections share threads that a blocking call would stall.
	Offloads bool
	// Processes is how many processes share its connections, or PerCore; 0 is several, or as many as there are
	// connections. It bounds how many of them a machine can hold, each process having its own descriptors.
	Processes int

	// Serve answers cfg.Protocol on cfg.Addr until ctx is done, then drains and returns nil.
	// It binds the address itself: prefork and gnet allow nothing else. It may be called once in a process,
	// because a model may set what belongs to the whole process (GOMAXPROCS, the thread limit).
	Serve func(ctx context.Context, cfg Config) error
}

// PerCore is as many processes as there are cores, unless Config.Workers says otherwise.
const PerCore = -1

// The protocols every model speaks.
const (
	HTTP = "http" // HTTP/1.1 and 1.0
	Echo = "echo" // raw TCP: the bytes come back
)

// Protocols lists the values Config.Protocol may have.
var Protocols = []string{HTTP, Echo}

// Limits bound what one peer can make a server hold. Zero means the default.
type Limits struct {
	HeaderBytes int // request line and header fields of one request; one more is answered 431
	BodyBytes   int // body of one request, decoded; one more is answered 413
}

// Config is what a model is told. Zero values mean the defaults, except for Protocol and Addr.
type Config struct {
	Protocol string
	Addr     string // host:port; port 0 is refused, because several processes have to find the same port
	Limits   Limits

	IdleTimeout  time.Duration // between two requests
	ReadTimeout  time.Duration // of one request, from its first byte to its last, however it drips
	WriteTimeout time.Duration // without the peer taking a byte of its answer
	DrainTimeout time.Duration // from the end of ctx to the end of Serve

	MaxConns int // open connections in one process; 0: as many as the process's limits allow
	Workers  int // worker processes, where the model has them; 0: one per core

	// Spawn says where a model with a process per connection gets one: SpawnReuse (also if empty) or SpawnFresh.
	Spawn string
	// GIL is the switch interval of an emulated interpreter lock (package gil), one for each process. 0: there is none.
	GIL time.Duration
	// Faults opens the routes below /fault/ (package faults), each of which harms the process.
	Faults bool
	// CloseEach ends each connection with its first answer. A model that serves one connection at a time sets it itself.
	CloseEach bool

	// Offload is how many threads make the blocking calls of event loops, in each process; 0: the loops themselves do.
	Offload int

	// CounterName is how Counter was found, so that a worker process can open the same.
	CounterName string
	// Counter is the state that requests share; nil: there is none, and /counter is not found.
	Counter Counter `json:"-"`

	// SharePort lets several processes listen on Addr (SO_REUSEPORT). Otherwise an address that anybody listens on is refused.
	// A master sets it for its workers.
	SharePort bool
	// Listener is a listening socket that a master has opened on Addr and shares with its workers. If nil, Serve opens its own.
	Listener *os.File `json:"-"`
	Ready    func()   `json:"-"` // called by Serve when it listens, if not nil

	Log zerolog.Logger `json:"-"`
}

// The values Config.Spawn may have.
const (
	SpawnReuse = "reuse" // one that another connection has left, if there is one
	SpawnFresh = "fresh" // always a new one, which ends with the connection
)

// A Counter is state that all requests share, kept in one of several ways: see package counter.
type Counter interface {
	// Cell is one worker's access: of an event loop, or of the thread or goroutine of a connection. What is counted with any
	// of them counts for all.
	Cell() Cell
	// Divided reports that each worker must have a Cell of its own. Otherwise all may use the same.
	Divided() bool
}

// A Cell is a worker's access to a Counter.
type Cell interface {
	Add() error            // counts one
	Value() (int64, error) // of the whole Counter
	Release()              // ends the access, not what was counted
}

// Defaults. MaxDrain leaves a server a second of the five that the contract gives it to stop.
const (
	DefaultHeaderBytes  = 16 << 10
	DefaultBodyBytes    = 4 << 20
	DefaultIdleTimeout  = 30 * time.Second
	DefaultReadTimeout  = 10 * time.Second
	DefaultWriteTimeout = 30 * time.Second
	MaxDrain            = 4 * time.Second
)

// How every model takes its leave. They are no settings: a comparison of models must not turn on them.
const (
	// DrainGrace is how long a connection without a request in flight stays open after the end of ctx,
	// so that a request already on its way is still answered.
	DrainGrace = 300 * time.Millisecond
	// LingerTimeout is how long a connection is read and discarded after its last answer. Closing a socket with
	// unread bytes resets it, and a reset can overtake the answer.
	LingerTimeout = 2 * time.Second
	// CutTimeout is how long after the end of the drain timeout a model waits for the connections that it has cut off. It
	// does not wait longer for those that a system call blocks: the end of the process ends them.
	CutTimeout = 200 * time.Millisecond
)

// WithDefaults returns c with every zero value that has a default replaced by it.
func (c Config) WithDefaults() Config {
	orInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	orDur := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	orInt(&c.Limits.HeaderBytes, DefaultHeaderBytes)
	orInt(&c.Limits.BodyBytes, DefaultBodyBytes)
	orDur(&c.IdleTimeout, DefaultIdleTimeout)
	orDur(&c.ReadTimeout, DefaultReadTimeout)
	orDur(&c.WriteTimeout, DefaultWriteTimeout)
	orDur(&c.DrainTimeout, MaxDrain)
	return c
}

// Listening is called by a model when clients can connect to it.
func (c Config) Listening(maxConns int) {
	c.Log.Info().Str("addr", c.Addr).Int("max_conns", maxConns).Msg("listening")
	if c.Ready != nil {
		c.Ready()
	}
}

// A FieldError is one thing that is wrong with a Config. Fields are called like the flags of cmd/server.
type FieldError struct {
	Field, Value, Want string
}

func (e *FieldError) Error() string { return e.Field + " " + e.Value + ": must be " + e.Want }

// Check reports everything that is wrong with c, as one FieldError for each.
func (c Config) Check() error {
	var errs []error
	bad := func(field string, value any, format string, args ...any) {
		errs = append(errs, &FieldError{field, fmt.Sprint(value), fmt.Sprintf(format, args...)})
	}

	if c.Protocol != HTTP && c.Protocol != Echo {
		bad("protocol", c.Protocol, "%s or %s", HTTP, Echo)
	}
	if !validAddr(c.Addr) {
		bad("addr", c.Addr, "host:port with a port of 1 to 65535")
	}
	if c.Spawn != "" && c.Spawn != SpawnReuse && c.Spawn != SpawnFresh {
		bad("spawn", c.Spawn, "%s or %s", SpawnReuse, SpawnFresh)
	}
	if c.GIL != 0 && (c.GIL < minGIL || c.GIL > maxGIL) {
		bad("gil", c.GIL, "%v to %v, or 0 for no lock", minGIL, maxGIL)
	}
	for _, l := range []struct {
		field           string
		value, min, max int
	}{
		{"max-header", c.Limits.HeaderBytes, 64, maxHeaderBytes},
		{"max-body", c.Limits.BodyBytes, 1, maxBodyBytes},
		{"max-conns", c.MaxConns, 1, 0},
		{"workers", c.Workers, 1, maxWorkers},
		{"offload-threads", c.Offload, 1, maxOffload},
	} {
		switch {
		case l.value != 0 && l.value < l.min:
			bad(l.field, l.value, "at least %d, or 0 for the default", l.min)
		case l.max != 0 && l.value > l.max:
			bad(l.field, l.value, "at most %d", l.max)
		}
	}
	for _, d := range []struct {
		field      string
		value, max time.Duration
	}{
		{"idle-timeout", c.IdleTimeout, maxTimeout},
		{"read-timeout", c.ReadTimeout, maxTimeout},
		{"write-timeout", c.WriteTimeout, maxTimeout},
		{"drain-timeout", c.DrainTimeout, MaxDrain},
	} {
		if d.value != 0 && (d.value < minTimeout || d.value > d.max) {
			bad(d.field, d.value, "%v to %v, or 0 for the default", minTimeout, d.max)
		}
	}
	return errors.Join(errs...)
}

const (
	maxHeaderBytes = 1 << 20 // a buffer of that size is made for each long header block that is parsed at a time
	maxBodyBytes   = 1 << 30 // far from where the sum of sizes overflows, on 32 bits too
	maxWorkers     = 1000    // more processes are no server, and might be more than the machine has room for
	maxOffload     = 8000    // below the 10,000 threads at which Go's runtime gives up

	minTimeout = 10 * time.Millisecond // the coarsest clock that a model counts with
	maxTimeout = 24 * time.Hour

	minGIL = 500 * time.Microsecond // less is near to what waking a thread takes
	maxGIL = 50 * time.Millisecond
)

func validAddr(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && 1 <= n && n <= 65535
}
