package all

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// declaration finds the name in a model's declaration.
var declaration = regexp.MustCompile(`= servers\.Model\{\s*Name:\s+"([^"]+)"`)

// A folder that declares a Model and is not in the list would be a server that nothing runs or
// tests.
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
		for _, declared := range declaration.FindAllSubmatch(src, -1) {
			found++
			name, folder := string(declared[1]), filepath.Base(filepath.Dir(file))
			if _, ok := Find(name); !ok {
				t.Errorf("servers/%s declares %s, which all.Models does not list", folder, name)
			}
			if name != folder && !strings.HasPrefix(name, folder+"-") {
				t.Errorf("servers/%s declares %s: a model is called like its folder", folder, name)
			}
		}
	}
	if found != len(Models) {
		t.Errorf("%d models are declared, and %d are listed", found, len(Models))
	}
	for _, m := range Models {
		if m.Doc == "" || strings.ContainsAny(m.Doc, "\n") || m.Serve == nil {
			t.Errorf("%s: Doc must be one line, and Serve be set", m.Name)
		}
	}
}
