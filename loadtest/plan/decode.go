package plan

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Errors are the mistakes in a config, in the order of the file.
type Errors []Error

// An Error is one mistake in a config: its position, what is wrong, what is allowed.
type Error struct {
	File         string // empty for a config made of Go values, which has no lines
	Line, Column int
	Field        string // a path such as clients[2]; empty for the file as a whole
	Problem      string
}

func (e Error) Error() string {
	at := ""
	if e.File != "" {
		at = fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	}
	if e.Field == "" {
		return at + e.Problem
	}
	return at + e.Field + ": " + e.Problem
}

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// A place is a position in the file, from 1.
type place struct{ line, column int }

func placeOf(n ast.Node) place {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return place{1, 1}
	}
	// A mapping's own token is the colon of its first pair. Point at the key, where
	// a reader looks.
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			return placeOf(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return placeOf(m.Key)
	}
	p := n.GetToken().Position
	return place{p.Line, p.Column}
}

// A decoder walks the syntax tree of a config and collects the mistakes. It keeps
// the position of each value. Decoding into structs would lose it for durations,
// for ranges and for everything that is checked later.
type decoder struct {
	file   string
	places map[string]place
	errs   Errors
}

type (
	decode func(n ast.Node, path string)
	fields map[string]decode
)

func (d *decoder) fail(p place, path, problem string) {
	d.errs = append(d.errs, Error{File: d.file, Line: p.line, Column: p.column, Field: path, Problem: problem})
}

func (d *decoder) failAt(n ast.Node, path, problem string) { d.fail(placeOf(n), path, problem) }

