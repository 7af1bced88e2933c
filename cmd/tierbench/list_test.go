package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServerProgramMistakes(t *testing.T) {
	dir := t.TempDir()
	script := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for why, path := range map[string]string{
		"nothing there":   filepath.Join(dir, "nothing"),
		"a folder":        dir,
		"it says nothing": script("mute", "true"),
		"it fails":        script("failing", "exit 3"),
		"it has none":     script("empty", "echo '[]'"),
		"another JSON":    script("other", "echo '{}'"),
	} {
		_, log, code := tierbench(t.Context(), "list", "--server", path)
		if code != exitUsage || !strings.Contains(log, path) || !strings.Contains(log, "allowed: ") {
			t.Errorf("%s: exit code %d, want %d; log %q", why, code, exitUsage, log)
		}
	}
}
