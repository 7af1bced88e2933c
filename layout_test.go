// Package tierbench holds no code: only the tests of the house as a whole.
package tierbench

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tierbench/tierbench/loadtest/load"
	"github.com/tierbench/tierbench/servers/app"
)

const module = "github.com/tierbench/tierbench"

// arrows says what each package may import of this module. What joins servers
// and loadtest is a process, so that a server in any language can stand in.
// A pattern ends in /... for a folder and all below it.
var arrows = []struct {
	from string
	to   []string
}{
	{"cmd/server", []string{"servers", "servers/all", "servers/app", "servers/counter", "servers/trial"}},
	{"cmd/tierbench", []string{"loadtest", "loadtest/..."}},
	{"servers", nil},
	{"servers/app", nil},
	{"servers/counter", []string{"servers"}},
	{"servers/trial", []string{"servers", "servers/counter", "servers/handover"}},
	{"servers/handover", nil},
	{"servers/worker", nil},
	{"servers/gil", nil},
	{"servers/faults", []string{"servers/app"}},
	{"servers/wire", []string{"servers", "servers/app", "servers/faults", "servers/gil"}},
	{"servers/admit", []string{"servers"}},
	{"servers/listen", []string{"servers"}},
	{"servers/blocking", []string{"servers", "servers/app", "servers/listen", "servers/wire"}},
	{"servers/all", []string{"servers", "servers/..."}},
	{"servers/prefork", []string{"servers", "servers/..."}}, // it alone may wrap another model
	{"servers/...", []string{"servers", "servers/app", "servers/wire", "servers/admit", "servers/listen", "servers/blocking", "servers/loop", "servers/handover", "servers/worker"}},
	{"loadtest/quantity", nil},
	{"loadtest/result", []string{"loadtest/quantity"}},
	{"loadtest/load", []string{"loadtest/result"}},
	{"loadtest/host", []string{"loadtest/result"}},
	{"loadtest/stats", []string{"loadtest/result"}},
	{"loadtest/stats/...", []string{"loadtest/stats", "loadtest/result"}},
	{"loadtest/prose", []string{"loadtest/stats"}},
	{"loadtest/table", []string{"loadtest/prose"}},
	{"loadtest/gate", []string{"loadtest/result"}},
	{"loadtest/audit", []string{"loadtest/gate", "loadtest/table"}},
	{"loadtest/plan", []string{"loadtest/quantity", "loadtest/load", "loadtest/result"}},
	{"loadtest/launch", []string{"loadtest/host"}},
	{"loadtest/box", []string{"loadtest/host", "loadtest/result"}},
	{"loadtest/conform", []string{"loadtest/table", "loadtest/launch", "loadtest/load", "loadtest/host", "loadtest/result"}},
	{"loadtest/attack", []string{"loadtest/load", "loadtest/host", "loadtest/result"}},
	{"loadtest/fleet", []string{"loadtest/load", "loadtest/launch", "loadtest/host", "loadtest/result"}},
	{"loadtest/wrk", []string{"loadtest/load", "loadtest/host", "loadtest/result"}},
	{"loadtest/crosscheck", []string{"loadtest/plan", "loadtest/table", "loadtest/stats", "loadtest/result"}},
	{"loadtest/chart", []string{"loadtest/prose", "loadtest/load", "loadtest/stats", "loadtest/result"}},
	{"loadtest/claims", []string{"loadtest/prose", "loadtest/table", "loadtest/stats", "loadtest/result"}},
	{"loadtest/slo", []string{"loadtest/stats", "loadtest/result"}},
	{"loadtest/report", []string{"loadtest/prose", "loadtest/table", "loadtest/chart", "loadtest/slo", "loadtest/stats", "loadtest/result"}},
	{"loadtest/compare", []string{"loadtest/prose", "loadtest/table", "loadtest/stats", "loadtest/result"}},
	{"loadtest/live", []string{"loadtest", "loadtest/trial", "loadtest/stats", "loadtest/result"}},
	{"loadtest/report/...", nil},
	{"loadtest/site", []string{"loadtest/table", "loadtest/report", "loadtest/chart", "loadtest/gate", "loadtest/stats", "loadtest/result"}},
	{"loadtest/advise", []string{"loadtest/load", "loadtest/stats", "loadtest/table", "loadtest/result"}},
	{"loadtest/search", []string{"loadtest/gate", "loadtest/stats", "loadtest/result"}},
	{"loadtest/duel", []string{"loadtest/load", "loadtest/prose", "loadtest/stats", "loadtest/table", "loadtest/result"}},
	{"loadtest/fault", []string{"loadtest/plan", "loadtest/load", "loadtest/result"}},
	{"loadtest/trial", []string{"loadtest/plan", "loadtest/result"}},
	{"loadtest/build", []string{"loadtest/result"}},
	{"loadtest/doctor", []string{"loadtest/host", "loadtest/table"}},
	{"loadtest/ledger", []string{"loadtest/claims", "loadtest/report", "loadtest/site", "loadtest/result"}},
	{"loadtest/harness", []string{
		"loadtest", "loadtest/attack", "loadtest/box", "loadtest/duel", "loadtest/fault", "loadtest/fleet", "loadtest/host", "loadtest/launch", "loadtest/live", "loadtest/load",
		"loadtest/plan", "loadtest/prose", "loadtest/result", "loadtest/search", "loadtest/stats", "loadtest/table", "loadtest/trial", "loadtest/wrk",
	}},
	{"loadtest", []string{"loadtest/fault", "loadtest/plan", "loadtest/gate", "loadtest/load", "loadtest/result", "loadtest/stats"}},
}

