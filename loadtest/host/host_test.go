package host

import (
	"net"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/result"
)

// The fixture has a group of three processes, 100 with two threads, 101 with
// one and 102, a zombie, and a process of another group.
var fixture = Tree{Root: "testdata/proc", PGID: 100}

func TestTreeOfFixture(t *testing.T) {
	pids, err := fixture.PIDs()
	if err != nil || !reflect.DeepEqual(pids, []int{100, 101}) {
		t.Errorf("pids %v, err %v; the zombie and the other group must be left out", pids, err)
	}
	// User: 150+30+7 ticks; system: 250+20+3. A zombie's time counts once its
	// parent has waited for it.
	before := time.Now()
	if cpu, err := fixture.CPU(); err != nil || cpu.User != 1.87 || cpu.Sys != 2.73 || cpu.At.Before(before) || cpu.At.After(time.Now()) {
		t.Errorf("cpu %+v, err %v", cpu, err)
	}
	want := result.Usage{PSSBytes: 1500 << 10, KernelStackBytes: 3 * 16384, Threads: 3, Processes: 2, FDs: 6, PageTableBytes: 1044 << 10, SharedBytes: 2000 << 10}
	if u, err := fixture.Usage(); err != nil || u != want {
		t.Errorf("usage %+v, err %v, want %+v", u, err, want)
	}
	if n, err := fixture.CtxSwitches(); err != nil || n != 363 {
		t.Errorf("context switches %d, err %v, want 363", n, err)
	}
	owners, err := fixture.SocketOwners()
	if want := map[uint32]int{11: 100, 12: 101, 13: 101, 14: 101}; err != nil || !reflect.DeepEqual(owners, want) {
		t.Errorf("owners %v, err %v, want %v", owners, err, want)
	}
	s := Sockets{Listening: []uint32{11}, Established: []uint32{12, 13, 14, 11, 99}}
	per, unowned := s.ConnsPerProcess(owners)
	if !reflect.DeepEqual(per, []int{3, 1}) || unowned != 1 {
		t.Errorf("per process %v, unowned %d", per, unowned)
	}
}

// The CPU time that a tree reports for a process that has become idle is the time that the
// kernel reports when the process has ended.
func TestCPUOfTheLiving(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no CPU time of others on " + runtime.GOOS)
	}
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; kill -STOP $$")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	_, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	if err != nil || !status.Stopped() {
		t.Fatalf("it did not stop: %v, %v", status, err)
	}
	cpu, err := Tree{PGID: cmd.Process.Pid}.CPU()
	if err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	// Being killed takes some CPU time as well.
	whole := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if read := cpu.User + cpu.Sys; read <= 0 || read > whole.Seconds() || whole.Seconds()-read > 0.01 {
		t.Errorf("%v s were read, it used %v", read, whole)
	}
}

func TestCapacityOfFixture(t *testing.T) {
	c := ReadCapacity("testdata/proc")
	if c.PIDMax != 32768 || c.ThreadsMax != 192730 || c.Tasks != 217 || c.PortLow != 32768 || c.PortHigh != 60999 ||
		c.SomaxConn != 4096 || c.SynBacklog != 2048 || c.MemAvailable != 22000000<<10 {
		t.Errorf("%+v", c)
	}
	h := Describe("testdata/proc")
	if h.Kernel != "6.18.1" || h.Sysctls["net.ipv4.ip_local_port_range"] != "32768 60999" || h.MemBytes != 24000000<<10 || h.Load1 != 0.5 {
		t.Errorf("%+v", h)
	}
}

func TestBounds(t *testing.T) {
	c := Capacity{NoFile: 20000, FileMax: 1e6, MemAvailable: 16 << 30, PortLow: 32768, PortHigh: 60999, PIDMax: 32768, ThreadsMax: 190000, NProc: -1, CgroupPIDs: -1, Tasks: 200}
	if b := c.PerProcess(); b.What != "descriptors" || b.Clients != 19744 {
		t.Errorf("%+v; descriptors are what a process runs out of", b)
	}
	if b := c.Server(1); b != c.PerProcess() {
		t.Errorf("%+v; a server of one process is a process", b)
	}
	if b := c.Server(2); b.Clients != 37513 || !strings.Contains(b.Why, "in each of 2 processes") {
		t.Errorf("%+v; two processes have 39488, of which 95 %% can be used", b)
	}
	for _, tt := range []struct {
		what    string
		clients int64
		change  func()
	}{
		{"open files", 500_000, func() {}},
		{"memory", 131_072, func() { c.MemAvailable = 1 << 30 }},
		{"ports", 10_000, func() { c.PortHigh = c.PortLow + 9999 }},
	} {
		tt.change()
		if b := c.MaxClients(); b.What != tt.what || b.Clients != tt.clients {
			t.Errorf("%+v; %s are what runs out first, at %d", b, tt.what, tt.clients)
		}
	}
	none := Capacity{NoFile: -1, FileMax: -1, MemAvailable: -1}
	if b := none.MaxClients(); b.What != "nothing" || none.Server(5) != b {
		t.Errorf("%+v, of a server %+v", b, none.Server(5))
	}
	if b := c.MaxThreads(); b.Clients != 32568 || !strings.Contains(b.Why, "kernel.pid_max") {
		t.Errorf("%+v", b)
	}
	c.CgroupPIDs = 1000
	if b := c.MaxThreads(); b.Clients != 800 || !strings.Contains(b.Why, "pids.max") {
		t.Errorf("%+v", b)
	}
}

