// Package build describes the source and the libraries of this program, and the tools that it
// measures with.
package build

import (
	"fmt"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/tierbench/tierbench/loadtest/result"
)

// measuringModules are the libraries whose version can affect the numbers.
var measuringModules = []string{
	"github.com/tsenart/vegeta/v12", "github.com/valyala/fasthttp", "github.com/panjf2000/gnet/v2",
	"github.com/HdrHistogram/hdrhistogram-go", "github.com/prometheus/procfs", "github.com/vishvananda/netlink",
	"gonum.org/v1/plot", "golang.org/x/perf",
}

// commit and dirty are set by the Makefile, which knows them even if the go command was told
// not to stamp them.
var commit, dirty string

// moduleVersions is set by the Makefile for the modules that this program does
// not link, as name@version separated by commas: those of the server.
var moduleVersions string

// Describe describes this program and the installed tools. It runs the tools to ask for their
// versions.
func Describe() result.Build {
	b := describe()
	for name, args := range map[string][]string{
		"wrk": {"-v"}, "nginx": {"-v"}, "cc": {"--version"},
	} {
		if v := toolVersion(name, args...); v != "" {
			b.Tools[name] = v
		}
	}
	return b
}

func describe() result.Build {
	b := result.Build{Go: runtime.Version(), Commit: commit, Dirty: dirty == "true", Modules: map[string]string{}, Tools: map[string]string{}}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if slices.Contains(measuringModules, m.Path) {
				b.Modules[m.Path] = m.Version
			}
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && b.Commit == "":
				b.Commit = s.Value
			case s.Key == "vcs.modified" && dirty == "":
				b.Dirty = s.Value == "true"
			}
		}
		if b.Commit == "" && info.Main.Version != "(devel)" { // go install sets the version of the module
			b.Commit = info.Main.Version
		}
	}
	for m := range strings.SplitSeq(moduleVersions, ",") {
		if name, version, ok := strings.Cut(strings.TrimSpace(m), "@"); ok && b.Modules[name] == "" {
			b.Modules[name] = version
		}
	}
	return b
}

// About describes the program in one line.
func About() string {
	b := describe()
	return strings.Join(strings.Fields("tierbench "+b.Commit+" "+b.Go), " ")
}

// Version identifies this program. A generator process and its coordinator must have the same.
func Version() string {
	b := describe()
	return fmt.Sprintf("%s %s dirty=%v", b.Go, b.Commit, b.Dirty)
}

// toolVersion returns the first line that a program prints about its version, "" if it is not
// installed.
func toolVersion(name string, args ...string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	out, _ := exec.Command(path, args...).CombinedOutput() // wrk -v exits 1
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
