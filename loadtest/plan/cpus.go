package plan

import (
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml/ast"
)

var cpuSet = regexp.MustCompile(`^\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*$`)

func (d *decoder) cpus(dst *CPUs) decode {
	set := func(to *string) decode {
		return func(n ast.Node, path string) {
			s, ok := n.(*ast.StringNode)
			switch in, isInt := n.(*ast.IntegerNode); {
			case ok && cpuSet.MatchString(s.Value):
				*to = s.Value
			case isInt && cpuSet.MatchString(in.Token.Value):
				*to = in.Token.Value
			default:
				d.failAt(n, path, fmt.Sprintf("is %s; allowed: numbers of CPUs, such as \"0-3,8\"", describe(n)))
			}
		}
	}
	return func(n ast.Node, path string) {
		if s, ok := n.(*ast.StringNode); ok && s.Value == "shared" {
			*dst = CPUs{}
			return
		}
		if _, ok := n.(*ast.StringNode); ok {
			d.failAt(n, path, fmt.Sprintf("is %s; allowed: shared, or the sets {server: \"0\", generator: \"1\"}", describe(n)))
			return
		}
		d.mapping(n, path, fields{"server": set(&dst.Server), "generator": set(&dst.Generator)})
	}
}