// only names the sole package that may import a library.
var only = map[string]string{
	"github.com/tsenart/vegeta/v12/lib": "loadtest/attack",
	"github.com/panjf2000/gnet/v2":      "servers/loop",
	"github.com/nats-io/nats.go":        "loadtest/fleet",
	"github.com/opencontainers/cgroups": "loadtest/box",
}

func matches(pattern, pkg string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return strings.HasPrefix(pkg, dir+"/")
	}
	return pattern == pkg
}

func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(strings.TrimPrefix(fields[0], module), "/")
		if pkg == "" {
			continue
		}
		n := slices.IndexFunc(arrows, func(a struct {
			from string
			to   []string
		}) bool {
			return matches(a.from, pkg)
		})
		if n < 0 {
			t.Errorf("%s has no place in the layout: give it one in arrows", pkg)
			continue
		}
		for _, imported := range fields[1:] {
			if owner, restricted := only[imported]; restricted && pkg != owner {
				t.Errorf("%s imports %s, which only %s may", pkg, imported, owner)
			}
			dep, ours := strings.CutPrefix(imported, module+"/")
			if ours && !slices.ContainsFunc(arrows[n].to, func(p string) bool { return matches(p, dep) }) {
				t.Errorf("%s imports %s; it may import %q", pkg, dep, arrows[n].to)
			}
		}
	}
}

// The tests of a package may use more than the package, but not reach across.
func TestServersAndLoadtestMeetOnlyInAProcess(t *testing.T) {
	out, err := exec.Command("go", "list", "-test", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	side := func(pkg string) string {
		p := strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/")
		top, _, _ := strings.Cut(path.Clean(p), "/")
		return strings.TrimSuffix(top, ".test")
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		for _, imported := range fields[1:] {
			if !strings.HasPrefix(imported, module) {
				continue
			}
			from, to := side(fields[0]), side(imported)
			if from == "servers" && to == "loadtest" || from == "loadtest" && to == "servers" {
				t.Errorf("%s imports %s", fields[0], imported)
			}
		}
	}
}

// The picture of loadtest names every package, each once.
func TestThePictureOfLoadtestIsWhole(t *testing.T) {
	text, err := os.ReadFile("loadtest/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var named, there []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+)  `).FindAllStringSubmatch(string(text), -1) {
		named = append(named, m[1])
	}
	files, err := filepath.Glob("loadtest/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		there = append(there, filepath.Base(filepath.Dir(f)))
	}
	slices.Sort(named)
	if there = slices.Compact(there); !slices.Equal(named, there) {
		t.Errorf("loadtest/doc.go names %q\nthe packages are %q", named, there)
	}
}

// What the harness asks for over HTTP must be what the servers answer.
func TestServersHaveEachWorkload(t *testing.T) {
	for _, w := range load.Workloads.Over("http") {
		routes := [][2]string{{w.Method, w.Path}}
		if w.Counter != "" {
			routes = append(routes, [2]string{"GET", w.Counter})
		}
		for _, r := range routes {
			method, uri := r[0], r[1]
			route, _, _ := strings.Cut(uri, "?")
			if _, status, _ := app.Lookup([]byte(method), []byte(route)); status != 200 {
				t.Errorf("%v: servers/app answers %s %s with status %d", w, method, route, status)
			}
		}
	}
}

// goroutines finds what starts one.
var goroutines = regexp.MustCompile(`(?m)^\s*go (func\b|\w)|\.Go\(`)

// Packages that make test RACE=1 leaves to a plain test must start no goroutine.
func TestPlainPackagesStartNoGoroutine(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(makefile), "\nPLAIN = ")
	list, _, _ := strings.Cut(rest, "\n")
	if !ok || list == "" {
		t.Fatal("the Makefile has no list PLAIN")
	}
	for _, name := range strings.Fields(list) {
		files, err := filepath.Glob(filepath.Join("loadtest", name, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("PLAIN names %s, which has no Go files (%v)", name, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if m := goroutines.Find(src); m != nil {
				t.Errorf("%s starts a goroutine (%q): take its package out of PLAIN in the Makefile", file, bytes.TrimSpace(m))
			}
		}
	}
}
