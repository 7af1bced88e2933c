package admit

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
)

func TestGate(t *testing.T) {
	var out bytes.Buffer
	g := Gate{Max: 32, Log: zerolog.New(&out)}
	for i := range 40 {
		if got, want := g.Enter(), i < 32; got != want {
			t.Fatalf("connection %d: let in = %v", i, got)
		}
	}
	// A server that runs at its limit stays quiet.
	for range 10 {
		g.Leave()
		if !g.Enter() {
			t.Fatal("no room after Leave")
		}
		if g.Enter() {
			t.Fatal("more than Max")
		}
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines at the limit, want 1:\n%s", n, out.String())
	}
	for range 32 {
		g.Leave()
	}
	if n := strings.Count(out.String(), "\n"); n != 2 || !strings.Contains(out.String(), `"refused":18`) {
		t.Errorf("want a second line that counts 18 refused:\n%s", out.String())
	}
	if g.Open() != 0 {
		t.Errorf("%d open", g.Open())
	}
}

func TestGateNeverExceedsItsLimit(t *testing.T) {
	g := Gate{Max: 3, Log: zerolog.Nop()}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if g.Enter() {
					if n := g.Open(); n < 1 {
						t.Errorf("%d open", n)
					}
					g.Leave()
				}
			}
		})
	}
	all.Wait()
	if g.Open() != 0 {
		t.Errorf("%d open at the end", g.Open())
	}
}

func TestLimit(t *testing.T) {
	have, err := RaiseDescriptors()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason         string
		asked, reserve int
		want           int
	}{
		{"as many as there are, less the reserve", 0, 64, have - 64},
		{"as asked", 10, 64, 10},
		{"not more than there are", have, 64, have - 64},
		{"a reserve larger than all leaves half", 0, have, have / 2},
	} {
		if got, err := Limit(test.asked, test.reserve); err != nil || got != test.want {
			t.Errorf("%s: %d, %v, want %d", test.reason, got, err, test.want)
		}
	}
}
