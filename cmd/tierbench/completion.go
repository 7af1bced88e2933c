package main

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// Help is an example for --help.
func (c *completionCmd) Help() string {
	return "The script is generated from the same description of the command line as --help.\n\n" +
		"Examples:\n\n" +
		"    tierbench completion bash >~/.local/share/bash-completion/completions/tierbench\n\n" +
		"    tierbench completion zsh >~/.zfunc/_tierbench\n\n" +
		"    tierbench completion fish >~/.config/fish/completions/tierbench.fish"
}

func (c *completionCmd) Run(e *env, k *kong.Context) error { return describe(e.out, c.Shell, k.Model) }

type manCmd struct{}

func (c *manCmd) Run(e *env, k *kong.Context) error { return describe(e.out, "man", k.Model) }

//go:embed templates
var templates embed.FS

// describe writes the command line as a completion script for a shell, or as a manual page.
func describe(w io.Writer, as string, app *kong.Application) error {
	exits := map[string]int{"failed": exitFailed, "usage": exitUsage, "missed": exitMissed, "stopped": exitStopped}
	t := template.Must(template.New(as).Funcs(template.FuncMap{
		"commands": func(app *kong.Application) []*kong.Node {
			return slices.DeleteFunc(slices.Clone(app.Children), func(n *kong.Node) bool { return n.Hidden || n.Type != kong.CommandNode })
		},
		"flags": func(n *kong.Node) []*kong.Flag {
			return slices.DeleteFunc(slices.Concat(app.Flags, n.Flags), func(f *kong.Flag) bool { return f.Hidden })
		},
		"values": enum,
		// argument returns the allowed words of the first argument that has a list of them.
		"argument": func(n *kong.Node) []string {
			for _, p := range n.Positional {
				if v := enum(p); v != nil {
					return v
				}
			}
			return nil
		},
		"isFile":      isFile,
		"files":       func(n *kong.Node) bool { return slices.ContainsFunc(n.Positional, isFile) },
		"join":        func(words []string) string { return strings.Join(words, " ") },
		"brief":       firstSentence,
		"zsh":         strings.NewReplacer(`\`, `\\`, "'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`).Replace,
		"fish":        strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace,
		"roff":        roff,
		"exit":        func(why string) int { return exits[why] },
		"placeholder": func(f *kong.Flag) string { return strings.Trim(f.FormatPlaceHolder(), `"`) },
		"paragraphs": func(text string) []string {
			return slices.DeleteFunc(strings.Split(text, "\n\n"), func(p string) bool { return strings.TrimSpace(p) == "" })
		},
		"isCode": func(paragraph string) bool { return strings.HasPrefix(paragraph, "    ") },
	}).ParseFS(templates, "templates/*.tmpl"))
	if err := t.ExecuteTemplate(w, as+".tmpl", app); err != nil {
		return fmt.Errorf("describe the command line for %s: %w", as, err)
	}
	return nil
}

// isFile reports whether a value is the name of a file or a folder.
func isFile(v *kong.Value) bool {
	return slices.Contains([]string{"path", "existingfile", "existingdir", "filecontent"}, v.Tag.Type) || v.Name == "config" || v.Name == "command"
}

// enum returns the words that are allowed for a value, nil if any are.
func enum(v *kong.Value) (words []string) {
	for _, s := range strings.Split(v.Enum, ",") {
		if s = strings.TrimSpace(s); s != "" {
			words = append(words, s)
		}
	}
	return words
}

// firstSentence shortens a help text to its first sentence.
func firstSentence(s string) string {
	s, _, _ = strings.Cut(strings.Join(strings.Fields(s), " "), ". ")
	return strings.TrimSuffix(s, ".")
}

var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`)

// roff escapes a text for the manual page.
func roff(s string) string {
	s = roffEscapes.Replace(strings.Join(strings.Fields(s), " "))
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
