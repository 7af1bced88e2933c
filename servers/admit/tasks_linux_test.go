package admit

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCgroupRoom(t *testing.T) {
	for _, test := range []struct {
		reason string
		self   string
		files  map[string]string
		room   int
		ok     bool
	}{
		{"no limit anywhere", "0::/a/b\n", map[string]string{"a/b/pids.max": "max", "a/b/pids.current": "3"}, 0, false},
		{"version 2", "0::/a\n", map[string]string{"a/pids.max": "100", "a/pids.current": "40"}, 60, true},
		{"the tightest of all around it", "0::/a/b\n",
			map[string]string{"a/b/pids.max": "100", "a/b/pids.current": "0", "a/pids.max": "50", "a/pids.current": "45"}, 5, true},
		{"version 1", "4:cpu:/x\n3:pids:/a\n", map[string]string{"pids/a/pids.max": "10", "pids/a/pids.current": "1"}, 9, true},
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
		self := filepath.Join(root, "cgroup")
		if err := os.WriteFile(self, []byte(test.self), 0o644); err != nil {
			t.Fatal(err)
		}
		if room, ok := cgroupRoom(self, root); room != test.room || ok != test.ok {
			t.Errorf("%s: %d, %v, want %d, %v", test.reason, room, ok, test.room, test.ok)
		}
	}
}

func TestTasksOfThisMachine(t *testing.T) {
	n, by := Tasks(0)
	if n < 1 || by == "" {
		t.Errorf("limit %d by %q", n, by)
	}
}