// failed reports whether a mistake was found at or below path.
func (d *decoder) failed(path string) bool {
	return slices.ContainsFunc(d.errs, func(e Error) bool {
		rest, ok := strings.CutPrefix(e.Field, path)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

func (d *decoder) err() error {
	if len(d.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(d.errs, func(a, b Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return d.errs
}

func (d *decoder) syntax(err error) {
	var ye yaml.Error
	if errors.As(err, &ye) && ye.GetToken() != nil && ye.GetToken().Position != nil {
		p := ye.GetToken().Position
		d.fail(place{p.Line, p.Column}, "", "not YAML: "+ye.GetMessage())
		return
	}
	d.fail(place{1, 1}, "", "not YAML: "+err.Error())
}

func describe(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode:
		return strconv.Quote(n.Value)
	default:
		return n.String()
	}
}

// entries calls f for each pair of a mapping.
func (d *decoder) entries(n ast.Node, path string, f func(key string, value ast.Node, path string)) {
	d.places[path] = placeOf(n)
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		d.failAt(n, path, fmt.Sprintf("is %s; allowed: a mapping of keys and values", describe(n)))
		return
	}
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		sub := key
		if path != "" {
			sub = path + "." + key
		}
		d.places[sub] = placeOf(pair.Value)
		f(key, pair.Value, sub)
	}
}

// mapping decodes a mapping whose keys are known.
func (d *decoder) mapping(n ast.Node, path string, known fields) {
	d.entries(n, path, func(key string, value ast.Node, sub string) {
		f, ok := known[key]
		if !ok {
			keys := make([]string, 0, len(known))
			for k := range known {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			p := placeOf(value)
			if m, isPair := n.(*ast.MappingNode); isPair {
				for _, pair := range m.Values {
					if pair.Key.GetToken().Value == key {
						p = placeOf(pair)
					}
				}
			}
			d.fail(p, sub, "unknown key; allowed: "+strings.Join(keys, ", "))
			return
		}
		f(value, sub)
	})
}

func (d *decoder) list(each decode) decode {
	return func(n ast.Node, path string) {
		seq, ok := n.(*ast.SequenceNode)
		if !ok {
			d.failAt(n, path, fmt.Sprintf("is %s; allowed: a list", describe(n)))
			return
		}
		for i, item := range seq.Values {
			sub := fmt.Sprintf("%s[%d]", path, i)
			d.places[sub] = placeOf(item)
			each(item, sub)
		}
	}
}

func (d *decoder) str(n ast.Node, path string) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return strings.TrimSpace(s.Value.Value), true
	}
	d.failAt(n, path, fmt.Sprintf("is %s; allowed: a text", describe(n)))
	return "", false
}

func (d *decoder) text(dst *string) decode {
	return func(n ast.Node, path string) {
		if s, ok := d.str(n, path); ok {
			*dst = s
		}
	}
}

func (d *decoder) texts(dst *[]string) decode {
	return d.list(func(n ast.Node, path string) {
		if s, ok := d.str(n, path); ok {
			*dst = append(*dst, s)
		}
	})
}

func (d *decoder) oneOf(dst *string, allowed []string) decode {
	return func(n ast.Node, path string) {
		s, ok := d.str(n, path)
		if !ok {
			return
		}
		if !slices.Contains(allowed, s) {
			d.failAt(n, path, fmt.Sprintf("%q is not allowed; allowed: %s", s, strings.Join(allowed, ", ")))
			return
		}
		*dst = s
	}
}

func (d *decoder) boolean(dst *bool) decode {
	return func(n ast.Node, path string) {
		if b, ok := n.(*ast.BoolNode); ok {
			*dst = b.Value
			return
		}
		d.failAt(n, path, fmt.Sprintf("is %s; allowed: true, false", describe(n)))
	}
}

// int decodes a whole number. Underscores may group its digits.
func (d *decoder) int(n ast.Node, path string, low, high int) int {
	if in, ok := n.(*ast.IntegerNode); ok {
		if v, err := strconv.ParseInt(strings.ReplaceAll(in.Token.Value, "_", ""), 10, 64); err == nil && v >= int64(low) && v <= int64(high) {
			return int(v)
		}
	}
	d.failAt(n, path, fmt.Sprintf("is %s; allowed: a whole number from %d to %d", describe(n), low, high))
	return low
}

func (d *decoder) number(n ast.Node, path string, low, high float64) float64 {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		if v, err := strconv.ParseFloat(strings.ReplaceAll(n.GetToken().Value, "_", ""), 64); err == nil && v >= low && v <= high {
			return v
		}
	}
	d.failAt(n, path, fmt.Sprintf("is %s; allowed: a number from %g to %g", describe(n), low, high))
	return low
}

func (d *decoder) duration(dst *time.Duration, low, high time.Duration) decode {
	return func(n ast.Node, path string) {
		if s, ok := n.(*ast.StringNode); ok {
			if v, err := time.ParseDuration(s.Value); err == nil && v >= low && v <= high {
				*dst = v
				return
			}
		} else if in, ok := n.(*ast.IntegerNode); ok && low == 0 && in.Token.Value == "0" {
			*dst = 0
			return
		}
		d.failAt(n, path, fmt.Sprintf("is %s; allowed: a duration from %v to %v, such as 500ms or 2s", describe(n), low, high))
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func duplicates[T comparable](d *decoder, path string, values []T) {
	for i, v := range values {
		at := fmt.Sprintf("%s[%d]", path, i)
		if first := slices.Index(values, v); first < i && !d.failed(at) {
			d.fail(d.places[at], at, fmt.Sprintf("%v is already listed as %s[%d]", v, path, first))
		}
	}
}

// oneOrMore decodes a word or a list of words.
func (d *decoder) oneOrMore(dst *[]string, allowed []string) decode {
	return func(n ast.Node, path string) {
		*dst = nil
		each := func(n ast.Node, path string) {
			var s string
			if d.oneOf(&s, allowed)(n, path); s != "" {
				*dst = append(*dst, s)
			}
		}
		if _, ok := n.(*ast.SequenceNode); !ok {
			each(n, path)
			return
		}
		d.list(each)(n, path)
		if len(*dst) == 0 && !d.failed(path) {
			d.failAt(n, path, "is empty; it needs at least one entry")
		}
		duplicates(d, path, *dst)
	}
}
