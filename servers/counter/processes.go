package counter

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tierbench/tierbench/servers"
)

// openNew opens the file name in dir. The first process makes it.
func openNew(dir, name string, first bool) (*os.File, error) {
	flags := os.O_RDWR
	if first {
		flags |= os.O_CREATE | os.O_EXCL
	}
	return os.OpenFile(filepath.Join(dir, name), flags, 0o600)
}

// flock is a decimal number in a file, as in a script, under flock(2). That lock belongs to the
// open file, which the threads of a process share, so the threads need another lock.
type flock struct {
	shared
	mu   sync.Mutex
	file *os.File
	buf  [20]byte
}

func openFlock(dir string, first bool) (kept, error) {
	f, err := openNew(dir, "count", first)
	if err != nil {
		return nil, err
	}
	return &flock{file: f}, nil
}

func (c *flock) Cell() servers.Cell { return c }

func (c *flock) Add() error {
	_, err := c.update(1)
	return err
}

func (c *flock) Value() (int64, error) { return c.update(0) }

// update adds d and returns the sum.
func (c *flock) update(d int64) (n int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fd := int(c.file.Fd())
	if err := lockFile(fd, unix.LOCK_EX); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lockFile(fd, unix.LOCK_UN)) }()

	read, err := c.file.ReadAt(c.buf[:], 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	if read > 0 {
		if n, err = strconv.ParseInt(string(c.buf[:read]), 10, 64); err != nil {
			return 0, fmt.Errorf("read the count: %w", err)
		}
	}
	if d == 0 {
		return n, nil
	}
	// The number only grows, so the new text is never shorter than the old one.
	n += d
	_, err = c.file.WriteAt(strconv.AppendInt(c.buf[:0], n, 10), 0)
	return n, err
}

func lockFile(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); err != unix.EINTR {
			return os.NewSyscallError("flock", err)
		}
	}
}

func (c *flock) close() { _ = c.file.Close() }

// shm is a number in memory that all processes map.
type shm struct {
	shared
	page []byte
	n    *atomic.Int64 // in page
}

func openShm(dir string, first bool) (kept, error) {
	f, err := openNew(dir, "memory", first)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // the mapping stays
	size := os.Getpagesize()
	if first {
		if err := f.Truncate(int64(size)); err != nil {
			return nil, err
		}
	}
	page, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return &shm{page: page, n: (*atomic.Int64)(unsafe.Pointer(unsafe.SliceData(page)))}, nil
}

func (c *shm) Cell() servers.Cell    { return c }
func (c *shm) Add() error            { c.n.Add(1); return nil }
func (c *shm) Value() (int64, error) { return c.n.Load(), nil }

// close does not unmap the memory: a connection that still counts would crash the process.
func (c *shm) close() {}

// pipe sends messages of eight bytes through a named pipe to the first process, which owns the
// number. The kernel does not mix messages that are this short. The message 0 adds one. Any other
// number asks for the count, and the answer comes through the named pipe of that number. As with
// owner, the answer includes all messages that were sent before.
type pipe struct {
	shared
	dir     string
	send    *os.File
	receive *os.File // in the first process

	mu     sync.Mutex // one question at a time
	id     uint64
	answer *os.File
}

const (
	messages = "messages"

	answerTimeout = 5 * time.Second // after this the owner is considered dead
)

func answers(id uint64) string { return "answers-" + strconv.FormatUint(id, 10) }

func openPipe(dir string, first bool) (kept, error) {
	c := &pipe{dir: dir, id: uint64(os.Getpid())}
	path := filepath.Join(dir, messages)
	var err error
	if first {
		// Opened for reading and writing, so that it does not end when no worker has it open.
		if c.receive, err = makePipe(path); err != nil {
			return nil, err
		}
		go c.own()
	}
	// Non-blocking: if the owner has died, opening it would never return.
	if c.send, err = os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func makePipe(path string) (*os.File, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	return os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
}

// own counts until receive is closed.
func (c *pipe) own() {
	in := bufio.NewReaderSize(c.receive, 64<<10)
	var n uint64
	var b [8]byte
	for {
		if _, err := io.ReadFull(in, b[:]); err != nil {
			return
		}
		id := binary.NativeEndian.Uint64(b[:])
		if id == 0 {
			n++
			continue
		}
		// Non-blocking: the process that asked may have died.
		if f, err := os.OpenFile(filepath.Join(c.dir, answers(id)), os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
			binary.NativeEndian.PutUint64(b[:], n)
			_, _ = f.Write(b[:])
			_ = f.Close()
		}
	}
}

func (c *pipe) Cell() servers.Cell { return c }

func (c *pipe) Add() error {
	var add [8]byte
	_, err := c.send.Write(add[:])
	return err
}

func (c *pipe) Value() (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answer == nil {
		f, err := makePipe(filepath.Join(c.dir, answers(c.id)))
		if err != nil {
			return 0, err
		}
		c.answer = f
	}
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], c.id)
	if _, err := c.send.Write(b[:]); err != nil {
		return 0, err
	}
	if err := c.answer.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(c.answer, b[:]); err != nil {
		// The answer may still come, and must not be taken for the next one. So the next question
		// has another number, which no process has.
		_ = c.answer.Close()
		_ = os.Remove(filepath.Join(c.dir, answers(c.id)))
		c.answer = nil
		c.id += 1 << 32
		return 0, fmt.Errorf("ask the owner: %w", err)
	}
	return int64(binary.NativeEndian.Uint64(b[:])), nil
}

func (c *pipe) close() {
	for _, f := range []*os.File{c.send, c.receive, c.answer} {
		if f != nil {
			_ = f.Close()
		}
	}
}
