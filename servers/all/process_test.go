package all

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/servers"
)

// These tests run every model as users run it, as a process: exit codes, signals, descriptors and
// threads are part of the contract. They wait for what they need, and never take slowness for
// an error: patience is only how long a test waits for something that does not come.
const patience = 60 * time.Second

var serverBinary string

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "conform")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	serverBinary = filepath.Join(dir, "server")
	args := []string{"build", "-o", serverBinary}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "github.com/tierbench/tierbench/cmd/server")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the server: %v\n%s", err, out)
		return 1
	}
	// The tests are parallel, and more of them than there are processors, for they wait most
	// of the time. Those that count processes, threads or memory by the thousand are not.
	if err := flag.Set("test.parallel", strconv.Itoa(waiting)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// waiting is how many tests run side by side, where the command line says nothing else.
const waiting = 16

// A process is a server in a process group of its own.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	addr string
	log  *log
	done chan struct{} // closed when the process has been waited for
	err  error         // of Wait, after done
}

// log collects the lines that a server writes to stderr.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// count returns how many lines contain s.
func (l *log) count(s string) int {
	n := 0
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, s) {
			n++
		}
	}
	return n
}

// addresses counts the loopback addresses that were given to servers.
var addresses atomic.Uint32

// freeAddr returns an address on which nothing listens now. Where all of 127.0.0.0/8 is loopback,
// each server has an address of its own, so that anything that still answers there after its end is
// a process of that server. Elsewhere another program may take the port a moment later: see start.
func freeAddr(t *testing.T) string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		n := addresses.Add(1)
		host = fmt.Sprintf("127.%d.%d.%d", 64+os.Getpid()%128, n>>8&255, n&255)
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().String()
}

// run starts a server and does not wait for it. Its end is the caller's.
func run(t *testing.T, binary, addr string, args ...string) *process {
	t.Helper()
	p := &process{t: t, addr: addr, log: new(log), done: make(chan struct{})}
	p.cmd = exec.Command(binary, append([]string{"--addr", addr}, args...)...)
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p
}

// launch starts a server that ends with the test, and does not wait for it.
func launch(t *testing.T, binary, addr string, args ...string) *process {
	t.Helper()
	p := run(t, binary, addr, args...)
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		if p.raced() {
			t.Error("the race detector has found something in the server")
		}
		if t.Failed() {
			t.Logf("log of %v:\n%s", p.cmd.Args[1:], p.log)
		}
	})
	return p
}

func (p *process) raced() bool { return strings.Contains(p.log.String(), "DATA RACE") }

// start starts model at a free address and returns when it answers.
func start(t *testing.T, model, protocol string, args ...string) *process {
	t.Helper()
	return startBinary(t, serverBinary, model, protocol, args...)
}

func startBinary(t *testing.T, binary, model, protocol string, args ...string) *process {
	t.Helper()
	begin := func(addr string, args ...string) *process { return launch(t, binary, addr, args...) }
	return startWhen(t, begin, "answer", answersTo(protocol), modelArgs(model, protocol, args...)...)
}

// answersTo reports whether a server answers.
func answersTo(protocol string) func(*process) bool {
	return func(p *process) bool { return p.answers(protocol) }
}

func modelArgs(model, protocol string, args ...string) []string {
	args = append([]string{"--model", model, "--protocol", protocol}, args...)
	if closesEach(model) && !slices.Contains(args, "--read-timeout") {
		// A client may be silent for a tenth of it in its turn, and a test may be slow.
		args = append(args, "--read-timeout", (10 * patience).String())
	}
	return args
}

// startWhen begins a server at a free address, at another one if it was taken meanwhile, and
// returns when it is ready.
func startWhen(t *testing.T, begin func(addr string, args ...string) *process, state string, ready func(*process) bool, args ...string) *process {
	t.Helper()
	for {
		p := begin(freeAddr(t), args...)
		waitFor(t, "the server to "+state, func() bool { return p.exited() || ready(p) })
		if !p.exited() {
			return p
		}
		if !strings.Contains(p.log.String(), "address already in use") {
			t.Fatalf("server %v ended: %v\n%s", args, p.err, p.log)
		}
	}
}

// shared are the servers that several tests use, by model and protocol.
var shared = struct {
	sync.Mutex
	servers map[string]*process
}{servers: map[string]*process{}}

// use returns a server of a model with its default settings, which other tests use at the same
// time. It is for tests that neither stop the server nor count what it has. The first one
// starts it, and stopShared stops it.
func use(t *testing.T, model, protocol string) *process {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	key := model + "/" + protocol
	if shared.servers[key] == nil {
		begin := func(addr string, args ...string) *process { return run(t, serverBinary, addr, args...) }
		shared.servers[key] = startWhen(t, begin, "answer", answersTo(protocol), modelArgs(model, protocol)...)
	}
	p := *shared.servers[key]
	p.t = t
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %v, which other tests use too:\n%s", p.cmd.Args[1:], p.log)
		}
	})
	return &p
}