func TestSocketObjects(t *testing.T) {
	s := Sockets{Listening: []uint32{1}, Established: []uint32{2, 3}, IPv6: 1, QueuedBytes: 10_000}
	// The fixture has no caches of inodes or names, so the usual sizes are used.
	if n, want := ReadSocketObjects("testdata/proc").Bytes(s), int64(2*2400+2500+3*(832+256+192)+10_000); n != want {
		t.Errorf("%d bytes, want %d", n, want)
	}
	if n, want := ReadSocketObjects("testdata/none").Bytes(s), int64(2*2368+2496+3*(832+192+192)+10_000); n != want {
		t.Errorf("%d bytes where nothing is told, want %d", n, want)
	}
	if n := (SocketObjects{}).Bytes(Sockets{}); n != 0 {
		t.Errorf("%d bytes of no socket", n)
	}
}

func TestParsers(t *testing.T) {
	for status, want := range map[string]int64{"Name:\tx\nVmPTE:\t      52 kB\n": 52 << 10, "Name:\tx\n": 0} {
		if n, err := parsePageTables([]byte(status)); n != want || err != nil {
			t.Errorf("%q: %d, err %v, want %d", status, n, err, want)
		}
	}
	for _, bad := range []string{"x\nVmPTE:\tmany kB\n", "x\nVmPTE:\t-1 kB", "x\nVmPTE:\n"} {
		if _, err := parsePageTables([]byte(bad)); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
	if _, err := parseCtxSwitches([]byte("Name:\tx\n")); err == nil {
		t.Error("a status without the counters is no error")
	}
	if _, err := parseCtxSwitches([]byte("x\nvoluntary_ctxt_switches:\tmany\nnonvoluntary_ctxt_switches:\t1\n")); err == nil {
		t.Error("a word for a number is no error")
	}
	for link, want := range map[string]uint32{"socket:[4026531992]": 4026531992, "pipe:[5]": 0, "socket:[x]": 0, "/dev/null": 0} {
		if got, ok := parseSocketLink(link); ok != (want != 0) || ok && got != want {
			t.Errorf("%s: %d %v", link, got, ok)
		}
	}
	if lo, hi := parsePortRange(""); lo != 0 || hi != 0 {
		t.Errorf("no range: %d %d", lo, hi)
	}
	if n := parseTasks("garbage"); n != 0 {
		t.Errorf("tasks %d", n)
	}
}

func needsLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("/proc, sock_diag and sched_setaffinity are Linux's; this is GOOS=" + runtime.GOOS)
	}
}

// This test reads this process's own sockets, and a real group.
func TestThisHost(t *testing.T) {
	needsLinux(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var ends []net.Conn
	for range 3 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ends = append(ends, s)
	}
	s, err := SocketsOn(ln.Addr().(*net.TCPAddr).Port)
	if err != nil || len(s.Listening) != 1 || len(s.Established) != len(ends) {
		t.Fatalf("sockets %+v, err %v", s, err)
	}
	if n, err := ConnectionsTo(ln.Addr().(*net.TCPAddr).AddrPort()); err != nil || n != len(ends) {
		t.Errorf("%d connections to the listener, err %v", n, err)
	}
	self := Tree{PGID: syscall.Getpgrp()}
	owners, err := self.SocketOwners()
	if err != nil {
		t.Fatal(err)
	}
	per, unowned := s.ConnsPerProcess(owners)
	if !reflect.DeepEqual(per, []int{3}) || unowned != 0 || owners[s.Listening[0]] != os.Getpid() {
		t.Errorf("per process %v, unowned %d, listener of pid %d", per, unowned, owners[s.Listening[0]])
	}

	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tree := Tree{PGID: cmd.Process.Pid}
	if u, err := tree.Usage(); err != nil || u.Processes != 1 || u.Threads != 1 || u.PSSBytes <= 0 {
		t.Errorf("usage %+v, err %v", u, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if pids, err := tree.PIDs(); err != nil || len(pids) != 0 {
		t.Errorf("pids %v, err %v after the end", pids, err)
	}
}

func FuzzCtxSwitches(f *testing.F) {
	f.Add([]byte("Name:\tx\nvoluntary_ctxt_switches:\t10\nnonvoluntary_ctxt_switches:\t1\n"))
	f.Fuzz(func(t *testing.T, status []byte) {
		if n, err := parseCtxSwitches(status); err != nil && n != 0 {
			t.Errorf("%d and %v", n, err)
		}
	})
}
