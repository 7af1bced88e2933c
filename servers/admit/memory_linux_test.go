package admit

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAvailable(t *testing.T) {
	if n, ok := available("MemTotal: 100 kB\nMemAvailable:     24 kB\n"); n != 24<<10 || !ok {
		t.Errorf("%d, %v", n, ok)
	}
	if _, ok := available("MemFree: 1 kB\n"); ok {
		t.Error("read out of nothing")
	}
	if n, ok := Memory(); !ok || n <= 0 {
		t.Errorf("this machine: %d, %v", n, ok)
	}
}

func TestMemoryRoom(t *testing.T) {
	for _, test := range []struct {
		reason string
		self   string
		files  map[string]string
		bytes  int
		ok     bool
	}{
		{"no limit anywhere", "0::/a\n", map[string]string{"a/memory.max": "max", "a/memory.current": "3"}, 0, false},
		{"a limit", "0::/a\n", map[string]string{"a/memory.max": "100", "a/memory.current": "40"}, 60, true},
		{"the tightest of all around it", "0::/a/b\n",
			map[string]string{"a/b/memory.max": "100", "a/b/memory.current": "0", "a/memory.max": "50", "a/memory.current": "45"}, 5, true},
		{"nonsense", "what\n", nil, 0, false},
	} {
		root := t.TempDir()
		for name, text := range test.files {
			file := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if n, ok := memoryRoom(test.self, root); n != test.bytes || ok != test.ok {
			t.Errorf("%s: %d, %v, want %d, %v", test.reason, n, ok, test.bytes, test.ok)
		}
	}
}
