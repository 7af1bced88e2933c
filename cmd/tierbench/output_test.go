package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/live"
)

// full is a writer that fails like a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no space left")

func TestLostOutputFails(t *testing.T) {
	published, err := filepath.Glob("../../results/*-quick")
	if err != nil || len(published) == 0 {
		t.Fatalf("no published run: %v", err)
	}
	goodRun := published[len(published)-1]
	for _, args := range []string{
		"list --server " + serverProgram,
		"doctor",
		"advise --check " + goodRun,
		"report --csv " + goodRun,
		"claims " + goodRun,
	} {
		if err := run(t.Context(), strings.Fields(args), full{}, io.Discard); !errors.Is(err, errFull) || exitCode(err) != exitFailed {
			t.Errorf("tierbench %s: error %v, want %v", args, err, errFull)
		}
	}
}

func TestDumbTerminalGetsLines(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal to be had: ", err)
	}
	defer terminal.Close()
	for term, animated := range map[string]bool{"xterm": true, "dumb": false} {
		t.Setenv("TERM", term)
		watch, stop, err := new(liveFlags).watcher(&env{t.Context(), io.Discard, terminal})
		if err != nil {
			t.Fatal(err)
		}
		stop()
		if _, is := watch.(live.All)[0].(*live.Terminal); is != animated {
			t.Errorf("TERM=%s: watched by %T", term, watch.(live.All)[0])
		}
	}
}
