// Package counter is state that requests share. It is kept in the ways in which programs share
// state: between the threads of a process (none, mutex, atomic, owner, local), and between
// processes (flock, shm, pipe). All count increments. They differ in their cost, and in whether
// increments are lost.
package counter

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/tierbench/tierbench/servers"
)

// A Method is one way of sharing.
type Method struct {
	Name string
	Doc  string
	// Processes: all processes of a server share the count. Otherwise each has its own.
	Processes bool
	// Exact: no increment is ever lost.
	Exact bool

	// open is called with the directory of the counter, if Processes, and with whether this is the
	// first process.
	open func(dir string, first bool) (kept, error)
}

// kept is a Counter that must be closed in the end.
type kept interface {
	servers.Counter
	close()
}

// Methods lists all methods.
var Methods = []Method{
	{Name: "none", Doc: "a load and a store without a lock: increments are lost",
		open: func(string, bool) (kept, error) { return &none{apart: runtime.Gosched}, nil }},
	{Name: "mutex", Doc: "a number under a lock", Exact: true,
		open: func(string, bool) (kept, error) { return new(locked), nil }},
	{Name: "atomic", Doc: "an atomic add of the processor", Exact: true,
		open: func(string, bool) (kept, error) { return new(atomically), nil }},
	{Name: "owner", Doc: "a goroutine that owns the number, and a channel with messages to it", Exact: true,
		open: func(string, bool) (kept, error) { return newOwner(), nil }},
	{Name: "local", Doc: "a number for each thread, goroutine or loop; reading adds them up", Exact: true,
		open: func(string, bool) (kept, error) { return new(local), nil }},
	{Name: "flock", Doc: "a file that is read and written under flock(2)", Processes: true, Exact: true, open: openFlock},
	{Name: "shm", Doc: "memory that processes share (mmap), and an atomic add", Processes: true, Exact: true, open: openShm},
	{Name: "pipe", Doc: "a pipe with messages to the first process, which owns the number", Processes: true, Exact: true, open: openPipe},
}

// Names lists the names of Methods.
func Names() []string {
	var names []string
	for _, m := range Methods {
		names = append(names, m.Name)
	}
	return names
}

// Find returns the Method called name.
func Find(name string) (Method, error) {
	for _, m := range Methods {
		if m.Name == name {
			return m, nil
		}
	}
	return Method{}, fmt.Errorf("counter %s: must be one of %s", name, strings.Join(Names(), ", "))
}

// dirEnv is the environment variable with the directory of the counter, for worker processes.
const dirEnv = "TIERBENCH_COUNTER_DIR"

// Open returns a counter. If processes share it, the first process makes a directory in parent (or,
// if that is empty, where the system keeps temporary files). The processes that it starts find the
// directory in their environment, and call Open too. release ends the counter in this process; in
// the first one it removes the directory.
func (m Method) Open(parent string) (c servers.Counter, release func(), err error) {
	if !m.Processes {
		kept, err := m.open("", true)
		if err != nil {
			return nil, nil, err
		}
		return kept, kept.close, nil
	}
	dir, first := os.Getenv(dirEnv), false
	if dir == "" {
		first = true
		if dir, err = os.MkdirTemp(parent, "tierbench-counter-"); err != nil {
			return nil, nil, fmt.Errorf("make a directory for counter %s: %w", m.Name, err)
		}
	}
	kept, err := m.open(dir, first)
	if err == nil && first {
		err = os.Setenv(dirEnv, dir)
	}
	if err != nil {
		if first {
			_ = os.RemoveAll(dir)
		}
		return nil, nil, fmt.Errorf("open counter %s: %w", m.Name, err)
	}
	return kept, func() {
		kept.close()
		if first {
			_ = os.Unsetenv(dirEnv)
			_ = os.RemoveAll(dir)
		}
	}, nil
}
