package all

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder that declares a Model and is not in the list would be a server that nothing runs or tests.
func TestEveryModelIsListed(t *testing.T) {
	files, err := filepath.Glob("../*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(src), "\nvar Model = servers.Model{") {
			continue
		}
		found++
		name := filepath.Base(filepath.Dir(file))
		if _, ok := Find(name); !ok {
			t.Errorf("servers/%s declares a Model that all.Models does not list under this name", name)
		}
	}
	if found != len(Models) {
		t.Errorf("%d folders declare a model, and %d are listed", found, len(Models))
	}
	for _, m := range Models {
		if m.Doc == "" || strings.ContainsAny(m.Doc, "\n") || m.Serve == nil {
			t.Errorf("%s: Doc must be one line, and Serve be set", m.Name)
		}
	}
}
