package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// parser returns the parser that run uses.
func parser(t *testing.T) *kong.Kong {
	t.Helper()
	k, err := kong.New(&cli{}, kong.Name("tierbench"), kong.Vars(compareVars()), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Every subcommand has an example in its --help, and each example is a command
// line that parses.
func TestExamples(t *testing.T) {
	k := parser(t)
	t.Chdir(t.TempDir())
	for _, dir := range []string{"latest", "RUN", "ANOTHER", "BEFORE", "AFTER"} {
		if err := os.MkdirAll(filepath.Join("results", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("table.csv", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, n := range k.Model.Children {
		if n.Hidden {
			continue
		}
		examples := regexp.MustCompile(`(?m)^    tierbench (.*)$`).FindAllStringSubmatch(n.Detail, -1)
		if len(examples) == 0 {
			t.Errorf("tierbench %s --help has no example", n.Name)
		}
		for _, e := range examples {
			args, _, _ := strings.Cut(e[1], " >")
			ctx, err := parser(t).Parse(words(args))
			if err != nil {
				t.Errorf("tierbench %s: %v", e[1], err)
			} else if ctx.Selected().Name != n.Name {
				t.Errorf("tierbench %s is an example of %s", e[1], n.Name)
			}
		}
	}
}

// words divides a command line as a shell does, as far as single quotes go.
func words(line string) (all []string) {
	for _, w := range regexp.MustCompile(`(?:[^\s']|'[^']*')+`).FindAllString(line, -1) {
		all = append(all, strings.ReplaceAll(w, "'", ""))
	}
	return all
}

// TestBashCompletes asks bash itself.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	script, _, code := tierbench(t.Context(), "completion", "bash")
	if code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, tt := range []struct {
		why   string
		words []string // as bash has them; the last is being typed
		want  string   // those offered; files are bash's own matter
	}{
		{"a subcommand", []string{"tierbench", "se"}, "search"},
		{"several", []string{"tierbench", "a"}, "advise audit"},
		{"not one that is hidden", []string{"tierbench", "nul"}, ""},
		{"a flag", []string{"tierbench", "run", "--res"}, "--results --resume"},
		{"of that subcommand", []string{"tierbench", "report", "--res"}, ""},
		{"a value", []string{"tierbench", "search", "--find", ""}, "clients rate"},
		{"a value after =", []string{"tierbench", "search", "--find", "=", "r"}, "rate"},
		{"a value after = that is not begun", []string{"tierbench", "search", "--find", "="}, "clients rate"},
		{"a value that may be any", []string{"tierbench", "search", "--to", ""}, ""},
		{"an argument of a few", []string{"tierbench", "completion", "z"}, "zsh"},
		{"an argument that is a file", []string{"tierbench", "run", "con"}, ""},
		{"after a flag of its own", []string{"tierbench", "run", "--plain", "--ra"}, "--raw"},
		{"a command of another program", []string{"tierbench", "search", "--", "--fi"}, ""},
	} {
		var quoted []string
		for _, w := range tt.words {
			quoted = append(quoted, "'"+w+"'")
		}
		ask := fmt.Sprintf("%s\nCOMP_WORDS=(%s)\nCOMP_CWORD=%d\n_tierbench\necho \"${COMPREPLY[*]}\"", script, strings.Join(quoted, " "), len(tt.words)-1)
		out, err := exec.CommandContext(t.Context(), bash, "--norc", "-u", "-c", ask).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil && tt.want != "" || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.why, got, err, tt.want)
		}
	}
}

// Each script and the manual page name every subcommand and flag, except hidden ones.
func TestShellsAndManualAreWhole(t *testing.T) {
	k := parser(t)
	for _, args := range [][]string{{"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"man"}} {
		out, log, code := tierbench(t.Context(), args...)
		if code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, log)
		}
		text := strings.ReplaceAll(out, `\-`, "-")
		has := func(what string) bool {
			return regexp.MustCompile(`[^a-z-]` + regexp.QuoteMeta(what) + `[^a-z]`).MatchString(text)
		}
		for _, n := range k.Model.Children {
			if n.Hidden {
				if regexp.MustCompile(`(?m)^(\t` + n.Name + `\)|\.SS tierbench ` + n.Name + `)`).MatchString(text) {
					t.Errorf("%v tells of %s", args, n.Name)
				}
				continue
			}
			if !has(n.Name) {
				t.Errorf("%v does not know %s", args, n.Name)
			}
			for _, f := range n.Flags {
				name := "--" + f.Name
				if args[len(args)-1] == "fish" {
					name = "-l " + f.Name
				}
				if !has(name) && !strings.Contains(text, name) {
					t.Errorf("%v does not know %s of %s", args, f.Name, n.Name)
				}
			}
		}
		// If the program is installed, it checks the script.
		check := map[string][]string{"zsh": {"zsh", "-n"}, "fish": {"fish", "--no-execute"}, "man": {"groff", "-man", "-ww", "-z", "-Tutf8"}}[args[len(args)-1]]
		if check == nil {
			continue
		}
		if _, err := exec.LookPath(check[0]); err != nil {
			continue
		}
		file := filepath.Join(t.TempDir(), "made")
		if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
		if said, err := exec.CommandContext(t.Context(), check[0], append(check[1:], file)...).CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%v: %v\n%s", check, err, said)
		}
	}
	if _, log, code := tierbench(t.Context(), "completion", "tcsh"); code != exitUsage || !strings.Contains(log, "bash") {
		t.Errorf("an unknown shell: exit code %d, %s", code, log)
	}
}
