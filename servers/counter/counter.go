// Package counter is state that requests share, kept in the ways in which programs share state: between the threads of a
// process (none, mutex, atomic, owner, local), and between processes (flock, shm, pipe). All count increments; what
// differs is whether none is lost, and the price.
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
	// Processes says that all processes of a server have the same count. Otherwise each has its own.
	Processes bool
	// Exact says that no increment is lost, however many workers there are.
	Exact bool

	// open is given the directory of the server's processes, if Processes, and whether this is the first of them.
	open func(dir string, first bool) (kept, error)
}

// kept is a Counter and what has to be closed when nobody counts any more.
type kept interface {
	servers.Counter
	close()
}

// Methods lists all ways.
var Methods = []Method{
	{Name: "none", Doc: "a load and a store, with nothing in between that keeps others off: increments get lost",
		open: func(string, bool) (kept, error) { return &none{apart: runtime.Gosched}, nil }},
	{Name: "mutex", Doc: "a number behind a lock", Exact: true,
		open: func(string, bool) (kept, error) { return new(locked), nil }},
	{Name: "atomic", Doc: "an atomic add of the processor", Exact: true,
		open: func(string, bool) (kept, error) { return new(atomically), nil }},
	{Name: "owner", Doc: "a goroutine that owns the number, and a channel with messages to it", Exact: true,
		open: func(string, bool) (kept, error) { return newOwner(), nil }},
	{Name: "local", Doc: "a number for each worker, added up by who asks", Exact: true,
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

// dirEnv tells worker processes where the first process of their server keeps the counter.
const dirEnv = "TIERBENCH_COUNTER_DIR"

// Open returns a counter of method k. For a method that is shared by processes, the first process makes a directory in parent
// (if that is empty, where the system keeps temporary files), and the processes it starts find it in their environment:
// they call Open too. release ends the counter of this process; in the first one it removes the directory.
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
