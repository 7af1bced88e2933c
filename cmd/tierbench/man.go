package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type manCmd struct{}

// Run writes the manual page, from the description of the command line that
// --help is made from too.
func (c *manCmd) Run(e *env, k *kong.Context) error {
	out := &keep{w: e.out}
	man(out, k.Model)
	if out.err != nil {
		return fmt.Errorf("write manual page: %w", out.err)
	}
	return nil
}

// roff is a text that man does not take for anything else.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`).Replace(strings.Join(strings.Fields(s), " "))
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

func man(w io.Writer, app *kong.Application) {
	line := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	line(`.\" Made by: tierbench man`)
	line(`.TH TIERBENCH 1`)
	line(".SH NAME\ntierbench \\- measure ways of handling many clients at once")
	line(".SH SYNOPSIS\n.B tierbench\n.I command\n[\\fIarguments\\fR] [\\fIflags\\fR]")
	line(".SH DESCRIPTION\n%s", roff(app.Help))
	line(".SH COMMANDS")
	for _, n := range app.Children {
		if n.Hidden || n.Type != kong.CommandNode {
			continue
		}
		line(".SS tierbench %s", roff(n.Summary()))
		line("%s", roff(n.Help))
		for para := range strings.SplitSeq(n.Detail, "\n\n") {
			if code, ok := strings.CutPrefix(para, "    "); ok {
				line(".PP\n.RS 4\n.nf\n%s\n.fi\n.RE", roff(code))
			} else if strings.TrimSpace(para) != "" {
				line(".PP\n%s", roff(para))
			}
		}
		for _, p := range n.Positional {
			line(".TP\n.I %s\n%s", roff(p.Name), roff(p.Help))
		}
		for _, f := range n.Flags {
			if f.Hidden {
				continue
			}
			name := `\fB\-\-` + roff(f.Name) + `\fR`
			if !f.IsBool() {
				name += `=\fI` + roff(strings.Trim(f.FormatPlaceHolder(), `"`)) + `\fR`
			}
			line(".TP\n%s\n%s", name, roff(f.Help))
		}
	}
	line(".SH EXIT STATUS")
	for _, c := range []struct {
		code int
		what string
	}{
		{0, "What was asked for was done."},
		{exitFailed, "Something failed: a cell has no valid repeat, a comparison is worse than allowed, a table does not hold, a promise is never kept."},
		{exitMistake, "The command line or a file is wrong. Nothing was started."},
		{exitMissed, "An objective (slo:) of the config is missed."},
		{exitStopped, "It was interrupted."},
	} {
		line(".TP\n.B %d\n%s", c.code, roff(c.what))
	}
	line(".SH FILES\n.TP\n.I results/\n%s", roff("A folder for each run: run.json, cells.jsonl, series.jsonl, histograms.hlog, charts/, report.md, report.html, bench.txt. results/latest points to the newest."))
}
