package all

import (
	"net"
	"strings"
	"testing"
)

// A server that cannot have its address must say so and end, whether another program has it or a
// server of the same kind, with which prefork's workers could share it.
func TestAddressInUse(t *testing.T) {
	eachModel(t, onlyHTTP, func(t *testing.T, model, protocol string) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }()
		first := start(t, model, protocol)
		for who, addr := range map[string]string{"another program": ln.Addr().String(), "another server": first.addr} {
			p := launch(t, serverBinary, addr, "--model", model)
			if code := p.exitCode(); code != 1 {
				t.Errorf("%s has the address: exit code %d, want 1", who, code)
			}
			if !strings.Contains(p.log.String(), "address already in use") {
				t.Errorf("%s has the address: the message does not say so: %s", who, p.log)
			}
			p.groupGone()
		}
		if !first.answers(protocol) {
			t.Error("the first server does not answer any more")
		}
	})
}

// The exit code distinguishes a mistake of the user, after which nothing was started, from a
// failure.
func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		reason string
		args   []string
		want   int
	}{
		{"a mistake", []string{"--model", "nginx"}, 2},
		{"help is what was asked for", []string{"--help"}, 0},
		{"so is the list", []string{"--list"}, 0},
	} {
		p := launch(t, serverBinary, "127.0.0.1:1", test.args...)
		if code := p.exitCode(); code != test.want {
			t.Errorf("%s: exit code %d, want %d", test.reason, code, test.want)
		}
	}
}
