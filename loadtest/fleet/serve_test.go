//go:build linux

package fleet

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tierbench/tierbench/loadtest/load"
)

// killed runs this test again as a coordinator that kills itself, and returns its output.
func killed(t *testing.T, target string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "FLEET_TEST_TARGET="+target)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("the coordinator was not killed: err %v\n%s", err, out)
	}
	return string(out)
}

func nobody(context.Context, Part) (Clients, *load.Connected, error) {
	return nil, nil, errors.New("nobody is to be connected")
}

// A generator process on another host has no parent that dies. It ends when the coordinator
// is silent or the connection is lost.
func TestAGeneratorProcessEndsWithoutItsCoordinator(t *testing.T) {
	t.Run("it is silent", func(t *testing.T) {
		conn := dial(t, hub(t).Link)
		err := Serve(t.Context(), conn, ServeOptions{Job: "j", Number: 1, Timing: Timing{Heartbeat: time.Millisecond, DeadAfter: 20 * time.Millisecond}}, nobody)
		if err == nil || !strings.Contains(err.Error(), "silent for 20ms") {
			t.Errorf("err %v", err)
		}
	})
	t.Run("NATS is gone", func(t *testing.T) {
		h := hub(t)
		conn := dial(t, h.Link)
		serving := make(chan error)
		heard, err := dial(t, h.Link).SubscribeSync(reports("j"))
		if err != nil {
			t.Fatal(err)
		}
		go func() { serving <- Serve(t.Context(), conn, ServeOptions{Job: "j", Number: 1}, nobody) }()
		if _, err := heard.NextMsg(time.Minute); err != nil {
			t.Fatal(err)
		}
		h.Close()
		if err := <-serving; err == nil || !strings.Contains(err.Error(), "connection to NATS is lost") {
			t.Errorf("err %v", err)
		}
	})
}

func TestAGeneratorProcessObeysOnlyWhatHasAMeaning(t *testing.T) {
	for _, tt := range []struct {
		reason, message, want string
	}{
		{"it is told to end", `{"Value":{"What":"end"}}`, ""},
		{"no clients are connected that could run", `{"Value":{"What":"run","Work":{}}}`, "the coordinator sent an order that is not allowed now: run"},
		{"no window can be opened", `{"Value":{"What":"open"}}`, "the coordinator sent an order that is not allowed now: open"},
		{"nobody is named to connect", `{"Value":{"What":"connect"}}`, "the coordinator sent an order that is not allowed now: connect"},
		{"there is no such order", `{"Value":{"What":"dance"}}`, "the coordinator sent an order that is not allowed now: dance"},
		{"it is no order", `?`, "read an order"},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			h := hub(t)
			conn, boss := dial(t, h.Link), dial(t, h.Link)
			heard, err := boss.SubscribeSync(reports("j"))
			if err != nil {
				t.Fatal(err)
			}
			serving := make(chan error)
			go func() { serving <- Serve(t.Context(), conn, ServeOptions{Job: "j", Number: 1}, nobody) }()
			if _, err := heard.NextMsg(time.Minute); err != nil {
				t.Fatal(err)
			}
			if err := boss.Publish(ordersOf("j", 1), []byte(tt.message)); err != nil {
				t.Fatal(err)
			}
			err = <-serving
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("err %v, want %q in it", err, tt.want)
			}
		})
	}
}

func dial(t *testing.T, l Link) *nats.Conn {
	t.Helper()
	conn, err := l.Dial(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}
