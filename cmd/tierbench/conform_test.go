package main

import (
	"encoding/json"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tierbench/tierbench/loadtest/conform"
	"github.com/tierbench/tierbench/loadtest/launch"
	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip(err)
	}
}

// conforms runs the command and returns the rules that failed and those that
// are absent.
func conforms(t *testing.T, protocol string, command ...string) (fails, absent []string) {
	t.Helper()
	args := append([]string{"conform", "--json", "--ready", "1m", "--protocol", protocol, "--"}, command...)
	out, errOut, code := tierbench(t.Context(), args...)
	var findings []conform.Finding
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errOut)
	}
	for _, f := range findings {
		switch f.Outcome {
		case conform.Fail:
			fails = append(fails, f.Rule)
			t.Logf("%s %s: %s", f.Protocol, f.Rule, f.Seen)
		case conform.Absent:
			absent = append(absent, f.Rule)
		}
	}
	if want := len(fails) > 0; (code == exitFailed) != want || !want && code != 0 {
		t.Errorf("exit code %d with %d rules that fail: %s", code, len(fails), errOut)
	}
	return fails, absent
}

// Every built-in model keeps the contract that applies to all servers.
func TestTheModelsConform(t *testing.T) {
	needsLinux(t)
	_, models, err := serverFlag{Server: serverProgram}.builtin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			if fails, _ := conforms(t, "both", serverProgram, "--model", m.Name, "--addr", "{addr}", "--protocol", "{protocol}", "--log-level", "off"); len(fails) > 0 {
				t.Errorf("fails %q", fails)
			}
		})
	}
}

func TestThePythonControlsConform(t *testing.T) {
	needsLinux(t)
	needs(t, "python3")
	for _, args := range []string{"fork.py", "prefork.py", "prefork.py --each=threads", "prefork.py --each=asyncio", "threads.py", "threads.py --switch-interval=500us", "asyncio_server.py", "asyncio_server.py --offload"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			script, option, _ := strings.Cut(args, " ")
			command := []string{"python3", "-B", filepath.Join("../../servers/controls/python", script), "--addr={addr}", "--protocol={protocol}"}
			if option != "" {
				command = append(command, option)
			}
			// They have everything that the contract makes optional.
			if fails, absent := conforms(t, "both", command...); len(fails)+len(absent) > 0 {
				t.Errorf("fails %q, absent %q: wire.py has every workload", fails, absent)
			}
		})
	}
}

// A control must reject arguments that it does not understand, instead of using defaults.
func TestThePythonControlsNameMistakes(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	for _, tt := range []struct{ args, want string }{
		{"--addr=127.0.0.1:0", "must be host:port with a port of 1 to 65535"},
		{"--addr=127.0.0.1:1 --switch-interval=5", "must be a time of 1us to 60s"},
		{"--addr=127.0.0.1:1 --protocol=smtp", "invalid choice"},
		{"--addr=127.0.0.1:1 --offload", "unrecognized arguments"},
		{"--trial=luck", "invalid choice"},
		{"--trial=python-increment --variant=abacus", "--variant: abacus: must be one of mutex, owner, flock, shm, pipe"},
		{"--trial=python-start --increments=0", "must be a whole number of 1 to"},
	} {
		program := "threads.py"
		if strings.HasPrefix(tt.args, "--trial") {
			program = "trial.py"
		}
		cmd := exec.Command("python3", append([]string{"-B", "../../servers/controls/python/" + program}, strings.Fields(tt.args)...)...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v\n%s", tt.args, err, out)
		}
	}
}

func TestTheControlsInCConform(t *testing.T) {
	needsLinux(t)
	ref := compile(t)
	optional := load.Workloads.Over("http").Where(func(w load.Workload) bool {
		return !slices.Contains([]string{"plaintext", "echo", result.Idle}, w.Name)
	}).Names()
	for _, model := range []string{"epoll", "epoll 3", "thread", "process"} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			name, processes, _ := strings.Cut(model, " ")
			command := []string{ref, name, "{protocol}", "{port}"}
			if processes != "" {
				command = append(command, processes)
			}
			fails, absent := conforms(t, "both", command...)
			if len(fails) > 0 || !slices.Equal(absent, optional) {
				t.Errorf("fails %q, absent %q", fails, absent)
			}
		})
	}
}

