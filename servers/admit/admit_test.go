package admit

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
)

func TestLimiter(t *testing.T) {
	var out bytes.Buffer
	l := Limiter{Max: 32, Log: zerolog.New(&out)}
	for i := range 40 {
		if got, want := l.TryAcquire(), i < 32; got != want {
			t.Fatalf("connection %d: let in = %v", i, got)
		}
	}
	// A server that runs at its limit stays quiet.
	for range 10 {
		l.Release()
		if !l.TryAcquire() {
			t.Fatal("no room after Leave")
		}
		if l.TryAcquire() {
			t.Fatal("more than Max")
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines at the limit, want 1:\n%s", n, out.String())
	}
	for range 32 {
		l.Release()
	}
	if n := strings.Count(out.String(), "\n"); n != 2 || !strings.Contains(out.String(), `"refused":18`) {
		t.Errorf("want a second line that counts 18 refused:\n%s", out.String())
	}
	if l.Open() != 0 {
		t.Errorf("%d open", l.Open())
	}
}

func TestLimiterNeverExceedsItsLimit(t *testing.T) {
	l := Limiter{Max: 3, Log: zerolog.Nop()}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if l.TryAcquire() {
					if n := l.Open(); n < 1 {
						t.Errorf("%d open", n)
					}
					l.Release()
				}
			}
		})
	}
	all.Wait()
	if l.Open() != 0 {
		t.Errorf("%d open at the end", l.Open())
	}
}

func TestConnections(t *testing.T) {
	have, err := RaiseDescriptors()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason        string
		asked, others int
		want          int
	}{
		{"as many as there are, less the reserve", 0, 0, have - 64},
		{"and less what the model needs", 0, 36, have - 100},
		{"as asked", 10, 0, 10},
		{"not more than there are", have, 0, have - 64},
		{"a reserve larger than all leaves half", 0, have, have / 2},
	} {
		if got, err := Connections(test.asked, test.others); err != nil || got != test.want {
			t.Errorf("%s: %d, %v, want %d", test.reason, got, err, test.want)
		}
	}
}
