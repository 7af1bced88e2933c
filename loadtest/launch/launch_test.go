//go:build linux

package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/host"
)

// The servers of these tests are this binary. Its first argument names the role that it
// plays.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "role" {
		role(os.Args[2], os.Args[3:])
		return
	}
	os.Exit(m.Run())
}

func role(name string, args []string) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	switch name {
	case "http":
		go func() {
			_ = http.ListenAndServe(args[0], http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		}()
	case "echo", "deaf", "bad-exit", "with-child", "orphaning":
		go echo(args[0])
	case "not-found":
		go func() { _ = http.ListenAndServe(args[0], http.NotFoundHandler()) }()
	case "dies":
		fmt.Fprintln(os.Stderr, "cannot open the database")
		os.Exit(3)
	case "silent": // never listens
	case "child":
		<-term // of a group that is stopped one by one, not this
		select {}
	}
	if name == "with-child" || name == "orphaning" {
		child := exec.Command(os.Args[0], "role", "child")
		if name == "with-child" {
			child.Stderr = os.Stderr // holds the pipe of the log open
		}
		if err := child.Start(); err != nil {
			panic(err)
		}
		defer func() {
			if name == "with-child" {
				_ = child.Process.Kill()
				_ = child.Wait()
			}
		}()
	}
	<-term
	switch name {
	case "deaf":
		select {}
	case "bad-exit":
		os.Exit(4)
	}
}

func echo(addr string) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		panic(err)
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() { _, _ = io.Copy(c, c); c.Close() }()
	}
}

func spec(role, protocol string) Spec {
	return Spec{Argv: []string{os.Args[0], "role", role, "{addr}"}, Protocol: protocol}
}

func TestStartAndStop(t *testing.T) {
	for _, tt := range []struct{ role, protocol string }{{"http", "http"}, {"echo", "echo"}, {"with-child", "echo"}} {
		t.Run(tt.role, func(t *testing.T) {
			s, err := Start(t.Context(), spec(tt.role, tt.protocol))
			if err != nil {
				t.Fatal(err)
			}
			if err := Probe(s.Addr, tt.protocol); err != nil {
				t.Errorf("a server that is ready does not answer: %v", err)
			}
			if low := host.ReadCapacity("/proc").PortLow; s.Port >= low && low > 2048 {
				t.Errorf("port %d is one that clients get (from %d)", s.Port, low)
			}
			pids, err := s.Tree().PIDs()
			if err != nil || !slices.Contains(pids, s.Tree().PGID) || slices.Contains(pids, os.Getpid()) {
				t.Errorf("group %d has %v, err %v", s.Tree().PGID, pids, err)
			}
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
			gone(t, s)
		})
	}
}

func gone(t *testing.T, s *Server) {
	t.Helper()
	if pids, err := s.Tree().PIDs(); err != nil || len(pids) != 0 {
		t.Errorf("left of the group: %v, err %v", pids, err)
	}
	select {
	case <-s.Exited():
	default:
		t.Error("Exited is not closed")
	}
}

func TestStopNamesWhatBreaksTheContract(t *testing.T) {
	for _, tt := range []struct{ role, want string }{
		{"bad-exit", "exit status 4"},
		{"orphaning", "left 1 processes behind"},
		{"deaf", "did not end within 5s of SIGTERM"},
	} {
		t.Run(tt.role, func(t *testing.T) {
			t.Parallel()
			s, err := Start(t.Context(), spec(tt.role, "echo"))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Stop(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err %v, want %q", err, tt.want)
			}
			gone(t, s)
		})
	}
}

func TestStartSaysWhyNot(t *testing.T) {
	for _, tt := range []struct {
		reason, role, protocol string
		want                   []string
	}{
		{"it ends at once: what it printed is shown", "dies", "http", []string{"exit status 3", "cannot open the database"}},
		{"it never listens", "silent", "http", []string{"not ready after", "connection refused"}},
		{"it answers with another status", "not-found", "http", []string{"status 404, want 200"}},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			sp := spec(tt.role, tt.protocol)
			sp.ReadyTimeout = time.Second
			if tt.role == "dies" {
				sp.ReadyTimeout = time.Minute // it must not be waited for
			}
			s, err := Start(t.Context(), sp)
			if err == nil {
				t.Fatalf("started %v", s)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("err %v\nwant %q in it", err, w)
				}
			}
		})
	}
	if _, err := Start(t.Context(), Spec{Argv: []string{"/no/such/program"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err %v", err)
	}
	if _, err := Start(t.Context(), Spec{}); err == nil {
		t.Error("started nothing")
	}
}

// A server that could not bind is not ready, even if another process answers on its port.
func TestAnotherServerOnThePortIsNotTakenForOurs(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	s := &Server{Addr: ln.Addr().String(), Port: ln.Addr().(*net.TCPAddr).Port}
	if s.Group, err = StartGroup([]string{os.Args[0], "role", "silent", s.Addr}, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	err = s.ready(t.Context(), Spec{Protocol: "echo", ReadyTimeout: time.Second})
	if err == nil || !strings.Contains(err.Error(), "outside the server's group") {
		t.Errorf("err %v", err)
	}
	if err := s.Kill(); err != nil {
		t.Error(err)
	}
	gone(t, s)
}

func TestAnEndedContextLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, spec("silent", "http")); !errors.Is(err, context.Canceled) {
		t.Errorf("err %v", err)
	}
}

// The kernel kills the server of a harness that was killed.
func TestAServerDoesNotOutliveItsHarness(t *testing.T) {
	if os.Getenv("LAUNCH_HARNESS") != "" {
		s, err := Start(t.Context(), spec("echo", "echo"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("pgid %d\n", s.Tree().PGID)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "LAUNCH_HARNESS=1")
	cmd.WaitDelay = time.Second
	out, _ := cmd.Output() // it kills itself
	var pgid int
	if _, err := fmt.Sscanf(string(out), "pgid %d", &pgid); err != nil {
		t.Fatalf("the harness printed %q", out)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		pids, err := host.Tree{PGID: pgid}.PIDs()
		if err != nil {
			t.Fatal(err)
		}
		if len(pids) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v are still there", pids)
		}
	}
}

func TestFill(t *testing.T) {
	got := Fill([]string{"s", "--addr={addr}", "{host}", "{port}", "{protocol}x{cpus}"}, Spec{Host: "127.0.0.1", Protocol: "echo", CPUs: host.CPUSet{0, 3}}, 81)
	if want := []string{"s", "--addr=127.0.0.1:81", "127.0.0.1", "81", "echox2"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := Fill([]string{"{cpus}"}, Spec{CPUs: host.CPUSet{0, 3}, Cores: 1}, 81); got[0] != "1" {
		t.Errorf("with a quota of one core, {cpus} is %q", got)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var l tail
	for i := range 2000 {
		fmt.Fprintln(&l, i)
	}
	if s := l.String(); len(s) > tailBytes || !strings.HasSuffix(s, "1999") {
		t.Errorf("%d bytes, ends in %q", len(s), s[len(s)-10:])
	}
}

func TestFreePortIsFree(t *testing.T) {
	for range 20 {
		port, err := freePort("127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
	}
}
