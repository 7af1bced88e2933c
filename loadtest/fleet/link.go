package fleet

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A Link says how to reach the NATS server that connects generator processes and
// coordinator.
type Link struct {
	URL   string // of a cluster: several, separated by commas
	Token string
	Creds string // file of user credentials (JWT and key)
	CA    string // file of the authority that signed the server's certificate (PEM)
}

// Names of the environment variables that tell a generator process how to connect, and
// which job and number it has. Arguments would show the token to all users of the host.
const (
	EnvURL    = "TIERBENCH_NATS"
	EnvToken  = "TIERBENCH_NATS_TOKEN"
	EnvCreds  = "TIERBENCH_NATS_CREDS"
	EnvCA     = "TIERBENCH_NATS_CA"
	EnvJob    = "TIERBENCH_JOB"
	EnvNumber = "TIERBENCH_GENERATOR"
)

func (l Link) env(job string, number int) []string {
	return []string{
		EnvURL + "=" + l.URL, EnvToken + "=" + l.Token, EnvCreds + "=" + l.Creds, EnvCA + "=" + l.CA,
		EnvJob + "=" + job, fmt.Sprintf("%s=%d", EnvNumber, number),
	}
}

const dialTimeout = 10 * time.Second

// Dial connects to the server. A lost connection is not reopened, because messages sent
// in the meantime would be missing. The caller closes the connection.
func (l Link) Dial(name string) (*nats.Conn, error) {
	options := []nats.Option{nats.Name(name), nats.NoReconnect(), nats.Timeout(dialTimeout)}
	if l.Token != "" {
		options = append(options, nats.Token(l.Token))
	}
	for _, file := range []struct {
		name   string
		option func(string) nats.Option
	}{
		{l.Creds, func(f string) nats.Option { return nats.UserCredentials(f) }},
		{l.CA, func(f string) nats.Option { return nats.RootCAs(f) }},
	} {
		if file.name == "" {
			continue
		}
		if _, err := os.Stat(file.name); err != nil {
			return nil, fmt.Errorf("connect to NATS: %w", err)
		}
		options = append(options, file.option(file.name))
	}
	conn, err := nats.Connect(l.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at %s: %w", redact(l.URL), err)
	}
	return conn, nil
}

// A Hub is a NATS server in this process, for generator processes on this host.
type Hub struct {
	Link
	server *server.Server
}

// maxPayload is large enough for the slices of a window of an hour in one message.
const maxPayload = 8 << 20

// StartHub starts a hub on a free port of the loopback interface. Clients need its token,
// which is new for each hub.
func StartHub() (*Hub, error) {
	token := rand.Text()
	s, err := server.NewServer(&server.Options{
		ServerName: "tierbench", Host: "127.0.0.1", Port: server.RANDOM_PORT, Authorization: token,
		NoLog: true, NoSigs: true, MaxPayload: maxPayload,
	})
	if err != nil {
		return nil, fmt.Errorf("start a NATS server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(dialTimeout) {
		s.Shutdown()
		return nil, errors.New("start a NATS server: it was not ready in time")
	}
	return &Hub{Link{URL: s.ClientURL(), Token: token}, s}, nil
}

// Close stops the server. Generator processes that are still connected end as well.
func (h *Hub) Close() {
	h.server.Shutdown()
	h.server.WaitForShutdown()
}

// redact removes the credentials from a list of URLs.
func redact(urls string) string {
	parts := strings.Split(urls, ",")
	for i, p := range parts {
		if u, err := url.Parse(strings.TrimSpace(p)); err == nil {
			if u.User != nil {
				u.User = url.User("…")
			}
			parts[i] = u.String()
		}
	}
	return strings.Join(parts, ",")
}
