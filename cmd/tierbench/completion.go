package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Help is an example for --help.
func (c *completionCmd) Help() string {
	return "The script is made from the same description of the command line as --help.\n\n" +
		"Examples:\n\n" +
		"    tierbench completion bash >~/.local/share/bash-completion/completions/tierbench\n\n" +
		"    tierbench completion zsh >~/.zfunc/_tierbench\n\n" +
		"    tierbench completion fish >~/.config/fish/completions/tierbench.fish"
}

func (c *completionCmd) Run(e *env, k *kong.Context) error {
	write := map[string]func(io.Writer, []command){"bash": bash, "zsh": zsh, "fish": fish}[c.Shell]
	out := &keep{w: e.out}
	write(out, commands(k.Model))
	if out.err != nil {
		return fmt.Errorf("write completion: %w", out.err)
	}
	return nil
}

// keep remembers the first error of many writes.
type keep struct {
	w   io.Writer
	err error
}

func (k *keep) Write(b []byte) (int, error) {
	if k.err == nil {
		_, k.err = k.w.Write(b)
	}
	return len(b), nil
}

// A command is a subcommand as a shell is told of it.
type command struct {
	name, help string
	flags      []flag
	values     []string // of its first argument, where only these are allowed
	files      bool     // its arguments are files or folders
}

type flag struct {
	name, help string
	takes      bool     // a value
	values     []string // that are allowed; nil is: any
	files      bool
}

func commands(app *kong.Application) []command {
	var out []command
	for _, n := range app.Children {
		if n.Hidden || n.Type != kong.CommandNode {
			continue
		}
		c := command{name: n.Name, help: firstSentence(n.Help)}
		for _, p := range n.Positional {
			c.files = c.files || isFile(p)
			if p.Enum != "" && c.values == nil {
				c.values = enum(p)
			}
		}
		for _, f := range slices.Concat(app.Flags, n.Flags) {
			if f.Hidden {
				continue
			}
			c.flags = append(c.flags, flag{
				name: f.Name, help: firstSentence(f.Help), takes: !f.IsBool(), values: enum(f.Value), files: isFile(f.Value),
			})
		}
		out = append(out, c)
	}
	return out
}

// isFile tells by the kind of the value, or because any file may be named.
func isFile(v *kong.Value) bool {
	return slices.Contains([]string{"path", "existingfile", "existingdir", "filecontent"}, v.Tag.Type) || v.Name == "config" || v.Name == "command"
}

