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

// A Link is how to reach the NATS server on which generator processes and coordinator meet.
type Link struct {
	URL   string // several, separated by commas, of a cluster
	Token string
	Creds string // file of user credentials (JWT and key)
	CA    string // file of the authority that signed the server's certificate (PEM)
}

// Names of the environment variables by which a generator process is told where
// it belongs. The token is not in its arguments, which all users can read.
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

// Dial connects. The connection does not come back once it is lost, as what
// was said meanwhile would be missing. The caller closes it.
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

// A Hub is a NATS server within this process, for generator processes on this host.
type Hub struct {
	Link
	server *server.Server
}

// maxPayload is room for the counts of an hour's window in one message.
const maxPayload = 8 << 20

// StartHub starts one on a free port of the loopback interface, with a fresh
// token that it asks for.
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
		return nil, errors.New("start a NATS server: it is not ready")
	}
	return &Hub{Link{URL: s.ClientURL(), Token: token}, s}, nil
}

// Close ends it, and with it the generator processes that are left.
func (h *Hub) Close() {
	h.server.Shutdown()
	h.server.WaitForShutdown()
}

// redact takes the passwords out of a list of addresses.
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
