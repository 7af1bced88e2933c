package conform

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/tierbench/tierbench/loadtest/host"
	"github.com/tierbench/tierbench/loadtest/launch"
)

// Command returns a Start that runs a command: see launch.Spec for the placeholders in
// argv. If readyTimeout is 0, it is the default of package launch.
func Command(argv []string, readyTimeout time.Duration) Start {
	return func(ctx context.Context, protocol string) (Server, error) {
		s, err := launch.Start(ctx, launch.Spec{Argv: argv, Protocol: protocol, ReadyTimeout: readyTimeout})
		if err != nil {
			return nil, err
		}
		return launched{s}, nil
	}
}

// Testable is an error that says why the server that an argument list is cannot be
// tested over the protocols.
func Testable(argv, protocols []string) error {
	words := strings.Join(argv, " ")
	switch {
	case len(argv) == 0:
		return errors.New("no command: name the server after --, as in tierbench conform -- ./my-server --listen={addr}")
	case !strings.Contains(words, "{addr}") && !strings.Contains(words, "{port}"):
		return fmt.Errorf("%s: has no {addr} or {port}, so it cannot know where to listen", words)
	case len(protocols) > 1 && !strings.Contains(words, "{protocol}"):
		return fmt.Errorf("%s: has no {protocol}, which --protocol both needs", words)
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return fmt.Errorf("find the server: %w", err)
	}
	return nil
}

type launched struct{ *launch.Server }

var _ Server = launched{}

func (l launched) Addr() string              { return l.Server.Addr }
func (l launched) Processes() ([]int, error) { return l.Tree().PIDs() }
func (l launched) Unread() (int64, error)    { return host.UnreadOn(l.Port) }

func (l launched) Connections() (established, accepted int, err error) {
	sockets, err := host.SocketsOn(l.Port)
	if err != nil {
		return 0, 0, err
	}
	owners, err := l.Tree().SocketOwners()
	if err != nil {
		return 0, 0, err
	}
	_, unowned := sockets.ConnsPerProcess(owners)
	return len(sockets.Established), len(sockets.Established) - unowned, nil
}
