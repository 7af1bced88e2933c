// Package fault injects one fault into a server within a measured window, and
// says what its clients saw of it. It knows a server only as a Target.
package fault

import (
	"net/netip"
	"syscall"
)

// A Target is the server that a fault is injected into, process by process. Its
// methods are called from one goroutine at a time.
type Target interface {
	Addr() string
	// PIDs lists its living processes, the leader first.
	PIDs() ([]int, error)
	// Workers lists the processes that have connections, the one with the most
	// first.
	Workers() ([]Worker, error)
	// WorkerOf returns the process that has the server's end of the connection
	// from peer; 0 if none has accepted it yet.
	WorkerOf(peer netip.AddrPort) (pid int, err error)
	// Signal sends a signal to one of its processes.
	Signal(pid int, s syscall.Signal) error
	// LimitMemory lets one of its processes use this many bytes more than it does.
	LimitMemory(pid int, bytes int64) error
	// Answers reports whether it answers a new connection.
	Answers() bool
}

// A Worker is a process of the target that has connections.
type Worker struct{ PID, Conns int }
