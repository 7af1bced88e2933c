//go:build linux

package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/loadtest/result"
)

// Generator processes and coordinator use an existing server, with TLS and the credentials
// of a user.
func TestAServerThatIsThere(t *testing.T) {
	dir := t.TempDir()
	certificate, ca := selfSigned(t)
	operator, accounts, creds := trust(t)
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true,
		TLSConfig:        &tls.Config{Certificates: []tls.Certificate{certificate}},
		TrustedOperators: []*jwt.OperatorClaims{operator}, AccountResolver: accounts,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.WaitForShutdown)
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server is not ready")
	}
	write := func(name string, text []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	link := Link{URL: s.ClientURL(), CA: write("ca.pem", ca), Creds: write("user.creds", creds)}

	for _, tt := range []struct {
		reason string
		change func(*Link)
		want   string
	}{
		{"nobody vouches for it", func(l *Link) { l.CA = "" }, "certificate signed by unknown authority"},
		{"nobody in particular", func(l *Link) { l.Creds = "" }, "Authorization Violation"},
	} {
		l := link
		tt.change(&l)
		if _, err := l.Dial("nobody"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err %v, want %q in it", tt.reason, err, tt.want)
		}
	}
	missing := link
	missing.Creds = filepath.Join(dir, "none")
	if _, err := missing.Dial("nobody"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err %v", err)
	}

	f := fleet(t, spec(link, "generator", 2), serve(t, nil), load.Population{Clients: 3})
	w, err := f.Run(t.Context(), load.Work{Loop: result.Closed, Length: 50 * time.Millisecond}, load.Hooks{})
	if err != nil || len(w.Errors) != 0 || w.Clients != 3 {
		t.Errorf("err %v, errors %v, %d clients", err, w.Errors, w.Clients)
	}
}

func TestPasswordsAreNotPrinted(t *testing.T) {
	_, err := Link{URL: "nats://me:secret@127.0.0.1:1, nats://hidden@127.0.0.1:1"}.Dial("nobody")
	if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "@127.0.0.1:1") {
		t.Errorf("err %v", err)
	}
}

func selfSigned(t *testing.T) (own tls.Certificate, ca []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// trust is an operator, its accounts, and the credentials of a user of one of them.
func trust(t *testing.T) (*jwt.OperatorClaims, *server.MemAccResolver, []byte) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		t.Helper()
		k, err := create()
		must(err)
		public, err := k.PublicKey()
		must(err)
		return k, public
	}
	operator, operatorKey := pair(nkeys.CreateOperator)
	account, accountKey := pair(nkeys.CreateAccount)
	user, userKey := pair(nkeys.CreateUser)

	text, err := jwt.NewOperatorClaims(operatorKey).Encode(operator)
	must(err)
	claims, err := jwt.DecodeOperatorClaims(text)
	must(err)
	text, err = jwt.NewAccountClaims(accountKey).Encode(operator)
	must(err)
	accounts := &server.MemAccResolver{}
	must(accounts.Store(accountKey, text))
	text, err = jwt.NewUserClaims(userKey).Encode(account)
	must(err)
	seed, err := user.Seed()
	must(err)
	creds, err := jwt.FormatUserConfig(text, seed)
	must(err)
	return claims, accounts, creds
}
