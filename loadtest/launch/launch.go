// Package launch starts a server as a process group, waits until it answers on its own
// sockets, and stops it without leaving a process behind. The server may be written in
// any language: see the contract in the README.
package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tierbench/tierbench/loadtest/host"
)

// A Spec says what to start. The placeholders {addr}, {host}, {port}, {protocol} and
// {cpus} in Argv are replaced.
type Spec struct {
	Argv     []string
	Protocol string      // "http" or "echo", which decides how the server is probed
	Host     string      // to listen on; 127.0.0.1 if empty
	CPUs     host.CPUSet // to run on; those of this process if empty
	Cores    int         // for {cpus}: how many of them can be used at a time; all if 0
	Env      []string    // added to the environment of this process
	// Start starts the command, for example in a place that limits it; (*exec.Cmd).Start if nil.
	// It is called on a thread that outlives the command.
	Start func(*exec.Cmd) error
	// ReadyTimeout is the longest wait for the server to be ready; 15 s if 0.
	ReadyTimeout time.Duration
}

// StopTimeout is how long the contract gives a server to end after SIGTERM.
const StopTimeout = 5 * time.Second

const (
	readyTimeout = 15 * time.Second
	pollEvery    = 5 * time.Millisecond
	// settle is how long the numbers of processes and of listening sockets must stay the
	// same. The workers of a server start to listen one by one, and clients that connect
	// too early would not reach the late ones.
	settle = 100 * time.Millisecond
)

// A Server is a process group that answers.
type Server struct {
	Addr string
	Port int
	*Group
}

// Start starts the server on a free port. It returns once the server answers and every
// socket that listens on the port belongs to its group. If Start fails, no process is
// left, and the error contains the end of the server's output.
func Start(ctx context.Context, spec Spec) (*Server, error) {
	if len(spec.Argv) == 0 {
		return nil, errors.New("start server: empty command")
	}
	if spec.Host == "" {
		spec.Host = "127.0.0.1"
	}
	if spec.ReadyTimeout == 0 {
		spec.ReadyTimeout = readyTimeout
	}
	port, err := freePort(spec.Host)
	if err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	s := &Server{Addr: net.JoinHostPort(spec.Host, strconv.Itoa(port)), Port: port}
	argv := Fill(spec.Argv, spec, port)
	if s.Group, err = StartGroup(argv, spec.Env, spec.CPUs, spec.Start); err != nil {
		return nil, fmt.Errorf("start server %s: %w", argv[0], err)
	}
	if err := s.ready(ctx, spec); err != nil {
		s.Kill()
		return nil, fmt.Errorf("start server %s: %w%s", strings.Join(argv, " "), err, s.log.quote())
	}
	return s, nil
}

// Fill replaces the placeholders of an argument list.
func Fill(argv []string, spec Spec, port int) []string {
	cpus := cmp.Or(spec.Cores, len(spec.CPUs))
	if cpus == 0 {
		cpus = host.ReadCapacity("/proc").Cores
	}
	r := strings.NewReplacer(
		"{addr}", net.JoinHostPort(spec.Host, strconv.Itoa(port)),
		"{host}", spec.Host, "{port}", strconv.Itoa(port),
		"{protocol}", spec.Protocol, "{cpus}", strconv.Itoa(cpus),
	)
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = r.Replace(a)
	}
	return out
}

func (s *Server) ready(ctx context.Context, spec Spec) error {
	ctx, cancel := context.WithTimeoutCause(ctx, spec.ReadyTimeout,
		fmt.Errorf("not ready after %v", spec.ReadyTimeout))
	defer cancel()
	var last error
	var seen shape
	var since time.Time
	for {
		select {
		case <-s.done:
			return fmt.Errorf("it ended before it answered: %w", exitError(s.err))
		case <-ctx.Done():
			if last != nil {
				return fmt.Errorf("%w: %w", context.Cause(ctx), last)
			}
			return context.Cause(ctx)
		case <-time.After(pollEvery):
		}
		if last = Probe(s.Addr, spec.Protocol); last != nil {
			continue
		}
		now, err := s.shape()
		if err != nil {
			last = err
			continue
		}
		if now != seen {
			seen, since = now, time.Now()
		} else if time.Since(since) >= settle {
			return nil
		}
	}
}

// shape contains the numbers that must stay the same until a server is ready.
type shape struct{ processes, listening int }

// shape fails unless every socket that listens on the server's port belongs to its
// group. Otherwise another server on the port, left over or faster to start, would be
// measured instead.
func (s *Server) shape() (shape, error) {
	sockets, err := host.SocketsOn(s.Port)
	if err != nil {
		return shape{}, err
	}
	owners, err := s.Tree().SocketOwners()
	if err != nil {
		return shape{}, err
	}
	if len(sockets.Listening) == 0 {
		return shape{}, fmt.Errorf("no socket listens on port %d", s.Port)
	}
	for _, inode := range sockets.Listening {
		if _, ours := owners[inode]; !ours {
			return shape{}, fmt.Errorf("a process outside the server's group listens on port %d", s.Port)
		}
	}
	pids, err := s.Tree().PIDs()
	if err != nil {
		return shape{}, err
	}
	return shape{len(pids), len(sockets.Listening)}, nil
}

// Stop sends SIGTERM to the leader and waits for its end as long as the contract
// allows. Then it kills the rest of the group, so that no process is left even if
// Stop fails. The error says how the server broke the contract.
func (s *Server) Stop() error {
	var broken []string
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		broken = append(broken, err.Error())
	}
	select {
	case <-s.done:
		if err := exitError(s.err); err != nil {
			broken = append(broken, err.Error())
		}
	case <-time.After(StopTimeout):
		broken = append(broken, fmt.Sprintf("did not end within %v of SIGTERM", StopTimeout))
	}
	if pids, err := s.Tree().PIDs(); err == nil && len(pids) > 0 {
		broken = append(broken, fmt.Sprintf("left %d processes behind", len(pids)))
	}
	if err := s.Kill(); err != nil {
		broken = append(broken, err.Error())
	}
	if len(broken) > 0 {
		return fmt.Errorf("stop server: %s%s", strings.Join(broken, "; "), s.log.quote())
	}
	return nil
}
