package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Errors are the mistakes in a config, in the order of the file.
type Errors []Error

// An Error is one mistake in a config: its position, what is wrong, what is allowed.
type Error struct {
	File         string // empty for a config made of Go values
	Line, Column int    // in the file; else Line is the number of the value
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
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return placeOf(m.Values[0].Key)
	}
	p := n.GetToken().Position
	return place{p.Line, p.Column}
}

// A decoder goes through a config, the syntax tree of a file or Go values. It keeps
// the place of each value, by path, and collects the mistakes. Decoding a file into
// structs would lose the places of durations, of ranges and of everything that is
// checked later.
type decoder struct {
	file   string
	places map[string]place
	errs   Errors
}

// visit visits a value at its place. That of a Go value is its number.
func (d *decoder) visit(n ast.Node, path string, v value) any {
	if d.places[path] = placeOf(n); n == nil {
		d.places[path] = place{line: len(d.places)}
	}
	return v.visit(n, path)
}

// fail records a mistake in a field.
func (d *decoder) fail(field, format string, args ...any) { d.failAt(field, field, format, args...) }

// missing records that a mapping lacks a key.
func (d *decoder) missing(path, key, why string, args ...any) {
	d.failAt(path, join(path, key), "is missing"+why, args...)
}

// failAt records a mistake in a field at the place of a path. The place of a key
// that is not there is that of the mapping around it.
func (d *decoder) failAt(path, field, format string, args ...any) {
	p, there := d.places[path]
	for !there && path != "" {
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
		p, there = d.places[path]
	}
	d.errs = append(d.errs, Error{d.file, p.line, p.column, field, fmt.Sprintf(format, args...)})
}

// there reports whether the config has a value at a path.
func (d *decoder) there(path string) bool {
	_, ok := d.places[path]
	return ok
}

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
		return cmp.Or(a.Line-b.Line, a.Column-b.Column)
	})
	return d.errs
}

// parse returns the root of the text's only document, nil if there is none.
func (d *decoder) parse(text []byte) ast.Node {
	d.places[""] = place{1, 1}
	tree, err := parser.ParseBytes(text, 0)
	switch {
	case err != nil:
		problem := err.Error()
		var ye yaml.Error
		if errors.As(err, &ye) && ye.GetToken() != nil && ye.GetToken().Position != nil {
			p := ye.GetToken().Position
			d.places[""], problem = place{p.Line, p.Column}, ye.GetMessage()
		}
		d.fail("", "not YAML: %s", problem)
		return nil
	case len(tree.Docs) == 0 || tree.Docs[0].Body == nil:
		d.fail("", "the file is empty; it needs at least models, workloads and clients")
		return nil
	case len(tree.Docs) > 1:
		d.places[""] = placeOf(tree.Docs[1].Body)
		d.fail("", "a second document; a config file contains one")
	}
	return tree.Docs[0].Body
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