func enum(v *kong.Value) []string {
	var out []string
	for _, s := range strings.Split(v.Enum, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// firstSentence is the help that fits beside a word.
func firstSentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if i := strings.Index(s, ". "); i >= 0 {
		s = s[:i]
	}
	return strings.TrimSuffix(s, ".")
}

// bash completes words of its own, and otherwise files, as bash does without.
func bash(w io.Writer, cs []command) {
	fmt.Fprint(w, `# Completion of tierbench for bash, by: tierbench completion bash
_tierbench() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev= cmd= words= i
	((COMP_CWORD > 0)) && prev=${COMP_WORDS[COMP_CWORD - 1]}
	# --flag=value comes as three words.
	[[ $cur == = ]] && cur=
	[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--) return ;;
		-*) ;;
		*) cmd=${cmd:-${COMP_WORDS[i]}} ;;
		esac
	done
	case $cmd in
`)
	var names []string
	for _, c := range cs {
		names = append(names, c.name)
	}
	fmt.Fprintf(w, "\t'') words='%s --help' ;;\n", strings.Join(names, " "))
	for _, c := range cs {
		fmt.Fprintf(w, "\t%s)\n\t\tcase $prev in\n", c.name)
		var all []string
		for _, f := range c.flags {
			all = append(all, "--"+f.name)
			switch {
			case len(f.values) > 0:
				fmt.Fprintf(w, "\t\t--%s) words='%s' ;;\n", f.name, strings.Join(f.values, " "))
			case f.takes:
				fmt.Fprintf(w, "\t\t--%s) return ;;\n", f.name)
			}
		}
		rest := all
		if len(c.values) > 0 {
			rest = slices.Concat(c.values, all)
		}
		fmt.Fprintf(w, "\t\t*)\n\t\t\twords='%s'\n", strings.Join(rest, " "))
		if len(c.values) == 0 {
			fmt.Fprint(w, "\t\t\t[[ $cur == -* ]] || return\n")
		}
		fmt.Fprint(w, "\t\t\t;;\n\t\tesac\n\t\t;;\n")
	}
	fmt.Fprint(w, `	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _tierbench tierbench
`)
}

func zsh(w io.Writer, cs []command) {
	text := strings.NewReplacer(`\`, `\\`, "'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`)
	fmt.Fprint(w, "#compdef tierbench\n# Completion of tierbench for zsh, by: tierbench completion zsh\n\n_tierbench() {\n\tlocal -a commands\n\tcommands=(\n")
	for _, c := range cs {
		fmt.Fprintf(w, "\t\t'%s:%s'\n", c.name, text.Replace(c.help))
	}
	fmt.Fprint(w, "\t)\n\tif ((CURRENT == 2)); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n\tlocal cmd=$words[2]\n\tshift words\n\t((CURRENT--))\n\tcase $cmd in\n")
	for _, c := range cs {
		fmt.Fprintf(w, "\t%s)\n\t\t_arguments", c.name)
		for _, f := range c.flags {
			fmt.Fprintf(w, " \\\n\t\t\t'--%s", f.name)
			if f.takes {
				fmt.Fprint(w, "=")
			}
			fmt.Fprintf(w, "[%s]", text.Replace(f.help))
			switch {
			case len(f.values) > 0:
				fmt.Fprintf(w, ":%s:(%s)", f.name, strings.Join(f.values, " "))
			case f.files:
				fmt.Fprintf(w, ":%s:_files", f.name)
			case f.takes:
				fmt.Fprintf(w, ":%s: ", f.name)
			}
			fmt.Fprint(w, "'")
		}
		switch {
		case len(c.values) > 0:
			fmt.Fprintf(w, " \\\n\t\t\t'1:value:(%s)'", strings.Join(c.values, " "))
		case c.files:
			fmt.Fprint(w, " \\\n\t\t\t'*:file:_files'")
		}
		fmt.Fprint(w, "\n\t\t;;\n")
	}
	fmt.Fprint(w, "\tesac\n}\n\nif [[ $funcstack[1] == _tierbench ]]; then\n\t_tierbench \"$@\"\nelse\n\tcompdef _tierbench tierbench\nfi\n")
}

func fish(w io.Writer, cs []command) {
	text := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	fmt.Fprint(w, "# Completion of tierbench for fish, by: tierbench completion fish\ncomplete -c tierbench -f\n")
	for _, c := range cs {
		fmt.Fprintf(w, "complete -c tierbench -n __fish_use_subcommand -a %s -d '%s'\n", c.name, text.Replace(c.help))
	}
	for _, c := range cs {
		when := fmt.Sprintf("complete -c tierbench -n '__fish_seen_subcommand_from %s'", c.name)
		if c.files {
			fmt.Fprintf(w, "%s -F\n", when)
		}
		if len(c.values) > 0 {
			fmt.Fprintf(w, "%s -a '%s'\n", when, strings.Join(c.values, " "))
		}
		for _, f := range c.flags {
			fmt.Fprintf(w, "%s -l %s -d '%s'", when, f.name, text.Replace(f.help))
			switch {
			case len(f.values) > 0:
				fmt.Fprintf(w, " -x -a '%s'", strings.Join(f.values, " "))
			case f.files:
				fmt.Fprint(w, " -r -F")
			case f.takes:
				fmt.Fprint(w, " -x")
			}
			fmt.Fprintln(w)
		}
	}
}