// compile builds the servers in C.
func compile(t *testing.T) string {
	t.Helper()
	needs(t, "cc")
	ref := filepath.Join(t.TempDir(), "ref")
	if out, err := exec.Command("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", ref, "../../servers/controls/c/ref.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return ref
}

// The processes of a control end with the process that started them, however that ends.
func TestControlsDoNotOutliveTheirParent(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	needs(t, "python3")
	ref := compile(t)
	for name, argv := range map[string][]string{
		"fork.py":     {"python3", "-B", "../../servers/controls/python/fork.py", "--addr={addr}", "--protocol=echo"},
		"prefork.py":  {"python3", "-B", "../../servers/controls/python/prefork.py", "--addr={addr}", "--protocol=echo"},
		"ref process": {ref, "process", "echo", "{port}"},
		"ref epoll":   {ref, "epoll", "echo", "{port}", "3"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := launch.Start(t.Context(), launch.Spec{Argv: argv, Protocol: "echo", ReadyTimeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Kill()
			for range 3 {
				c, err := net.Dial("tcp", s.Addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			if pids, err := s.Tree().PIDs(); err != nil || len(pids) < 2 {
				t.Fatalf("processes %v, err %v: it has no children to leave", pids, err)
			}
			if err := syscall.Kill(s.Tree().PGID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
				pids, err := s.Tree().PIDs()
				if err != nil {
					t.Fatal(err)
				}
				if len(pids) == 0 {
					return
				}
				if time.Now().After(end) {
					t.Fatalf("%v are still there", pids)
				}
			}
		})
	}
}

// nginx alone cannot send a request's body back; it keeps the rest of the contract.
func TestNginxConformsButForEcho(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	needs(t, "nginx")
	fails, _ := conforms(t, "http", "../../servers/controls/nginx/start", "{addr}", "{cpus}")
	if !slices.Equal(fails, []string{"echo"}) {
		t.Errorf("fails %q", fails)
	}
}

func TestConformSaysWhatItSaw(t *testing.T) {
	needsLinux(t)
	t.Parallel()
	server := serverOf(t)
	out, errOut, code := tierbench(t.Context(), "conform", "--", server, "--model=eventloop", "--addr={addr}", "--log-level=off")
	if code != 0 || !strings.Contains(out, "keeps the contract") || !strings.Contains(out, `status 200, "Hello, World!"`) {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	out, errOut, code = tierbench(t.Context(), "conform", "--protocol=http", "--ready=500ms", "--", server, "--model=eventloop", "--addr={addr}", "--protocol=echo")
	if code != exitFailed || !strings.Contains(out, "the rule: listens on its address") || !strings.Contains(errOut, "breaks the contract: 1 of 1 rules fail") {
		t.Errorf("exit code %d\n%s%s", code, out, errOut)
	}
	if left := children(t, server); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestConformNamesMistakes(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "no command: name the server after --"},
		{[]string{"--"}, "no command"},
		{[]string{"--", "/no/such/server", "{addr}"}, "find the server"},
		{[]string{"--", serverProgram, "--model=thread"}, "has no {addr} or {port}"},
		{[]string{"--protocol=both", "--", serverProgram, "--addr={addr}"}, "has no {protocol}"},
		{[]string{"--protocol=smtp", "--", serverProgram, "{addr}"}, `must be one of "http","echo","both"`},
		{[]string{"--clients=0", "--", serverProgram, "{addr}"}, "--clients 0: must be 1 to 100000"},
		{[]string{"--ready=1ms", "--", serverProgram, "{addr}"}, "--ready 1ms: must be 100ms to 10m"},
	} {
		out, errOut, code := tierbench(t.Context(), append([]string{"conform"}, tt.args...)...)
		if code != exitUsage || !strings.Contains(errOut, tt.want) {
			t.Errorf("%q: exit code %d, want %q\n%s%s", tt.args, code, tt.want, out, errOut)
		}
	}
}