// stopShared stops the servers that tests shared. After all that they were asked, each must
// still end well, with all that it started.
func stopShared() error {
	var errs []error
	for key, p := range shared.servers {
		_ = p.cmd.Process.Signal(terminate)
		select {
		case <-p.done:
		case <-time.After(patience):
			errs = append(errs, fmt.Errorf("%s: the server is still running", key))
		}
		if p.exited() && p.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w, want exit code 0\n%s", key, p.err, p.log))
		}
		if p.raced() {
			errs = append(errs, fmt.Errorf("%s: the race detector has found something in the server\n%s", key, p.log))
		}
		if !p.groupEmpties(patience) {
			errs = append(errs, fmt.Errorf("%s: the server left processes", key))
		}
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	return errors.Join(errs...)
}

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) answers(protocol string) bool {
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	send, want := "x", "x"
	if protocol == servers.HTTP {
		send, want = "GET /healthz HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "
	}
	if _, err := io.WriteString(c, send); err != nil {
		return false
	}
	got := make([]byte, len(want))
	_, err = io.ReadFull(c, got)
	return err == nil && string(got) == want
}

// settle waits until all workers listen, where there are several: start returns when the first one
// answers, and what is counted from then on would grow by itself.
func (p *process) settle() {
	p.t.Helper()
	waitFor(p.t, "all workers to listen", func() bool {
		want := 1
		if strings.Contains(p.log.String(), "starting workers") {
			want = runtime.NumCPU()
		}
		return p.log.count(`"listening"`) >= want
	})
}

// signal signals the process the test has started, not its group.
func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// stopped waits for the end of the server, which must be a good one, and for the end of all it has
// started.
func (p *process) stopped() {
	p.t.Helper()
	if code := p.exitCode(); code != 0 {
		p.t.Errorf("exit code %d, want 0", code)
	}
	p.groupGone()
}

// groupGone waits until the server's process group is empty.
func (p *process) groupGone() {
	p.t.Helper()
	if !p.groupEmpties(patience) {
		p.t.Fatal("waited in vain for the process group to be empty")
	}
}

// groupEmpties reports whether the server's process group is empty within a time.
func (p *process) groupEmpties(within time.Duration) bool {
	return poll(within, func() bool { return errors.Is(syscall.Kill(-p.cmd.Process.Pid, 0), syscall.ESRCH) })
}

func (p *process) exitCode() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("the server is still running")
		return -1
	}
}

// waitFor polls until cond is true.
func waitFor(t *testing.T, state string, cond func() bool) {
	t.Helper()
	if !poll(patience, cond) {
		t.Fatalf("waited in vain for %s", state)
	}
}

// poll asks for a condition until it is true, and reports whether it did within a time.
func poll(within time.Duration, cond func() bool) bool {
	// Looking through /proc costs more than what is waited for, if it is done too often.
	pause := 2 * time.Millisecond
	for deadline := time.Now().Add(within); !cond(); time.Sleep(pause) {
		pause = min(pause*3/2, 50*time.Millisecond)
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// dial connects, with a deadline for everything that is done with the connection.
func (p *process) dial() *net.TCPConn {
	p.t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// exchange sends and reads as many bytes as are expected.
func exchange(c net.Conn, send, want string) error {
	if _, err := io.WriteString(c, send); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return expect(c, want)
}

func expect(r io.Reader, want string) error {
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if string(got[:n]) != want[:n] || err != nil {
		return fmt.Errorf("got %s (%v), want %s", short(got[:n]), err, short([]byte(want)))
	}
	return nil
}

func short(b []byte) string {
	if len(b) > 400 {
		return fmt.Sprintf("%q… (%d bytes)", b[:400], len(b))
	}
	return fmt.Sprintf("%q", b)
}

// end expects the stream to end without another byte, and without a reset.
func end(c net.Conn) error {
	if b, err := bufio.NewReader(c).ReadByte(); err != io.EOF {
		return fmt.Errorf("got byte %q, error %v, want the end of the stream", b, err)
	}
	return nil
}

// eachModel runs f for every model, with each protocol given, side by side.
func eachModel(t *testing.T, protocols []string, f func(t *testing.T, model, protocol string)) {
	t.Parallel()
	eachModelInTurn(t, protocols, func(t *testing.T, model, protocol string) {
		t.Parallel()
		f(t, model, protocol)
	})
}

// eachModelInTurn is eachModel for tests that take so much that only one may run at a time.
func eachModelInTurn(t *testing.T, protocols []string, f func(t *testing.T, model, protocol string)) {
	for _, m := range Models {
		for _, protocol := range protocols {
			t.Run(m.Name+"/"+protocol, func(t *testing.T) { f(t, m.Name, protocol) })
		}
	}
}

// eachKeeping is eachModel without the models that close each connection after one answer.
func eachKeeping(t *testing.T, protocols []string, f func(t *testing.T, model, protocol string)) {
	eachModel(t, protocols, func(t *testing.T, model, protocol string) {
		if !closesEach(model) {
			f(t, model, protocol)
		}
	})
}

func closesEach(model string) bool {
	m, _ := Find(model)
	return m.ClosesEach
}

// by is answer as model gives it: one that closes each connection says so in each answer.
func by(model, answer string) string {
	if !closesEach(model) || strings.Contains(answer, "\r\n"+closing+"\r\n") {
		return answer
	}
	answer = strings.Replace(answer, "\r\n"+keepAlive+"\r\n", "\r\n", 1)
	goingOn, rest := "", answer
	if after, ok := strings.CutPrefix(answer, goOn); ok {
		goingOn, rest = goOn, after
	}
	head, body, _ := strings.Cut(rest, "\r\n\r\n")
	return goingOn + head + "\r\n" + closing + "\r\n\r\n" + body
}

var onlyHTTP = []string{servers.HTTP}
