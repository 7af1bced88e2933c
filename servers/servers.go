// Package servers is the contract between cmd/server and the models: what a model is, and how it is
// configured.
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

	// ClosesEach: the model serves one connection at a time. It answers one request and closes, so
	// that the next waiting connection gets its turn. Its clients connect for each request.
	ClosesEach bool
	// Offloads: Config.Offload has an effect. Connections share a thread, which a blocking call
	// would stall.
	Offloads bool
	// Processes is how many processes share the connections, or PerCore; 0 is any other number. It
	// bounds how many connections a machine can have, because each process has a limit of
	// descriptors.
	Processes int

	// Serve answers cfg.Protocol on cfg.Addr until ctx is done, then drains and returns nil. It
	// binds the address itself: prefork and gnet allow nothing else. It may be called once in a
	// process, because a model may change settings of the whole process (GOMAXPROCS, the thread
	// limit).
	Serve func(ctx context.Context, cfg Config) error
}

// PerCore is one process per core, unless Config.Workers is set.
const PerCore = -1

// The protocols, which every model speaks.
const (
	HTTP = "http" // HTTP/1.1 and 1.0
	Echo = "echo" // raw TCP: the bytes come back
)

// Protocols lists the values of Config.Protocol.
var Protocols = []string{HTTP, Echo}

// Limits bound how much memory one client can make a server use. Zero means the default.
type Limits struct {
	HeaderBytes int // request line and header fields of one request; more is answered 431
	BodyBytes   int // body of one request, decoded; more is answered 413
}

// Config configures a model. Zero values mean the defaults, except for Protocol and Addr.
type Config struct {
	Protocol string
	Addr     string // host:port; not port 0: several processes must find the same port
	Limits   Limits

	IdleTimeout  time.Duration // between two requests
	ReadTimeout  time.Duration // of one request, from its first byte to its last
	WriteTimeout time.Duration // in which the client takes no byte of its answer
	DrainTimeout time.Duration // from the end of ctx to the end of Serve

	MaxConns int // open connections in one process; 0: as many as the limits of the process allow
	Workers  int // worker processes, if the model has them; 0: one per core

	// Spawn is where a model with a process for each connection gets one: SpawnReuse (the default)
	// or SpawnFresh.
	Spawn string
	// GIL is the switch interval of an emulated interpreter lock (package gil). Each process has a
	// lock of its own. 0: no lock.
	GIL time.Duration
	// Faults opens the routes below /fault/ (package faults). Each of them harms the process.
	Faults bool
	// CloseEach ends each connection with its first answer. A model that serves one connection at a
	// time sets it itself.
	CloseEach bool

	// Offload is how many threads of each process make the blocking calls of its event loops; 0:
	// the loops make them.
	Offload int

	// CounterName is the name of Counter, by which a worker process opens the same one.
	CounterName string
	// Counter is the state that requests share; nil: none, and /counter is answered 404.
	Counter Counter `json:"-"`

	// SharePort lets several processes listen on Addr (SO_REUSEPORT). Otherwise an address on which
	// another process listens is refused. A master sets it for its workers.
	SharePort bool
	// Listener is a listening socket that a master has opened on Addr and shares with its workers.
	// If it is nil, Serve opens one.
	Listener *os.File `json:"-"`
	Ready    func()   `json:"-"` // if not nil, Serve calls it when it listens

	Log zerolog.Logger `json:"-"`
}

// The values of Config.Spawn.
const (
	SpawnReuse = "reuse" // an idle process, if there is one
	SpawnFresh = "fresh" // always a new process, which ends with the connection
)

// A Counter is state that all requests share, kept in one of several ways: see package counter.
type Counter interface {
	// Cell returns the access of one event loop, or of the thread or goroutine of one connection.
	// All cells add to the same count.
	Cell() Cell
	// Divided reports whether each loop, thread or goroutine needs a Cell of its own. Otherwise all
	// may use the same.
	Divided() bool
}

// A Cell is the access of a loop, a thread or a goroutine to a Counter.
type Cell interface {
	Add() error            // adds one
	Value() (int64, error) // of the whole Counter
	Release()              // ends the access; the count stays
}

// Defaults. A server must stop within five seconds; MaxDrain leaves one of them for the rest.
const (
	DefaultHeaderBytes  = 16 << 10
	DefaultBodyBytes    = 4 << 20
	DefaultIdleTimeout  = 30 * time.Second
	DefaultReadTimeout  = 10 * time.Second
	DefaultWriteTimeout = 30 * time.Second
	MaxDrain            = 4 * time.Second
)

// How every model closes connections. These are constants, because a comparison of models must not
// depend on them.
const (
	// DrainGrace is how long a connection without a request in flight stays open after the end of
	// ctx, so that a request that is already on its way is still answered.
	DrainGrace = 300 * time.Millisecond
	// LingerTimeout is how long a model reads and discards what arrives after the last answer.
	// Closing a socket with unread bytes resets the connection, and the reset can overtake the
	// answer.
	LingerTimeout = 2 * time.Second
	// CutTimeout is how long after the drain timeout a model waits for the connections that it has
	// cut off. A thread that is blocked in a system call may need longer: the end of the process
	// ends it.
	CutTimeout = 200 * time.Millisecond
)

// WithDefaults returns c with the default in place of each zero value that has one.
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

// Listening logs that clients can connect, and calls Ready. A model calls it.
func (c Config) Listening(maxConns int) {
	c.Log.Info().Str("addr", c.Addr).Int("max_conns", maxConns).Msg("listening")
	if c.Ready != nil {
		c.Ready()
	}
}

// A FieldError is one mistake in a Config. Fields have the names of the flags of cmd/server.
type FieldError struct {
	Field, Value, Want string
}

func (e *FieldError) Error() string { return e.Field + " " + e.Value + ": must be " + e.Want }

// Check returns all mistakes in c, joined: a FieldError for each.
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
	maxHeaderBytes = 1 << 20 // the size of a buffer for each long header block
	maxBodyBytes   = 1 << 30 // sums of sizes do not overflow, on 32 bits either
	maxWorkers     = 1000    // more might not fit into the memory of the machine
	maxOffload     = 8000    // below the 10,000 threads at which Go's runtime ends the process

	minTimeout = 10 * time.Millisecond // the coarsest clock of any model
	maxTimeout = 24 * time.Hour

	minGIL = 500 * time.Microsecond // waking a thread takes nearly as long
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
