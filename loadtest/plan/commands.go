package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

var (
	placeholders = []string{"{addr}", "{host}", "{port}", "{protocol}", "{cpus}"}
	placeholder  = regexp.MustCompile(`\{[a-z_]+\}`)
)

func (d *decoder) commands(dst *map[string]Command) decode {
	return func(n ast.Node, path string) {
		*dst = map[string]Command{}
		d.entries(n, path, func(name string, value ast.Node, path string) {
			var c Command
			d.mapping(value, path, fields{
				"doc": d.text(&c.Doc), "run": d.texts(&c.Run), "closes_each": d.boolean(&c.ClosesEach),
				"protocols": d.list(func(n ast.Node, path string) {
					var p string
					d.oneOf(&p, protocols)(n, path)
					c.Protocols = append(c.Protocols, p)
				}),
			})
			for i, arg := range c.Run {
				for _, word := range placeholder.FindAllString(arg, -1) {
					if at := fmt.Sprintf("%s.run[%d]", path, i); !slices.Contains(placeholders, word) {
						d.fail(d.places[at], at, fmt.Sprintf("unknown placeholder %s; allowed: %s", word, strings.Join(placeholders, ", ")))
					}
				}
			}
			if len(c.Run) == 0 && !d.failed(path) {
				d.failAt(value, path+".run", "is missing; it is the argument list of the server")
			}
			(*dst)[name] = c
		})
	}
}
